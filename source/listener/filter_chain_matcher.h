#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

#include "source/matcher/prefix_map.h"
#include "source/net/address.h"
#include "source/net/stream_info.h"

namespace sluice::listener {

using matcher::IpPrefix;

/** What a filter chain asks of a connection; nothing set matches all. Plain data, from configuration. */
struct FilterChainRule {
  enum class SourceType : uint8_t { Any, SameIpOrLoopback, External };

  std::optional<uint16_t> destination_port;
  /** Of this and of each list below: any of them; empty for all. Of prefixes empty is for Unix peers, too. */
  std::vector<IpPrefix> destination_prefixes;
  /** In lower case: "a.example.com", or "*.example.com" for what ends so. */
  std::vector<std::string> server_names;
  /** "tls" or "raw_buffer"; empty for all. */
  std::string transport_protocol;
  std::vector<std::string> application_protocols;
  std::vector<IpPrefix> direct_source_prefixes;
  SourceType source_type = SourceType::Any;
  std::vector<IpPrefix> source_prefixes;
  std::vector<uint16_t> source_ports;

  /** Equal texts for rules that match the same. */
  std::string key() const;

  friend bool operator==(const FilterChainRule&, const FilterChainRule&) = default;
};

/** What is matched: a connection as its listener filters left it. Views. */
struct FilterChainInput {
  const net::Address& destination;
  const net::Address& source;
  /** The socket's own peer. */
  const net::Address& direct_source;
  /** In lower case; empty while unknown. */
  absl::string_view server_name = {};
  absl::string_view transport_protocol = "raw_buffer";
  absl::Span<const std::string> application_protocols = {};

  static FilterChainInput of(const net::StreamInfo& info);
};

/**
 * Finds the filter chain of a connection in Envoy's order: each criterion narrows what the next chooses from, the most
 * specific value of a criterion wins, and what it chose is not gone back on. Built on main, immutable, read by all
 * workers.
 *
 *   destination port -> destination address -> server name -> transport protocol -> application protocols
 *                    -> directly connected source -> source type -> source address -> source port -> chain
 *
 * A tree of which each level is a criterion; a level where no rule that is left asks for anything is left out, so that
 * a look-up visits only what is configured, each level by a hash or a binary search.
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
  class Builder;

  /** Where to go on: an index into nodes_, or with the highest bit a rule's index. */
  using Ref = uint32_t;
  static constexpr Ref kRuleBit = 0x80000000;

  enum class Criterion : uint8_t {
    DestinationPort,
    Destination,
    ServerName,
    TransportProtocol,
    ApplicationProtocol,
    DirectSource,
    SourceType,
    Source,
    SourcePort,
    End,
  };

  using Ports = absl::flat_hash_map<uint16_t, Ref>;
  /** Of server names "*.example.com" is kept as ".example.com". */
  using Names = absl::flat_hash_map<std::string, Ref>;
  struct SourceTypes {
    Ref local = kNone;
    Ref external = kNone;
  };
  struct Node {
    Criterion criterion;
    std::variant<Ports, matcher::PrefixMap, Names, SourceTypes> values;
    /** Of rules that do not ask for this criterion. */
    Ref any = kNone;
  };

  static Ref step(const Node& node, const FilterChainInput& input);

  std::vector<Node> nodes_;
  Ref root_ = kNone;
};

}  // namespace sluice::listener
