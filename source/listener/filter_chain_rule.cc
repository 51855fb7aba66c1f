#include "source/listener/filter_chain_rule.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace sluice::listener {
namespace {

using envoy::config::listener::v3::FilterChainMatch;
using Ranges = google::protobuf::RepeatedPtrField<envoy::config::core::v3::CidrRange>;

std::vector<IpPrefix> readPrefixes(const Ranges& ranges, const config::FieldPath& path,
                                   config::Violations& violations) {
  std::vector<IpPrefix> prefixes;
  for (int i = 0; i < ranges.size(); ++i) {
    absl::StatusOr<IpPrefix> prefix = IpPrefix::create(ranges[i].address_prefix(), ranges[i].prefix_len().value());
    if (prefix.ok()) {
      prefixes.push_back(*prefix);
    } else {
      violations.add(path.index(i), std::string(prefix.status().message()));
    }
  }
  return prefixes;
}

std::vector<std::string> readServerNames(const FilterChainMatch& match, const config::FieldPath& path,
                                         config::Violations& violations) {
  std::vector<std::string> names;
  for (int i = 0; i < match.server_names_size(); ++i) {
    const std::string& name = match.server_names(i);
    const bool wildcard = absl::StartsWith(name, "*.");
    const absl::string_view domain = absl::string_view(name).substr(wildcard ? 2 : 0);
    if (domain.empty()) {
      violations.add(path.index(i), "an empty name: without server_names every connection matches");
    } else if (absl::StrContains(domain, "*")) {
      violations.add(path.index(i), absl::StrCat("'", name, "': a wildcard stands for whole labels at the beginning ",
                                                 "of a name, as in '*.example.com'"));
    }
    names.push_back(absl::AsciiStrToLower(name));
  }
  return names;
}

}  // namespace

FilterChainRule readRule(const FilterChainMatch& match, const config::FieldPath& path, config::Violations& violations) {
  FilterChainRule rule;
  if (match.has_destination_port()) {
    rule.destination_port = static_cast<uint16_t>(match.destination_port().value());
  }
  rule.destination_prefixes = readPrefixes(match.prefix_ranges(), path.field("prefix_ranges"), violations);
  rule.server_names = readServerNames(match, path.field("server_names"), violations);
  rule.transport_protocol = match.transport_protocol();
  rule.application_protocols.assign(match.application_protocols().begin(), match.application_protocols().end());
  rule.direct_source_prefixes =
      readPrefixes(match.direct_source_prefix_ranges(), path.field("direct_source_prefix_ranges"), violations);
  switch (match.source_type()) {
    case FilterChainMatch::SAME_IP_OR_LOOPBACK:
      rule.source_type = FilterChainRule::SourceType::SameIpOrLoopback;
      break;
    case FilterChainMatch::EXTERNAL:
      rule.source_type = FilterChainRule::SourceType::External;
      break;
    default:
      break;
  }
  rule.source_prefixes = readPrefixes(match.source_prefix_ranges(), path.field("source_prefix_ranges"), violations);
  for (uint32_t port : match.source_ports()) {
    rule.source_ports.push_back(static_cast<uint16_t>(port));
  }
  return rule;
}

}  // namespace sluice::listener
