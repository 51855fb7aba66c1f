#include "source/listener/filter_chain_matcher.h"

#include <algorithm>
#include <string>
#include <vector>

#include "gtest/gtest.h"

#include "source/base/random.h"

namespace sluice::listener {
namespace {

using SourceType = FilterChainRule::SourceType;

net::Address ip(const std::string& text, uint16_t port = 1000) { return *net::Address::ip(text, port); }

std::vector<IpPrefix> prefixes(const std::vector<std::pair<std::string, uint32_t>>& list) {
  std::vector<IpPrefix> made;
  for (const auto& [address, length] : list) {
    made.push_back(*IpPrefix::create(address, length));
  }
  return made;
}

/** A connection with all that it owns. */
struct Connection {
  net::Address destination = ip("1.1.1.1", 80);
  net::Address source = ip("9.9.9.9");
  net::Address direct_source = source;
  std::string server_name = "";
  std::string transport_protocol = "raw_buffer";
  std::vector<std::string> application_protocols = {};

  FilterChainInput input() const {
    return {destination, source, direct_source, server_name, transport_protocol, application_protocols};
  }
};

class FilterChainMatcherTest : public testing::Test {
 protected:
  FilterChainRule& add() { return rules_.emplace_back(); }
  uint32_t find(const Connection& connection) {
    conflicts_.clear();
    return FilterChainMatcher(rules_, conflicts_).find(connection.input());
  }

  std::vector<FilterChainRule> rules_;
  std::vector<FilterChainMatcher::Conflict> conflicts_;
};

TEST_F(FilterChainMatcherTest, WithoutRulesMatchesNothing) {
  EXPECT_EQ(FilterChainMatcher().find(Connection().input()), FilterChainMatcher::kNone);
  EXPECT_EQ(find({}), FilterChainMatcher::kNone);
}

TEST_F(FilterChainMatcherTest, ARuleThatAsksForNothingMatchesAll) {
  add();
  EXPECT_EQ(find({}), 0u);
  EXPECT_EQ(find({.destination = *net::Address::pipe("/x"), .source = *net::Address::pipe("/x")}), 0u);
}

TEST_F(FilterChainMatcherTest, TakesTheLongestSourcePrefix) {
  add().source_prefixes = prefixes({{"10.0.0.0", 8}});
  add().source_prefixes = prefixes({{"10.1.0.0", 16}, {"::1", 128}});
  add();
  EXPECT_EQ(find({.source = ip("10.2.0.1")}), 0u);
  EXPECT_EQ(find({.source = ip("10.1.255.255")}), 1u);
  EXPECT_EQ(find({.source = ip("::1")}), 1u);
  EXPECT_EQ(find({.source = ip("11.0.0.0")}), 2u);
  EXPECT_EQ(find({.source = *net::Address::pipe("/x")}), 2u);
  EXPECT_TRUE(conflicts_.empty());
}

TEST_F(FilterChainMatcherTest, TakesTheLongestDestinationPrefix) {
  add().destination_prefixes = prefixes({{"1.0.0.0", 8}});
  add().destination_prefixes = prefixes({{"1.1.1.0", 24}});
  EXPECT_EQ(find({.destination = ip("1.1.1.1")}), 1u);
  EXPECT_EQ(find({.destination = ip("1.1.2.1")}), 0u);
  EXPECT_EQ(find({.destination = ip("2.1.1.1")}), FilterChainMatcher::kNone);
}

TEST_F(FilterChainMatcherTest, DoesNotGoBackOnADestinationPort) {
  FilterChainRule& first = add();
  first.destination_port = 80;
  first.source_prefixes = prefixes({{"10.0.0.0", 8}});
  add();
  EXPECT_EQ(find({.destination = ip("1.1.1.1", 80), .source = ip("10.0.0.1")}), 0u);
  EXPECT_EQ(find({.destination = ip("1.1.1.1", 80), .source = ip("11.0.0.1")}), FilterChainMatcher::kNone);
  EXPECT_EQ(find({.destination = ip("1.1.1.1", 81), .source = ip("10.0.0.1")}), 1u);
}

TEST_F(FilterChainMatcherTest, TakesTheMostSpecificServerName) {
  add().server_names = {"a.b.example.com"};
  add().server_names = {"*.b.example.com"};
  add().server_names = {"*.example.com", "other.test"};
  add();
  EXPECT_EQ(find({.server_name = "a.b.example.com"}), 0u);
  EXPECT_EQ(find({.server_name = "x.b.example.com"}), 1u);
  EXPECT_EQ(find({.server_name = "x.y.b.example.com"}), 1u);
  EXPECT_EQ(find({.server_name = "b.example.com"}), 2u);
  EXPECT_EQ(find({.server_name = "other.test"}), 2u);
  EXPECT_EQ(find({.server_name = "example.com"}), 3u);
  EXPECT_EQ(find({.server_name = "com"}), 3u);
  EXPECT_EQ(find({.server_name = "."}), 3u);
  EXPECT_EQ(find({}), 3u);
}

TEST_F(FilterChainMatcherTest, ServerNamesComeBeforeTransportProtocols) {
  add().server_names = {"a.test"};
  add().transport_protocol = "tls";
  add().transport_protocol = "raw_buffer";
  EXPECT_EQ(find({.server_name = "a.test", .transport_protocol = "raw_buffer"}), 0u);
  EXPECT_EQ(find({.server_name = "b.test", .transport_protocol = "tls"}), 1u);
  EXPECT_EQ(find({}), 2u);
}

TEST_F(FilterChainMatcherTest, TakesTheClientsFirstApplicationProtocol) {
  FilterChainRule& mesh = add();
  mesh.transport_protocol = "tls";
  mesh.application_protocols = {"istio-http/1.1", "istio"};
  FilterChainRule& h2 = add();
  h2.transport_protocol = "tls";
  h2.application_protocols = {"h2"};
  add().transport_protocol = "tls";
  const auto with = [](std::vector<std::string> protocols) {
    return Connection{.transport_protocol = "tls", .application_protocols = std::move(protocols)};
  };
  EXPECT_EQ(find(with({"istio-http/1.1", "istio", "http/1.1"})), 0u);
  EXPECT_EQ(find(with({"http/1.1", "istio"})), 0u);
  EXPECT_EQ(find(with({"h2", "istio"})), 1u);
  EXPECT_EQ(find(with({"http/1.1"})), 2u);
  EXPECT_EQ(find(with({})), 2u);
  EXPECT_EQ(find({.application_protocols = {"h2"}}), FilterChainMatcher::kNone);
}

TEST_F(FilterChainMatcherTest, TellsTheSocketsPeerFromTheClient) {
  add().direct_source_prefixes = prefixes({{"10.0.0.0", 8}});
  add().source_prefixes = prefixes({{"9.0.0.0", 8}});
  EXPECT_EQ(find({.source = ip("9.9.9.9"), .direct_source = ip("10.0.0.1")}), 0u);
  EXPECT_EQ(find({.source = ip("9.9.9.9"), .direct_source = ip("11.0.0.1")}), 1u);
  EXPECT_EQ(find({.source = ip("8.9.9.9"), .direct_source = ip("11.0.0.1")}), FilterChainMatcher::kNone);
}

TEST_F(FilterChainMatcherTest, TellsWhoIsOnTheSameMachine) {
  add().source_type = SourceType::SameIpOrLoopback;
  add().source_type = SourceType::External;
  EXPECT_EQ(find({.source = ip("127.0.0.1")}), 0u);
  EXPECT_EQ(find({.source = ip("::1")}), 0u);
  EXPECT_EQ(find({.source = ip("1.1.1.1", 4711)}), 0u);
  EXPECT_EQ(find({.source = *net::Address::pipe("/x")}), 0u);
  EXPECT_EQ(find({.source = ip("1.1.1.2")}), 1u);
}

TEST_F(FilterChainMatcherTest, ASourceTypeThatNobodyAsksForFallsToAny) {
  add().source_type = SourceType::External;
  add();
  EXPECT_EQ(find({.source = ip("127.0.0.1")}), 1u);
  EXPECT_EQ(find({.source = ip("127.0.0.2")}), 0u) << "as Envoy means loopback";
  EXPECT_EQ(find({.source = ip("8.8.8.8")}), 0u);
}

TEST_F(FilterChainMatcherTest, TakesAnExactSourcePort) {
  FilterChainRule& first = add();
  first.source_prefixes = prefixes({{"9.9.9.9", 32}});
  first.source_ports = {1000, 1001};
  add().source_prefixes = prefixes({{"9.9.9.9", 32}});
  EXPECT_EQ(find({.source = ip("9.9.9.9", 1001)}), 0u);
  EXPECT_EQ(find({.source = ip("9.9.9.9", 1002)}), 1u);
}

TEST_F(FilterChainMatcherTest, TellsWhichRulesAskForTheSame) {
  FilterChainRule& first = add();
  first.destination_port = 80;
  first.source_prefixes = prefixes({{"10.0.0.0", 8}, {"10.0.0.1", 8}});
  add();
  FilterChainRule& third = add();
  third.destination_port = 80;
  third.source_prefixes = prefixes({{"11.0.0.0", 8}, {"10.9.9.9", 8}});
  add();
  EXPECT_EQ(find({}), FilterChainMatcher::kNone);
  ASSERT_EQ(conflicts_.size(), 2u);
  EXPECT_EQ(conflicts_[0].first, 0u);
  EXPECT_EQ(conflicts_[0].second, 2u);
  EXPECT_EQ(conflicts_[0].what, "destination port 80, source 10.0.0.0/8");
  EXPECT_EQ(conflicts_[1].first, 1u);
  EXPECT_EQ(conflicts_[1].second, 3u);
  EXPECT_EQ(conflicts_[1].what, "every connection");
}

TEST_F(FilterChainMatcherTest, TellsEachPairOnce) {
  for (int i = 0; i < 2; ++i) {
    FilterChainRule& rule = add();
    rule.server_names = {"a.test", "*.b.test", "c.test"};
    rule.transport_protocol = "tls";
    rule.application_protocols = {"h2", "http/1.1"};
  }
  find({});
  ASSERT_EQ(conflicts_.size(), 1u);
  EXPECT_EQ(conflicts_[0].what, "server name '*.b.test', transport protocol 'tls', application protocol 'h2'");
}

TEST(FilterChainRule, HasTheSameKeyInAnyOrder) {
  FilterChainRule a;
  a.server_names = {"a", "b"};
  FilterChainRule b;
  b.server_names = {"b", "a", "a"};
  EXPECT_EQ(a.key(), b.key());
  b.server_names = {"a,b"};
  EXPECT_NE(a.key(), b.key());
  b.server_names.clear();
  b.application_protocols = {"a", "b"};
  EXPECT_NE(a.key(), b.key());
}

/** The rules in words: each criterion in turn leaves of the rules those that ask for the best of what fits. */
class NaiveMatcher {
 public:
  NaiveMatcher(const std::vector<FilterChainRule>& rules, const FilterChainInput& input)
      : rules_(rules), input_(input) {
    for (size_t i = 0; i < rules.size(); ++i) {
      left_.push_back(i);
    }
  }

  uint32_t find() {
    keepBest([&](const FilterChainRule& rule) {
      return !rule.destination_port ? 0 : *rule.destination_port == input_.destination.port() ? 1 : -1;
    });
    keepBest([&](const FilterChainRule& rule) { return byPrefix(rule.destination_prefixes, input_.destination); });
    keepBest([&](const FilterChainRule& rule) {
      int best = rule.server_names.empty() ? 0 : -1;
      for (const std::string& name : rule.server_names) {
        const bool fits = name.starts_with("*.") ? input_.server_name.size() >= name.size() &&
                                                       std::string(input_.server_name).ends_with(name.substr(1))
                                                 : input_.server_name == name;
        if (fits) {
          best = std::max<int>(best, name.starts_with("*.") ? name.size() : 10000);
        }
      }
      return best;
    });
    keepBest([&](const FilterChainRule& rule) {
      return rule.transport_protocol.empty() ? 0 : rule.transport_protocol == input_.transport_protocol ? 1 : -1;
    });
    keepBest([&](const FilterChainRule& rule) {
      int best = rule.application_protocols.empty() ? 0 : -1;
      for (size_t i = 0; i < input_.application_protocols.size(); ++i) {
        for (const std::string& wanted : rule.application_protocols) {
          if (wanted == input_.application_protocols[i]) {
            best = std::max<int>(best, 100 - i);
          }
        }
      }
      return best;
    });
    keepBest([&](const FilterChainRule& rule) { return byPrefix(rule.direct_source_prefixes, input_.direct_source); });
    keepBest([&](const FilterChainRule& rule) {
      const bool local = input_.source.isLoopback() || input_.source.ipString() == input_.destination.ipString();
      return rule.source_type == SourceType::Any                           ? 0
             : (rule.source_type == SourceType::SameIpOrLoopback) == local ? 1
                                                                           : -1;
    });
    keepBest([&](const FilterChainRule& rule) { return byPrefix(rule.source_prefixes, input_.source); });
    keepBest([&](const FilterChainRule& rule) {
      const auto& ports = rule.source_ports;
      return ports.empty() ? 0 : std::count(ports.begin(), ports.end(), input_.source.port()) > 0 ? 1 : -1;
    });
    return left_.empty() ? FilterChainMatcher::kNone : left_.front();
  }

 private:
  static int byPrefix(const std::vector<IpPrefix>& wanted, const net::Address& address) {
    int best = wanted.empty() ? 0 : -1;
    for (const IpPrefix& prefix : wanted) {
      if (prefix.ipv6 == (address.kind() == net::Address::Kind::Ipv6) &&
          IpPrefix::create(address.ipString(), prefix.length)->bits == prefix.bits) {
        best = std::max<int>(best, prefix.length + 1);
      }
    }
    return best;
  }

  template <class Score>
  void keepBest(const Score& score) {
    int best = 0;
    for (uint32_t i : left_) {
      best = std::max(best, score(rules_[i]));
    }
    std::erase_if(left_, [&](uint32_t i) { return score(rules_[i]) != best; });
  }

  const std::vector<FilterChainRule>& rules_;
  const FilterChainInput& input_;
  std::vector<uint32_t> left_;
};

class RandomMatch {
 public:
  // Few distinct values, so that they nest, touch and collide.
  std::string address() {
    const uint8_t bytes[] = {0, 1, 127, 128, 254, 255};
    auto byte = [&] { return std::to_string(bytes[random_.below(6)]); };
    if (random_.below(4) == 0) {
      const char* groups[] = {"0", "1", "8000", "ffff"};
      return std::string("2001:") + groups[random_.below(4)] + "::" + groups[random_.below(4)];
    }
    return byte() + "." + byte() + "." + byte() + "." + byte();
  }
  std::string name() {
    std::string made = std::string(1, 'a' + random_.below(2));
    for (uint64_t labels = random_.below(3); labels > 0; --labels) {
      made += std::string(".") + static_cast<char>('a' + random_.below(2));
    }
    return made;
  }
  std::string protocol() { return std::string("p") + static_cast<char>('0' + random_.below(4)); }
  const char* transport() { return random_.below(2) == 0 ? "tls" : "raw_buffer"; }

  FilterChainRule rule() {
    FilterChainRule made;
    if (rarely()) {
      made.destination_port = 80 + random_.below(3);
    }
    made.destination_prefixes = somePrefixes();
    for (uint64_t k = rarely() ? random_.below(3) : 0; k > 0; --k) {
      made.server_names.push_back((random_.below(2) == 0 ? "*." : "") + name());
    }
    if (rarely()) {
      made.transport_protocol = transport();
    }
    for (uint64_t k = rarely() ? random_.below(3) : 0; k > 0; --k) {
      made.application_protocols.push_back(protocol());
    }
    made.direct_source_prefixes = somePrefixes();
    made.source_type = rarely() ? static_cast<SourceType>(random_.below(3)) : SourceType::Any;
    made.source_prefixes = somePrefixes();
    for (uint64_t k = rarely() ? random_.below(3) : 0; k > 0; --k) {
      made.source_ports.push_back(1000 + random_.below(3));
    }
    return made;
  }
  Connection connection() {
    Connection made;
    made.destination = ip(address(), 79 + random_.below(5));
    made.source = ip(address(), 999 + random_.below(5));
    made.direct_source = ip(address());
    made.server_name = random_.below(4) == 0 ? "" : name();
    made.transport_protocol = transport();
    for (uint64_t k = random_.below(3); k > 0; --k) {
      made.application_protocols.push_back(protocol());
    }
    return made;
  }
  uint64_t below(uint64_t bound) { return random_.below(bound); }

 private:
  bool rarely() { return random_.below(3) == 0; }
  std::vector<IpPrefix> somePrefixes() {
    std::vector<IpPrefix> made;
    for (uint64_t k = rarely() ? random_.below(4) : 0; k > 0; --k) {
      const std::string text = address();
      // Mostly short ones, which hold many of the addresses.
      const uint32_t width = text.find(':') == std::string::npos ? 32 : 128;
      made.push_back(*IpPrefix::create(text, random_.below(random_.below(2) == 0 ? 3 : width + 1)));
    }
    return made;
  }
  base::Random random_{20240607};
};

TEST(FilterChainMatcher, AgreesWithANaiveMatcher) {
  RandomMatch random;
  int found = 0;
  for (int round = 0; round < 1000; ++round) {
    std::vector<FilterChainRule> rules;
    for (uint64_t i = random.below(12); i > 0; --i) {
      rules.push_back(random.rule());
    }
    std::vector<FilterChainMatcher::Conflict> conflicts;
    const FilterChainMatcher matcher(rules, conflicts);
    for (int probe = 0; probe < 50; ++probe) {
      const Connection connection = random.connection();
      const uint32_t expected = NaiveMatcher(rules, connection.input()).find();
      EXPECT_EQ(matcher.find(connection.input()), expected) << "round " << round << " probe " << probe;
      found += expected == FilterChainMatcher::kNone ? 0 : 1;
    }
  }
  EXPECT_GT(found, 5000);
}

}  // namespace
}  // namespace sluice::listener
