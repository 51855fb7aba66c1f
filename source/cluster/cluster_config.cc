#include "source/cluster/cluster_config.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "source/cluster/http_config.h"
#include "source/config/canonical_key.h"
#include "source/config/duration.h"
#include "source/config/type_registry.h"
#include "source/net/config.h"

namespace sluice::cluster {

namespace {

using config::FieldPath;
using config::Violations;
using envoy::config::cluster::v3::CircuitBreakers_Thresholds;
using envoy::config::core::v3::RoutingPriority;

constexpr absl::string_view kRoundRobin = "envoy.extensions.load_balancing_policies.round_robin.v3.RoundRobin";
constexpr absl::string_view kRandom = "envoy.extensions.load_balancing_policies.random.v3.Random";

std::chrono::milliseconds toMilliseconds(const google::protobuf::Duration& duration) {
  return std::chrono::milliseconds(config::toMilliseconds(duration));
}

// Endpoints.

DnsFamily toDnsFamily(ClusterProto::DnsLookupFamily family) {
  switch (family) {
    case ClusterProto::V4_ONLY:
      return DnsFamily::V4Only;
    case ClusterProto::V6_ONLY:
      return DnsFamily::V6Only;
    case ClusterProto::V4_PREFERRED:
      return DnsFamily::V4Preferred;
    case ClusterProto::ALL:
      return DnsFamily::All;
    default:
      return DnsFamily::Auto;
  }
}

DnsSettings readDns(const ClusterProto& proto, const FieldPath& path, Violations& violations) {
  DnsSettings dns;
  dns.family = toDnsFamily(proto.dns_lookup_family());
  if (proto.has_dns_refresh_rate()) {
    dns.refresh_rate = toMilliseconds(proto.dns_refresh_rate());
    if (dns.refresh_rate < std::chrono::milliseconds(1)) {
      violations.add(path.field("dns_refresh_rate"), "must be at least 1ms");
    }
  }
  if (proto.has_dns_failure_refresh_rate()) {
    const ClusterProto::RefreshRate& rate = proto.dns_failure_refresh_rate();
    dns.failure_base = toMilliseconds(rate.base_interval());
    dns.failure_max = rate.has_max_interval() ? toMilliseconds(rate.max_interval()) : *dns.failure_base * 10;
    if (dns.failure_max < *dns.failure_base) {
      violations.add(path.field("dns_failure_refresh_rate").field("max_interval"),
                     "must be greater than or equal to base_interval");
    }
  }
  if (proto.has_dns_jitter()) {
    dns.jitter = toMilliseconds(proto.dns_jitter());
  }
  dns.respect_ttl = proto.respect_dns_ttl();
  return dns;
}

/** A cleanup_interval that no timer need be set for. */
constexpr int64_t kForEverSeconds = int64_t{3600} * 24 * 365;

void readOriginalDestination(const ClusterProto& proto, const FieldPath& path, ClusterParts& parts,
                             Violations& violations) {
  if (proto.has_eds_cluster_config()) {
    violations.add(path.field("eds_cluster_config"), "is for clusters of type EDS only");
  }
  if (proto.has_load_assignment()) {
    violations.add(path.field("load_assignment"),
                   "cannot be: a cluster of type ORIGINAL_DST finds its endpoints itself");
  }
  if (proto.lb_policy() != ClusterProto::CLUSTER_PROVIDED) {
    violations.add(path.field("lb_policy"), absl::StrCat(ClusterProto::LbPolicy_Name(proto.lb_policy()),
                                                         " does not go with the type ORIGINAL_DST, which needs "
                                                         "CLUSTER_PROVIDED"));
  }
  auto rules = std::make_unique<OriginalDestinationRules>();
  const ClusterProto::OriginalDstLbConfig& config = proto.original_dst_lb_config();
  const FieldPath at = path.field("original_dst_lb_config");
  if (config.use_http_header()) {
    rules->header = absl::AsciiStrToLower(config.http_header_name().empty() ? "x-envoy-original-dst-host"
                                                                            : config.http_header_name());
  } else if (!config.http_header_name().empty()) {
    violations.add(at.field("http_header_name"), "has no effect without use_http_header: true");
  }
  rules->metadata_filter = config.metadata_key().key();
  for (const auto& segment : config.metadata_key().path()) {
    rules->metadata_path.push_back(segment.key());
  }
  if (config.has_upstream_port_override()) {
    if (config.upstream_port_override().value() > 65535) {
      violations.add(at.field("upstream_port_override"),
                     absl::StrCat(config.upstream_port_override().value(), " is above 65535"));
    }
    rules->port = static_cast<uint16_t>(config.upstream_port_override().value());
  }
  rules->cleanup_interval = std::chrono::milliseconds(5000);
  if (proto.has_cleanup_interval()) {
    rules->cleanup_interval = proto.cleanup_interval().seconds() >= kForEverSeconds
                                  ? std::nullopt
                                  : std::optional(toMilliseconds(proto.cleanup_interval()));
    if (rules->cleanup_interval.has_value() && rules->cleanup_interval->count() < 1) {
      violations.add(path.field("cleanup_interval"), "must be at least 1ms");
    }
  }
  parts.original_destination = std::move(rules);
}

void readDiscovery(const std::shared_ptr<const ClusterProto>& message, const FieldPath& path, ClusterParts& parts,
                   Violations& violations) {
  const ClusterProto& proto = *message;
  if (proto.has_cluster_type()) {
    violations.add(path.field("cluster_type"),
                   absl::StrCat("'", proto.cluster_type().name(), "' is not supported by Sluice; use type"));
    return;
  }
  switch (proto.type()) {
    case ClusterProto::STATIC:
      parts.discovery = Discovery::Static;
      break;
    case ClusterProto::STRICT_DNS:
      parts.discovery = Discovery::StrictDns;
      break;
    case ClusterProto::EDS:
      parts.discovery = Discovery::Eds;
      break;
    case ClusterProto::ORIGINAL_DST:
      parts.discovery = Discovery::OriginalDestination;
      readOriginalDestination(proto, path, parts, violations);
      return;
    default:
      violations.add(path.field("type"),
                     absl::StrCat(ClusterProto::DiscoveryType_Name(proto.type()),
                                  " is not supported by Sluice, only STATIC, STRICT_DNS, EDS, ORIGINAL_DST"));
      return;
  }
  if (proto.has_original_dst_lb_config()) {
    violations.add(path.field("original_dst_lb_config"), "is for clusters of type ORIGINAL_DST only");
  }
  if (parts.discovery == Discovery::Eds) {
    if (!proto.has_eds_cluster_config()) {
      violations.add(path.field("eds_cluster_config"), "is required by the type EDS");
    } else if (!proto.eds_cluster_config().has_eds_config()) {
      violations.add(path.field("eds_cluster_config").field("eds_config"), "is required by the type EDS");
    }
    const std::string& service_name = proto.eds_cluster_config().service_name();
    parts.service_name = service_name.empty() ? proto.name() : service_name;
  } else {
    if (proto.has_eds_cluster_config()) {
      violations.add(path.field("eds_cluster_config"), "is for clusters of type EDS only");
    }
    // Shares the whole message's life instead of copying the assignment.
    const std::shared_ptr<const Assignment> assignment(message, &proto.load_assignment());
    parts.assignment = readAssignment(assignment, {.names = parts.discovery == Discovery::StrictDns},
                                      path.field("load_assignment"), violations);
  }
  if (parts.discovery == Discovery::StrictDns) {
    parts.dns = readDns(proto, path, violations);
  }
}

// Connections.

std::string recipeBytes(const ConnectionRecipe& recipe, const ClusterProto& proto) {
  const net::ClientSocketOptions& socket = recipe.socket;
  std::string bytes =
      absl::StrCat(socket.source.has_value() ? socket.source->toString() : "", "|", socket.freebind, "|");
  if (socket.keepalive.has_value()) {
    const auto number = [](const std::optional<uint32_t>& value) {
      return value.has_value() ? absl::StrCat(*value) : std::string("-");
    };
    absl::StrAppend(&bytes, number(socket.keepalive->probes), ",", number(socket.keepalive->time_seconds), ",",
                    number(socket.keepalive->interval_seconds));
  }
  const auto addOptions = [&bytes](const std::vector<net::SocketOption>& options) {
    for (const net::SocketOption& option : options) {
      absl::StrAppend(&bytes, "|", option.level, ",", option.name, ",", static_cast<int>(option.state), ",",
                      option.value.size(), ",", option.value);
    }
  };
  addOptions(socket.options);
  for (const net::ClientSocketOptions::ExtraSource& extra : socket.extra_sources) {
    absl::StrAppend(&bytes, "|extra ", extra.address.toString(), extra.options.has_value() ? " with" : "");
    addOptions(extra.options.value_or(std::vector<net::SocketOption>()));
  }
  // What the protocols above TCP are set to: the message with those fields alone.
  ClusterProto protocols;
  *protocols.mutable_typed_extension_protocol_options() = proto.typed_extension_protocol_options();
  if (proto.has_upstream_http_protocol_options()) {
    *protocols.mutable_upstream_http_protocol_options() = proto.upstream_http_protocol_options();
  }
  if (proto.common_http_protocol_options().ByteSizeLong() > 0) {
    *protocols.mutable_common_http_protocol_options() = proto.common_http_protocol_options();
  }
  if (proto.http_protocol_options().ByteSizeLong() > 0) {
    *protocols.mutable_http_protocol_options() = proto.http_protocol_options();
  }
  if (proto.has_http2_protocol_options()) {
    *protocols.mutable_http2_protocol_options() = proto.http2_protocol_options();
  }
  if (proto.has_max_requests_per_connection()) {
    *protocols.mutable_max_requests_per_connection() = proto.max_requests_per_connection();
  }
  protocols.set_protocol_selection(proto.protocol_selection());
  return absl::StrCat(bytes, "|", config::canonicalBytes(protocols));
}

std::shared_ptr<const ConnectionRecipe> readRecipe(const ClusterProto& proto, const FieldPath& path,
                                                   Violations& violations) {
  auto recipe = std::make_shared<ConnectionRecipe>();
  if (proto.has_upstream_bind_config()) {
    recipe->socket =
        net::toClientSocketOptions(proto.upstream_bind_config(), path.field("upstream_bind_config"), violations);
  }
  if (proto.upstream_connection_options().has_tcp_keepalive()) {
    recipe->socket.keepalive = net::toTcpKeepalive(proto.upstream_connection_options().tcp_keepalive());
  }
  recipe->http = readHttpOptions(proto, path, violations);
  recipe->key = config::contentKey(recipeBytes(*recipe, proto));
  return recipe;
}

// The rest.

/** Both policies have the same options, none of which Sluice has. */
void readPolicyOptions(const google::protobuf::Any& any, const FieldPath& path, Violations& violations) {
  const std::unique_ptr<google::protobuf::Message> options = config::unpackExtension(any, path, violations);
  if (options == nullptr) {
    return;
  }
  std::vector<const google::protobuf::FieldDescriptor*> set;
  options->GetReflection()->ListFields(*options, &set);
  for (const google::protobuf::FieldDescriptor* field : set) {
    violations.add(path.field(field->name()), "is not supported by Sluice");
  }
}

bool isPrime(uint64_t number) {
  for (uint64_t divisor = 2; divisor * divisor <= number; ++divisor) {
    if (number % divisor == 0) {
      return false;
    }
  }
  return number > 1;
}

void readRingHash(const ClusterProto& proto, const FieldPath& path, LbOptions& lb, Violations& violations) {
  lb.policy = LbPolicy::RingHash;
  const ClusterProto::RingHashLbConfig& ring = proto.ring_hash_lb_config();
  if (ring.has_minimum_ring_size()) {
    lb.minimum_ring_size = ring.minimum_ring_size().value();
  }
  if (ring.has_maximum_ring_size()) {
    lb.maximum_ring_size = ring.maximum_ring_size().value();
  }
  if (ring.hash_function() == ClusterProto::RingHashLbConfig::MURMUR_HASH_2) {
    lb.hash_function = LbOptions::HashFunction::MurmurHash2;
  }
  const FieldPath at = path.field("ring_hash_lb_config");
  if (lb.minimum_ring_size == 0) {
    violations.add(at.field("minimum_ring_size"), "must be at least 1");
  }
  if (lb.minimum_ring_size > lb.maximum_ring_size) {
    violations.add(at.field("maximum_ring_size"),
                   absl::StrCat(lb.maximum_ring_size, " is below the minimum_ring_size of ", lb.minimum_ring_size));
  }
}

void readMaglev(const ClusterProto& proto, const FieldPath& path, LbOptions& lb, Violations& violations) {
  lb.policy = LbPolicy::Maglev;
  if (proto.maglev_lb_config().has_table_size()) {
    lb.maglev_table_size = proto.maglev_lb_config().table_size().value();
  }
  if (!isPrime(lb.maglev_table_size)) {
    violations.add(path.field("maglev_lb_config").field("table_size"),
                   absl::StrCat(lb.maglev_table_size, " is not a prime number"));
  }
}

void readLeastRequest(const ClusterProto& proto, const runtime::Snapshot& runtime, const FieldPath& path, LbOptions& lb,
                      Violations& violations) {
  lb.policy = LbPolicy::LeastRequest;
  const ClusterProto::LeastRequestLbConfig& least_request = proto.least_request_lb_config();
  if (least_request.has_choice_count()) {
    lb.choice_count = least_request.choice_count().value();
  }
  if (least_request.has_active_request_bias()) {
    const auto& bias = least_request.active_request_bias();
    const FieldPath at = path.field("least_request_lb_config").field("active_request_bias");
    if (!(bias.default_value() >= 0)) {
      violations.add(at.field("default_value"), "must be at least 0");
    }
    // Runtime values never change while the program runs.
    lb.active_request_bias = runtime.getDouble(bias.runtime_key(), bias.default_value());
    if (!(lb.active_request_bias >= 0) && runtime.has(bias.runtime_key())) {
      violations.add(at.field("runtime_key"),
                     absl::StrCat("the runtime's value must be at least 0, but is ", lb.active_request_bias));
    }
  }
}

/** What common_lb_config says beside the policy; as in Envoy, load_balancing_policy has it otherwise. */
void readLocalities(const ClusterProto& proto, ClusterParts& parts) {
  const ClusterProto::CommonLbConfig& common = proto.common_lb_config();
  parts.health_rules.locality_weighted = common.has_locality_weighted_lb_config();
  parts.health_rules.fail_on_panic = common.zone_aware_lb_config().fail_traffic_on_panic();
}

void readLbPolicy(const ClusterProto& proto, const runtime::Snapshot& runtime, const FieldPath& path,
                  ClusterParts& parts, Violations& violations) {
  if (proto.has_load_balancing_policy()) {
    std::vector<std::string> types;
    for (int i = 0; i < proto.load_balancing_policy().policies_size(); ++i) {
      const auto& any = proto.load_balancing_policy().policies(i).typed_extension_config().typed_config();
      types.push_back(config::extensionTypeName(any));
      if (types.back() == kRoundRobin || types.back() == kRandom) {
        parts.lb.policy = types.back() == kRandom ? LbPolicy::Random : LbPolicy::RoundRobin;
        const FieldPath at = path.field("load_balancing_policy").field("policies").index(i);
        readPolicyOptions(any, at.field("typed_extension_config").field("typed_config"), violations);
        return;
      }
    }
    violations.add(
        path.field("load_balancing_policy").field("policies"),
        absl::StrCat("none of them is supported by Sluice (", absl::StrJoin(types, ", "), "), only ", kRoundRobin,
                     " and ", kRandom, "; for LEAST_REQUEST, RING_HASH and MAGLEV use lb_policy"));
    return;
  }
  readLocalities(proto, parts);
  switch (proto.lb_policy()) {
    case ClusterProto::ROUND_ROBIN:
      parts.lb.policy = LbPolicy::RoundRobin;
      break;
    case ClusterProto::RANDOM:
      parts.lb.policy = LbPolicy::Random;
      break;
    case ClusterProto::LEAST_REQUEST:
      readLeastRequest(proto, runtime, path, parts.lb, violations);
      break;
    case ClusterProto::RING_HASH:
      readRingHash(proto, path, parts.lb, violations);
      break;
    case ClusterProto::MAGLEV:
      readMaglev(proto, path, parts.lb, violations);
      break;
    case ClusterProto::CLUSTER_PROVIDED:
      if (proto.has_cluster_type() || proto.type() != ClusterProto::ORIGINAL_DST) {
        violations.add(path.field("lb_policy"), "CLUSTER_PROVIDED is for clusters of type ORIGINAL_DST only");
      }
      break;
    case ClusterProto::LOAD_BALANCING_POLICY_CONFIG:
      violations.add(path.field("load_balancing_policy"), "is required by the lb_policy LOAD_BALANCING_POLICY_CONFIG");
      break;
    default:
      violations.add(path.field("lb_policy"),
                     absl::StrCat(ClusterProto::LbPolicy_Name(proto.lb_policy()),
                                  " is not supported by Sluice, only ROUND_ROBIN, RANDOM, LEAST_REQUEST, RING_HASH, "
                                  "MAGLEV"));
      break;
  }
  if (parts.lb.hashes()) {
    parts.lb.use_hostname_for_hashing =
        proto.common_lb_config().consistent_hashing_lb_config().use_hostname_for_hashing();
  }
}

/** As in Envoy, the first entry of a priority counts. */
Thresholds readThresholds(const ClusterProto& proto, RoutingPriority priority) {
  Thresholds thresholds;
  const auto& all = proto.circuit_breakers().thresholds();
  const auto found = std::find_if(all.begin(), all.end(), [priority](const CircuitBreakers_Thresholds& entry) {
    return entry.priority() == priority;
  });
  if (found == all.end()) {
    return thresholds;
  }
  const auto set = [](uint32_t& to, bool has, const google::protobuf::UInt32Value& value) {
    if (has) {
      to = value.value();
    }
  };
  set(thresholds.max_connections, found->has_max_connections(), found->max_connections());
  set(thresholds.max_pending_requests, found->has_max_pending_requests(), found->max_pending_requests());
  set(thresholds.max_requests, found->has_max_requests(), found->max_requests());
  set(thresholds.max_retries, found->has_max_retries(), found->max_retries());
  if (found->has_max_connection_pools()) {
    thresholds.max_connection_pools = found->max_connection_pools().value();
  }
  if (found->has_retry_budget()) {
    const CircuitBreakers_Thresholds::RetryBudget& budget = found->retry_budget();
    thresholds.retry_budget.emplace();
    if (budget.has_budget_percent()) {
      thresholds.retry_budget->percent = budget.budget_percent().value();
    }
    set(thresholds.retry_budget->min_concurrency, budget.has_min_retry_concurrency(), budget.min_retry_concurrency());
  }
  thresholds.track_remaining = found->track_remaining();
  return thresholds;
}

void readEndpointThresholds(const ClusterProto& proto, const FieldPath& path, ClusterParts& parts,
                            Violations& violations) {
  const auto& all = proto.circuit_breakers().per_host_thresholds();
  bool found = false;
  for (int i = 0; i < all.size(); ++i) {
    const CircuitBreakers_Thresholds& entry = all[i];
    if (entry.has_max_pending_requests() || entry.has_max_requests() || entry.has_max_retries() ||
        entry.has_max_connection_pools() || entry.has_retry_budget() || entry.track_remaining()) {
      violations.add(path.field("circuit_breakers").field("per_host_thresholds").index(i),
                     "only max_connections counts for each endpoint");
    }
    if (!found && entry.priority() == RoutingPriority::DEFAULT) {
      found = true;
      if (entry.has_max_connections()) {
        parts.max_connections_per_endpoint = entry.max_connections().value();
      }
    }
  }
}

}  // namespace

std::string endpointsBytes(const ClusterProto& proto) {
  // The message with those fields alone that its type reads.
  ClusterProto part;
  part.set_type(proto.type());
  const auto copyAssignment = [&] {
    if (proto.has_load_assignment()) {
      *part.mutable_load_assignment() = proto.load_assignment();
      // The name of an inline assignment is nobody's to look at.
      part.mutable_load_assignment()->clear_cluster_name();
    }
  };
  switch (proto.type()) {
    case ClusterProto::STATIC:
      copyAssignment();
      break;
    case ClusterProto::STRICT_DNS:
      copyAssignment();
      part.set_dns_lookup_family(proto.dns_lookup_family());
      part.set_respect_dns_ttl(proto.respect_dns_ttl());
      if (proto.has_dns_refresh_rate()) {
        *part.mutable_dns_refresh_rate() = proto.dns_refresh_rate();
      }
      if (proto.has_dns_failure_refresh_rate()) {
        *part.mutable_dns_failure_refresh_rate() = proto.dns_failure_refresh_rate();
      }
      if (proto.has_dns_jitter()) {
        *part.mutable_dns_jitter() = proto.dns_jitter();
      }
      break;
    case ClusterProto::EDS:
      *part.mutable_eds_cluster_config() = proto.eds_cluster_config();
      if (part.eds_cluster_config().service_name().empty()) {
        part.mutable_eds_cluster_config()->set_service_name(proto.name());
      }
      break;
    case ClusterProto::ORIGINAL_DST:
      break;
    default:
      return "";
  }
  return config::canonicalBytes(part);
}

ClusterParts takeApart(const std::shared_ptr<const ClusterProto>& message, const runtime::Snapshot& runtime,
                       const FieldPath& path, Violations& violations) {
  const ClusterProto& proto = *message;
  ClusterParts parts;
  parts.name = proto.name();
  parts.observability_name = proto.alt_stat_name().empty() ? proto.name() : proto.alt_stat_name();
  parts.wait_for_warm_on_init = !proto.has_wait_for_warm_on_init() || proto.wait_for_warm_on_init().value();
  if (parts.name.empty()) {
    violations.add(path.field("name"), "is required");
  }
  readDiscovery(message, path, parts, violations);
  parts.recipe = readRecipe(proto, path, violations);
  parts.transports = readTransports(proto, path, violations);
  if (proto.has_connect_timeout()) {
    parts.connect_timeout = toMilliseconds(proto.connect_timeout());
    if (parts.connect_timeout <= std::chrono::milliseconds(0)) {
      violations.add(path.field("connect_timeout"), "must be at least 1ms");
    }
  }
  if (proto.has_per_connection_buffer_limit_bytes()) {
    parts.buffer_limit_bytes = proto.per_connection_buffer_limit_bytes().value();
  }
  readLbPolicy(proto, runtime, path, parts, violations);
  if (proto.common_lb_config().has_healthy_panic_threshold()) {
    // As a whole number, as Envoy reads it.
    parts.health_rules.panic_percent =
        std::min(100, static_cast<int>(proto.common_lb_config().healthy_panic_threshold().value()));
  }
  if (proto.preconnect_policy().has_per_upstream_preconnect_ratio()) {
    parts.preconnect.per_endpoint = proto.preconnect_policy().per_upstream_preconnect_ratio().value();
  }
  if (proto.preconnect_policy().has_predictive_preconnect_ratio()) {
    parts.preconnect.predictive = proto.preconnect_policy().predictive_preconnect_ratio().value();
  }
  parts.close_connections_on_health_failure = proto.close_connections_on_host_health_failure();
  parts.normal_thresholds = readThresholds(proto, RoutingPriority::DEFAULT);
  parts.high_thresholds = readThresholds(proto, RoutingPriority::HIGH);
  readEndpointThresholds(proto, path, parts, violations);
  return parts;
}

}  // namespace sluice::cluster
