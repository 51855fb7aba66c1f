#include "source/cluster/endpoint_config.h"

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"

#include "source/net/config.h"

namespace sluice::cluster {

namespace {

namespace core = envoy::config::core::v3;
using config::PathStep;
using envoy::config::endpoint::v3::LbEndpoint;
using envoy::config::endpoint::v3::LocalityLbEndpoints;
using ApiEndpoint = envoy::config::endpoint::v3::Endpoint;

EdsHealth toEdsHealth(core::HealthStatus status) {
  switch (status) {
    case core::HEALTHY:
      return EdsHealth::Healthy;
    case core::UNHEALTHY:
      return EdsHealth::Unhealthy;
    case core::DRAINING:
      return EdsHealth::Draining;
    case core::TIMEOUT:
      return EdsHealth::Timeout;
    case core::DEGRADED:
      return EdsHealth::Degraded;
    default:
      return EdsHealth::Unknown;
  }
}

class AssignmentReader {
 public:
  AssignmentReader(const Assignment& assignment, const AssignmentRules& rules, EndpointList& list,
                   config::Violations& violations)
      : assignment_(assignment), rules_(rules), list_(list), violations_(violations) {}

  void read(const PathStep& path) {
    const PathStep groups(path, "endpoints");
    for (int g = 0; g < assignment_.endpoints_size(); ++g) {
      readGroup(static_cast<uint32_t>(g), path, PathStep(groups, static_cast<size_t>(g)));
    }
  }

 private:
  void add(const PathStep& path, std::string reason) { violations_.add(path.toString(), std::move(reason)); }

  void readGroup(uint32_t g, const PathStep& root, const PathStep& path) {
    const LocalityLbEndpoints& group = assignment_.endpoints(static_cast<int>(g));
    if (group.priority() > 128) {
      add(PathStep(path, "priority"), absl::StrCat(group.priority(), " is above the limit of 128"));
    }
    const uint32_t locality = localityIndex(group);
    readLocalityWeight(group, locality, path);
    const PathStep endpoints(path, "lb_endpoints");
    uint64_t weights = 0;
    for (int e = 0; e < group.lb_endpoints_size(); ++e) {
      const LbEndpoint& proto = group.lb_endpoints(e);
      const PathStep at(endpoints, static_cast<size_t>(e));
      EndpointSpec spec;
      spec.locality = locality;
      spec.priority = group.priority();
      spec.group_index = g;
      spec.endpoint_index = static_cast<uint32_t>(e);
      spec.weight = proto.has_load_balancing_weight() ? proto.load_balancing_weight().value() : 1;
      spec.health = toEdsHealth(proto.health_status());
      weights += spec.weight;
      if (spec.weight == 0) {
        add(PathStep(at, "load_balancing_weight"), "must be at least 1");
      } else if (readHost(proto, root, at, spec)) {
        list_.endpoints.push_back(std::move(spec));
      }
    }
    if (weights > UINT32_MAX) {
      add(endpoints, absl::StrCat("the weights of the locality's endpoints add up to more than ", UINT32_MAX));
    }
  }

  /** As in Envoy, the last weight of a locality counts, and one of no locality does not. */
  void readLocalityWeight(const LocalityLbEndpoints& group, uint32_t locality, const PathStep& path) {
    if (!group.has_locality() || !group.has_load_balancing_weight()) {
      return;
    }
    const uint32_t weight = group.load_balancing_weight().value();
    const uint64_t total = locality_weight_totals_[group.priority()] += weight;
    if (total > UINT32_MAX) {
      add(PathStep(path, "load_balancing_weight"), absl::StrCat("the weights of the localities of priority ",
                                                                group.priority(), " add up to more than ", UINT32_MAX));
    }
    for (LocalityWeight& each : list_.locality_weights) {
      if (each.priority == group.priority() && each.locality == locality) {
        each.weight = weight;
        return;
      }
    }
    list_.locality_weights.push_back({.priority = group.priority(), .locality = locality, .weight = weight});
  }

  uint32_t localityIndex(const LocalityLbEndpoints& group) {
    Locality locality{group.locality().region(), group.locality().zone(), group.locality().sub_zone()};
    uint32_t index = 0;
    while (index < list_.localities.size() && list_.localities[index] != locality) {
      ++index;
    }
    if (index == list_.localities.size()) {
      list_.localities.push_back(std::move(locality));
    }
    return index;
  }

  /** False when there is nothing to add: a mistake, or an address that is there already. */
  bool readHost(const LbEndpoint& proto, const PathStep& root, const PathStep& path, EndpointSpec& spec) {
    if (!proto.has_endpoint_name()) {
      return readEndpoint(proto.endpoint(), PathStep(path, "endpoint"), spec);
    }
    const auto named = assignment_.named_endpoints().find(proto.endpoint_name());
    if (named == assignment_.named_endpoints().end()) {
      add(PathStep(path, "endpoint_name"),
          absl::StrCat("named_endpoints has no endpoint '", proto.endpoint_name(), "'"));
      return false;
    }
    const PathStep names(root, "named_endpoints");
    return readEndpoint(named->second, PathStep::mapKey(names, proto.endpoint_name()), spec);
  }

  bool readEndpoint(const ApiEndpoint& proto, const PathStep& path, EndpointSpec& spec) {
    spec.hostname = proto.hostname();
    const PathStep at(path, "address");
    const bool added = rules_.names ? readName(proto.address(), at, spec) : readAddress(proto.address(), at, spec);
    return added && (!rules_.unique || seen_.insert(spec.address).second);
  }

  bool readAddress(const core::Address& proto, const PathStep& path, EndpointSpec& spec) {
    if (proto.has_socket_address() && !net::Address::ip(proto.socket_address().address(), 0).ok()) {
      const PathStep socket(path, "socket_address");
      add(PathStep(socket, "address"),
          absl::StrCat("'", proto.socket_address().address(),
                       "' is no IP address; only clusters of type STRICT_DNS resolve names"));
      return false;
    }
    const std::optional<net::Address> address = net::toAddress(proto, path.toFieldPath(), violations_);
    if (address.has_value()) {
      spec.address = *address;
    }
    return address.has_value();
  }

  bool readName(const core::Address& proto, const PathStep& path, EndpointSpec& spec) {
    if (!proto.has_socket_address()) {
      add(path, "a cluster of type STRICT_DNS takes socket addresses only");
      return false;
    }
    const core::SocketAddress& socket = proto.socket_address();
    const PathStep at(path, "socket_address");
    if (socket.protocol() != core::SocketAddress::TCP) {
      add(PathStep(at, "protocol"), "UDP is not supported");
    }
    if (socket.port_specifier_case() != core::SocketAddress::kPortValue) {
      add(at, "needs port_value");
    }
    if (socket.port_value() > 65535) {
      add(PathStep(at, "port_value"), absl::StrCat(socket.port_value(), " is above 65535"));
    }
    spec.dns_name = socket.address();
    spec.dns_port = static_cast<uint16_t>(socket.port_value());
    if (spec.hostname.empty()) {
      spec.hostname = spec.dns_name;
    }
    return true;
  }

  const Assignment& assignment_;
  const AssignmentRules& rules_;
  EndpointList& list_;
  config::Violations& violations_;
  absl::flat_hash_set<net::Address> seen_;
  absl::flat_hash_map<uint32_t, uint64_t> locality_weight_totals_;
};

}  // namespace

EndpointList readAssignment(std::shared_ptr<const Assignment> assignment, const AssignmentRules& rules,
                            const config::FieldPath& path, config::Violations& violations) {
  EndpointList list;
  AssignmentReader(*assignment, rules, list, violations).read(config::PathStep(path.toString()));
  const Assignment::Policy& policy = assignment->policy();
  if (policy.has_overprovisioning_factor()) {
    list.overprovisioning_percent = policy.overprovisioning_factor().value();
  }
  list.weighted_priority_health = policy.weighted_priority_health();
  list.assignment = std::move(assignment);
  return list;
}

}  // namespace sluice::cluster
