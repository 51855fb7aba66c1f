#include "source/listener/filter_chain_matcher.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace sluice::listener {
namespace {

void appendList(std::string& key, absl::string_view name, std::vector<std::string> texts) {
  std::sort(texts.begin(), texts.end());
  texts.erase(std::unique(texts.begin(), texts.end()), texts.end());
  if (!texts.empty()) {
    // Lengths, since protocols may hold any character.
    absl::StrAppend(&key, " ", name, "=", absl::StrJoin(texts, ",", [](std::string* out, const std::string& text) {
      absl::StrAppend(out, text.size(), ":", text);
    }));
  }
}

std::vector<std::string> texts(const std::vector<IpPrefix>& prefixes) {
  std::vector<std::string> made;
  for (const IpPrefix& prefix : prefixes) {
    made.push_back(prefix.toString());
  }
  return made;
}

std::vector<std::string> texts(const std::vector<uint16_t>& ports) {
  std::vector<std::string> made;
  for (uint16_t port : ports) {
    made.push_back(absl::StrCat(port));
  }
  return made;
}

/** A connection of this machine with itself; Unix peers are. */
bool isSameIpOrLoopback(const FilterChainInput& input) {
  const net::Address& source = input.source;
  if (!source.isIp() || source.isLoopback()) {
    return true;
  }
  return source.kind() == input.destination.kind() && source.withPort(0) == input.destination.withPort(0);
}

uint32_t findPrefix(const matcher::PrefixMap& prefixes, const net::Address& address) {
  return address.isIp() ? prefixes.find(address.kind() == net::Address::Kind::Ipv6, address.bytes())
                        : matcher::PrefixMap::kNone;
}

}  // namespace

std::string FilterChainRule::key() const {
  std::string key = destination_port ? absl::StrCat(*destination_port) : "any";
  appendList(key, "to", texts(destination_prefixes));
  appendList(key, "name", server_names);
  appendList(key, "transport",
             transport_protocol.empty() ? std::vector<std::string>() : std::vector{transport_protocol});
  appendList(key, "alpn", application_protocols);
  appendList(key, "direct", texts(direct_source_prefixes));
  absl::StrAppend(&key, " ", static_cast<int>(source_type));
  appendList(key, "from", texts(source_prefixes));
  appendList(key, "ports", texts(source_ports));
  return key;
}

FilterChainInput FilterChainInput::of(const net::StreamInfo& info) {
  FilterChainInput input{info.downstream_local, info.downstream_remote, info.downstream_direct_remote};
  if (info.extras != nullptr) {
    const net::StreamExtras& extras = *info.extras;
    input.server_name = extras.requested_server_name;
    if (extras.transport_protocol != nullptr) {
      input.transport_protocol = extras.transport_protocol;
    }
    input.application_protocols = extras.application_protocols;
  }
  return input;
}

/** Divides the rules by one criterion after the other. */
class FilterChainMatcher::Builder {
 public:
  Builder(const std::vector<FilterChainRule>& rules, std::vector<Node>& nodes, std::vector<Conflict>& conflicts)
      : rules_(rules), nodes_(nodes), conflicts_(conflicts) {}

  /** `group` is what is left of the rules, in order, after the criteria before this one. */
  Ref build(Criterion criterion, const std::vector<uint32_t>& group) {
    if (criterion == Criterion::End) {
      return leaf(group);
    }
    const auto next = static_cast<Criterion>(static_cast<int>(criterion) + 1);
    switch (criterion) {
      case Criterion::DestinationPort:
        return divide<Ports, uint16_t>(criterion, next, group, [](const FilterChainRule& rule) {
          return rule.destination_port ? std::vector<uint16_t>{*rule.destination_port} : std::vector<uint16_t>();
        });
      case Criterion::SourcePort:
        return divide<Ports, uint16_t>(criterion, next, group,
                                       [](const FilterChainRule& rule) { return rule.source_ports; });
      case Criterion::Destination:
        return dividePrefixes(criterion, next, group, &FilterChainRule::destination_prefixes);
      case Criterion::DirectSource:
        return dividePrefixes(criterion, next, group, &FilterChainRule::direct_source_prefixes);
      case Criterion::Source:
        return dividePrefixes(criterion, next, group, &FilterChainRule::source_prefixes);
      case Criterion::ServerName:
        return divide<Names, std::string>(criterion, next, group,
                                          [](const FilterChainRule& rule) { return rule.server_names; });
      case Criterion::TransportProtocol:
        return divide<Names, std::string>(criterion, next, group, [](const FilterChainRule& rule) {
          return rule.transport_protocol.empty() ? std::vector<std::string>() : std::vector{rule.transport_protocol};
        });
      case Criterion::ApplicationProtocol:
        return divide<Names, std::string>(criterion, next, group,
                                          [](const FilterChainRule& rule) { return rule.application_protocols; });
      case Criterion::SourceType:
        return divideSourceTypes(next, group);
      case Criterion::End:
        break;
    }
    return kNone;
  }

 private:
  static absl::string_view nameOf(Criterion criterion) {
    switch (criterion) {
      case Criterion::DestinationPort:
        return "destination port ";
      case Criterion::Destination:
        return "destination ";
      case Criterion::ServerName:
        return "server name ";
      case Criterion::TransportProtocol:
        return "transport protocol ";
      case Criterion::ApplicationProtocol:
        return "application protocol ";
      case Criterion::DirectSource:
        return "direct source ";
      case Criterion::SourceType:
        return "source type ";
      case Criterion::Source:
        return "source ";
      case Criterion::SourcePort:
        return "source port ";
      case Criterion::End:
        break;
    }
    return "";
  }

  Ref leaf(const std::vector<uint32_t>& group) {
    for (size_t i = 1; i < group.size(); ++i) {
      if (told_.emplace(group[0], group[i]).second) {
        conflicts_.push_back({group[0], group[i], what_.empty() ? "every connection" : absl::StrJoin(what_, ", ")});
      }
    }
    return group[0] | kRuleBit;
  }

  Ref named(Criterion criterion, const std::string& value, Criterion next, const std::vector<uint32_t>& group) {
    what_.push_back(absl::StrCat(nameOf(criterion), value));
    const Ref made = build(next, group);
    what_.pop_back();
    return made;
  }

  Ref add(Node node) {
    nodes_.push_back(std::move(node));
    return static_cast<Ref>(nodes_.size() - 1);
  }

  template <class Value>
  struct Division {
    std::map<Value, std::vector<uint32_t>> groups;
    std::vector<uint32_t> any;
  };
  template <class Value, class ValuesOf>
  Division<Value> dividedBy(const std::vector<uint32_t>& group, const ValuesOf& values_of) const {
    Division<Value> division;
    for (uint32_t rule : group) {
      const auto values = values_of(rules_[rule]);
      if (values.empty()) {
        division.any.push_back(rule);
      }
      for (const Value& value : values) {
        std::vector<uint32_t>& claims = division.groups[value];
        // A rule that says a thing twice says it once.
        if (claims.empty() || claims.back() != rule) {
          claims.push_back(rule);
        }
      }
    }
    return division;
  }

  static std::string textOf(uint16_t port) { return absl::StrCat(port); }
  static std::string textOf(const std::string& name) { return absl::StrCat("'", name, "'"); }
  static std::string keyOf(Criterion criterion, const std::string& name) {
    return criterion == Criterion::ServerName && name.starts_with("*.") ? name.substr(1) : name;
  }
  static uint16_t keyOf(Criterion, uint16_t port) { return port; }

  template <class Values, class Value, class ValuesOf>
  Ref divide(Criterion criterion, Criterion next, const std::vector<uint32_t>& group, const ValuesOf& values_of) {
    const Division<Value> division = dividedBy<Value>(group, values_of);
    if (division.groups.empty()) {
      return build(next, group);
    }
    Values values;
    values.reserve(division.groups.size());
    for (const auto& [value, claims] : division.groups) {
      values.emplace(keyOf(criterion, value), named(criterion, textOf(value), next, claims));
    }
    const Ref any = division.any.empty() ? kNone : build(next, division.any);
    return add({criterion, std::move(values), any});
  }

  Ref dividePrefixes(Criterion criterion, Criterion next, const std::vector<uint32_t>& group,
                     std::vector<IpPrefix> FilterChainRule::*prefixes) {
    const Division<IpPrefix> division =
        dividedBy<IpPrefix>(group, [prefixes](const FilterChainRule& rule) { return rule.*prefixes; });
    if (division.groups.empty()) {
      return build(next, group);
    }
    std::vector<matcher::PrefixMap::Entry> entries;
    for (const auto& [prefix, claims] : division.groups) {
      entries.push_back({prefix, named(criterion, prefix.toString(), next, claims)});
    }
    const Ref any = division.any.empty() ? kNone : build(next, division.any);
    return add({criterion, matcher::PrefixMap(std::move(entries)), any});
  }

  Ref divideSourceTypes(Criterion next, const std::vector<uint32_t>& group) {
    using Type = FilterChainRule::SourceType;
    std::map<Type, std::vector<uint32_t>> groups;
    for (uint32_t rule : group) {
      groups[rules_[rule].source_type].push_back(rule);
    }
    auto of = [&](Type type, const std::string& name) {
      const auto found = groups.find(type);
      return found == groups.end() ? kNone : named(Criterion::SourceType, name, next, found->second);
    };
    if (groups.size() == 1 && groups.contains(Type::Any)) {
      return build(next, group);
    }
    const SourceTypes types{of(Type::SameIpOrLoopback, "SAME_IP_OR_LOOPBACK"), of(Type::External, "EXTERNAL")};
    const Ref any = groups.contains(Type::Any) ? build(next, groups[Type::Any]) : kNone;
    return add({Criterion::SourceType, types, any});
  }

  const std::vector<FilterChainRule>& rules_;
  std::vector<Node>& nodes_;
  std::vector<Conflict>& conflicts_;
  /** What the rules at hand have in common so far. */
  std::vector<std::string> what_;
  std::set<std::pair<uint32_t, uint32_t>> told_;
};

FilterChainMatcher::FilterChainMatcher(const std::vector<FilterChainRule>& rules, std::vector<Conflict>& conflicts) {
  if (rules.empty()) {
    return;
  }
  std::vector<uint32_t> all(rules.size());
  for (size_t i = 0; i < all.size(); ++i) {
    all[i] = static_cast<uint32_t>(i);
  }
  root_ = Builder(rules, nodes_, conflicts).build(Criterion::DestinationPort, all);
}

uint32_t FilterChainMatcher::find(const FilterChainInput& input) const {
  Ref at = root_;
  while (at < kRuleBit) {
    at = step(nodes_[at], input);
  }
  return at == kNone ? kNone : at & ~kRuleBit;
}

FilterChainMatcher::Ref FilterChainMatcher::step(const Node& node, const FilterChainInput& input) {
  auto port = [&node](uint16_t wanted) {
    const auto& ports = std::get<Ports>(node.values);
    const auto found = ports.find(wanted);
    return found == ports.end() ? node.any : found->second;
  };
  auto prefix = [&node](const net::Address& address) {
    const uint32_t found = findPrefix(std::get<matcher::PrefixMap>(node.values), address);
    return found == matcher::PrefixMap::kNone ? node.any : found;
  };
  auto name = [&node](absl::string_view wanted) {
    const auto& names = std::get<Names>(node.values);
    const auto found = names.find(wanted);
    return found == names.end() ? kNone : found->second;
  };
  switch (node.criterion) {
    case Criterion::DestinationPort:
      // A Unix address has port 0, which no rule can ask for.
      return port(input.destination.port());
    case Criterion::SourcePort:
      return port(input.source.port());
    case Criterion::Destination:
      return prefix(input.destination);
    case Criterion::DirectSource:
      return prefix(input.direct_source);
    case Criterion::Source:
      return prefix(input.source);
    case Criterion::ServerName: {
      if (input.server_name.empty()) {
        return node.any;
      }
      Ref found = name(input.server_name);
      // From the longest domain on: a.b.c fits *.b.c before *.c.
      for (size_t dot = input.server_name.find('.', 1); found == kNone && dot != absl::string_view::npos;
           dot = input.server_name.find('.', dot + 1)) {
        found = name(input.server_name.substr(dot));
      }
      return found == kNone ? node.any : found;
    }
    case Criterion::TransportProtocol: {
      const Ref found = name(input.transport_protocol);
      return found == kNone ? node.any : found;
    }
    case Criterion::ApplicationProtocol:
      // The client's own order of preference.
      for (const std::string& protocol : input.application_protocols) {
        if (const Ref found = name(protocol); found != kNone) {
          return found;
        }
      }
      return node.any;
    case Criterion::SourceType: {
      const auto& types = std::get<SourceTypes>(node.values);
      const Ref found = isSameIpOrLoopback(input) ? types.local : types.external;
      return found == kNone ? node.any : found;
    }
    case Criterion::End:
      break;
  }
  return kNone;
}

}  // namespace sluice::listener
