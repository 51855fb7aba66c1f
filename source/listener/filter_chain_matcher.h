#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"

#include "source/listener/prefix_map.h"
#include "source/net/address.h"

namespace sluice::listener {

/** What a filter chain asks of a connection; nothing set matches all. Plain data, from configuration. */
struct FilterChainRule {
  std::optional<uint16_t> destination_port;
  /** Any of them; empty for every source, Unix peers included. */
  std::vector<IpPrefix> source_prefixes;

  friend bool operator==(const FilterChainRule&, const FilterChainRule&) = default;
};

/** What is matched: a connection as its listener filters left it. */
struct FilterChainInput {
  const net::Address& destination;
  const net::Address& source;
};

/**
 * Finds the filter chain of a connection in Envoy's order: each criterion narrows what the next chooses from, the most
 * specific value of a criterion wins, and what it chose is not gone back on. Built on main, immutable, read by all
 * workers.
 *
 *   destination port -> (destination address, server name, transport protocol, ALPN, direct source, source type: not
 *   configurable) -> source address -> (source port: not configurable) -> chain
 *
 * Each step is a class that holds the next one's by value of its criterion (filter_chain_matcher.cc), so that a further
 * criterion is one more such class between two others.
 */
class FilterChainMatcher {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  /** Two rules that would match the same connections equally well: none could be preferred. */
  struct Conflict {
    size_t first = 0;
    size_t second = 0;
    /** What both ask for: "destination port 80, source 10.0.0.0/8". */
    std::string what;
  };

  /** Matches nothing. */
  FilterChainMatcher() = default;
  /** find() gives indexes into `rules`. With conflicts the first of two rules is in force. */
  FilterChainMatcher(const std::vector<FilterChainRule>& rules, std::vector<Conflict>& conflicts);

  uint32_t find(const FilterChainInput& input) const;

 private:
  /** By the peer's address: the longest prefix. */
  struct BySource {
    PrefixMap prefixes;
    /** Of the rule without prefixes. */
    uint32_t any = kNone;

    uint32_t find(const FilterChainInput& input) const;
  };
  /** By the port that the connection came to. */
  struct ByDestinationPort {
    absl::flat_hash_map<uint16_t, BySource> ports;
    std::optional<BySource> any;

    uint32_t find(const FilterChainInput& input) const;
  };

  ByDestinationPort root_;
};

}  // namespace sluice::listener
