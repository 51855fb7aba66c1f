#include "source/listener/filter_chain_matcher.h"

#include <map>
#include <utility>

#include "absl/strings/str_cat.h"

namespace sluice::listener {
namespace {

/** Who claims what, before it is frozen into the steps of the matcher; one level for each criterion. */
struct SourceClaims {
  std::vector<PrefixMap::Entry> prefixes;
  uint32_t any = FilterChainMatcher::kNone;
};

class ClaimBook {
 public:
  ClaimBook(std::vector<FilterChainMatcher::Conflict>& conflicts) : conflicts_(conflicts) {}

  void claim(const FilterChainRule& rule, uint32_t index) {
    const int port = rule.destination_port ? *rule.destination_port : kAnyPort;
    SourceClaims& claims = ports[port];
    if (rule.source_prefixes.empty()) {
      if (claims.any == FilterChainMatcher::kNone) {
        claims.any = index;
      } else {
        conflicts_.push_back({claims.any, index, absl::StrCat(describePort(port), "any source")});
      }
      return;
    }
    for (const IpPrefix& prefix : rule.source_prefixes) {
      auto [claimed, fresh] = claimed_.try_emplace({port, prefix.toString()}, index);
      if (fresh) {
        claims.prefixes.push_back({prefix, index});
      } else if (claimed->second != index) {
        conflicts_.push_back({claimed->second, index, absl::StrCat(describePort(port), "source ", prefix.toString())});
      }
    }
  }

  static constexpr int kAnyPort = -1;
  std::map<int, SourceClaims> ports;

 private:
  static std::string describePort(int port) {
    return port == kAnyPort ? std::string() : absl::StrCat("destination port ", port, ", ");
  }

  std::vector<FilterChainMatcher::Conflict>& conflicts_;
  std::map<std::pair<int, std::string>, uint32_t> claimed_;
};

}  // namespace

FilterChainMatcher::FilterChainMatcher(const std::vector<FilterChainRule>& rules, std::vector<Conflict>& conflicts) {
  ClaimBook book(conflicts);
  for (size_t i = 0; i < rules.size(); ++i) {
    book.claim(rules[i], static_cast<uint32_t>(i));
  }
  for (auto& [port, claims] : book.ports) {
    BySource by_source{PrefixMap(std::move(claims.prefixes)), claims.any};
    if (port == ClaimBook::kAnyPort) {
      root_.any = std::move(by_source);
    } else {
      root_.ports.emplace(static_cast<uint16_t>(port), std::move(by_source));
    }
  }
}

uint32_t FilterChainMatcher::find(const FilterChainInput& input) const { return root_.find(input); }

uint32_t FilterChainMatcher::ByDestinationPort::find(const FilterChainInput& input) const {
  // A Unix address has port 0, which no rule can ask for.
  if (!ports.empty()) {
    if (auto found = ports.find(input.destination.port()); found != ports.end()) {
      return found->second.find(input);
    }
  }
  return any ? any->find(input) : kNone;
}

uint32_t FilterChainMatcher::BySource::find(const FilterChainInput& input) const {
  const uint32_t found = prefixes.empty() ? kNone : prefixes.find(input.source);
  return found != kNone ? found : any;
}

}  // namespace sluice::listener
