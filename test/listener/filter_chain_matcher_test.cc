#include "source/listener/filter_chain_matcher.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

#include "source/base/random.h"

namespace sluice::listener {
namespace {

net::Address ip(const std::string& text, uint16_t port = 1000) { return *net::Address::ip(text, port); }

FilterChainRule rule(std::optional<uint16_t> port, const std::vector<std::pair<std::string, uint32_t>>& sources) {
  FilterChainRule made;
  made.destination_port = port;
  for (const auto& [address, length] : sources) {
    made.source_prefixes.push_back(*IpPrefix::create(address, length));
  }
  return made;
}

uint32_t find(const FilterChainMatcher& matcher, const net::Address& destination, const net::Address& source) {
  return matcher.find({destination, source});
}

TEST(IpPrefix, ZeroesTheHostPart) {
  EXPECT_EQ(IpPrefix::create("10.1.2.3", 8)->toString(), "10.0.0.0/8");
  EXPECT_EQ(IpPrefix::create("2001:db8::1", 33)->toString(), "2001:db8::/33");
  EXPECT_EQ(IpPrefix::create("1.2.3.4", 0)->toString(), "0.0.0.0/0");
}

TEST(IpPrefix, TakesAnIpv4MappedPrefixAsIpv4) {
  EXPECT_EQ(*IpPrefix::create("::ffff:10.1.2.3", 104), *IpPrefix::create("10.0.0.0", 8));
  EXPECT_TRUE(IpPrefix::create("::ffff:10.1.2.3", 32)->ipv6);
}

TEST(IpPrefix, RefusesWhatIsNone) {
  EXPECT_FALSE(IpPrefix::create("localhost", 8).ok());
  EXPECT_FALSE(IpPrefix::create("10.0.0.0", 33).ok());
  EXPECT_FALSE(IpPrefix::create("::1", 129).ok());
}

TEST(FilterChainMatcher, WithoutRulesMatchesNothing) {
  EXPECT_EQ(find(FilterChainMatcher(), ip("127.0.0.1"), ip("127.0.0.1")), FilterChainMatcher::kNone);
}

TEST(FilterChainMatcher, TakesTheLongestSourcePrefix) {
  std::vector<FilterChainMatcher::Conflict> conflicts;
  const FilterChainMatcher matcher(
      {rule({}, {{"10.0.0.0", 8}}), rule({}, {{"10.1.0.0", 16}, {"::1", 128}}), rule({}, {})}, conflicts);
  EXPECT_TRUE(conflicts.empty());
  EXPECT_EQ(find(matcher, ip("1.1.1.1"), ip("10.2.0.1")), 0u);
  EXPECT_EQ(find(matcher, ip("1.1.1.1"), ip("10.1.255.255")), 1u);
  EXPECT_EQ(find(matcher, ip("1.1.1.1"), ip("10.2.0.0")), 0u);
  EXPECT_EQ(find(matcher, ip("1.1.1.1"), ip("::1")), 1u);
  EXPECT_EQ(find(matcher, ip("1.1.1.1"), ip("11.0.0.0")), 2u);
  EXPECT_EQ(find(matcher, *net::Address::pipe("/x"), *net::Address::pipe("/x")), 2u);
}

TEST(FilterChainMatcher, DoesNotGoBackOnADestinationPort) {
  std::vector<FilterChainMatcher::Conflict> conflicts;
  const FilterChainMatcher matcher({rule(80, {{"10.0.0.0", 8}}), rule({}, {})}, conflicts);
  EXPECT_EQ(find(matcher, ip("1.1.1.1", 80), ip("10.0.0.1")), 0u);
  EXPECT_EQ(find(matcher, ip("1.1.1.1", 80), ip("11.0.0.1")), FilterChainMatcher::kNone);
  EXPECT_EQ(find(matcher, ip("1.1.1.1", 81), ip("10.0.0.1")), 1u);
}

TEST(FilterChainMatcher, TellsWhichRulesAskForTheSame) {
  std::vector<FilterChainMatcher::Conflict> conflicts;
  const FilterChainMatcher matcher({rule(80, {{"10.0.0.0", 8}, {"10.0.0.1", 8}}), rule({}, {}),
                                    rule(80, {{"11.0.0.0", 8}, {"10.9.9.9", 8}}), rule({}, {})},
                                   conflicts);
  ASSERT_EQ(conflicts.size(), 2u);
  EXPECT_EQ(conflicts[0].first, 0u);
  EXPECT_EQ(conflicts[0].second, 2u);
  EXPECT_EQ(conflicts[0].what, "destination port 80, source 10.0.0.0/8");
  EXPECT_EQ(conflicts[1].first, 1u);
  EXPECT_EQ(conflicts[1].second, 3u);
  EXPECT_EQ(conflicts[1].what, "any source");
}

/** The rules in words, tried one after the other. */
uint32_t findNaively(const std::vector<FilterChainRule>& rules, const net::Address& destination,
                     const net::Address& source) {
  bool exact_port = false;
  for (const FilterChainRule& rule : rules) {
    exact_port = exact_port || rule.destination_port == destination.port();
  }
  uint32_t best = FilterChainMatcher::kNone;
  int best_length = -2;
  for (size_t i = 0; i < rules.size(); ++i) {
    if (exact_port ? rules[i].destination_port != destination.port() : rules[i].destination_port.has_value()) {
      continue;
    }
    if (rules[i].source_prefixes.empty() && best_length < -1) {
      best = i;
      best_length = -1;
    }
    for (const IpPrefix& prefix : rules[i].source_prefixes) {
      if (prefix.ipv6 != (source.kind() == net::Address::Kind::Ipv6)) {
        continue;
      }
      absl::StatusOr<IpPrefix> of_source = IpPrefix::create(source.ipString(), prefix.length);
      if (of_source->bits == prefix.bits && prefix.length > best_length) {
        best = i;
        best_length = prefix.length;
      }
    }
  }
  return best;
}

TEST(FilterChainMatcher, AgreesWithANaiveMatcher) {
  base::Random random(20240607);
  for (int round = 0; round < 300; ++round) {
    // Few distinct bits, so that prefixes nest, touch and collide.
    auto address = [&random] {
      const uint8_t bytes[] = {0, 1, 127, 128, 254, 255};
      auto byte = [&] { return std::to_string(bytes[random.below(6)]); };
      if (random.below(4) == 0) {
        const char* groups[] = {"0", "1", "8000", "ffff"};
        return std::string("2001:") + groups[random.below(4)] + "::" + groups[random.below(4)];
      }
      return byte() + "." + byte() + "." + byte() + "." + byte();
    };
    std::vector<FilterChainRule> rules;
    for (uint64_t i = random.below(12); i > 0; --i) {
      FilterChainRule made;
      if (random.below(2) == 0) {
        made.destination_port = 80 + random.below(3);
      }
      for (uint64_t k = random.below(4); k > 0; --k) {
        const std::string text = address();
        const uint32_t width = text.find(':') == std::string::npos ? 32 : 128;
        made.source_prefixes.push_back(*IpPrefix::create(text, random.below(width + 1)));
      }
      rules.push_back(made);
    }
    std::vector<FilterChainMatcher::Conflict> conflicts;
    const FilterChainMatcher matcher(rules, conflicts);
    for (int probe = 0; probe < 50; ++probe) {
      const net::Address destination = ip("1.1.1.1", 79 + random.below(5));
      const net::Address source = ip(address());
      EXPECT_EQ(find(matcher, destination, source), findNaively(rules, destination, source))
          << "round " << round << " source " << source.toString() << " port " << destination.port();
    }
  }
}

}  // namespace
}  // namespace sluice::listener
