#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "envoy/config/cluster/v3/cluster.pb.h"

#include "source/cluster/cluster_info.h"
#include "source/cluster/dns.h"
#include "source/cluster/endpoint.h"
#include "source/cluster/endpoint_config.h"
#include "source/cluster/transport_config.h"
#include "source/config/field_path.h"
#include "source/config/violations.h"
#include "source/runtime/snapshot.h"

namespace sluice::cluster {

using ClusterProto = envoy::config::cluster::v3::Cluster;

/** Where a cluster's endpoints come from. */
enum class Discovery : uint8_t { Static, StrictDns, Eds, OriginalDestination };

struct DnsSettings {
  DnsFamily family = DnsFamily::Auto;
  std::chrono::milliseconds refresh_rate{5000};
  /** With both set, failures are retried with a jittered exponential back-off; else at the refresh rate. */
  std::optional<std::chrono::milliseconds> failure_base;
  std::chrono::milliseconds failure_max{0};
  std::chrono::milliseconds jitter{0};
  bool respect_ttl = false;
};

/**
 * A cluster taken apart into the parts that an update keeps or replaces, each by itself:
 *   endpoints    where they come from; where endpointsBytes() agree, the source and its state stay
 *   connections  what connections are made with (ConnectionRecipe)
 *   the rest     replaced under everybody
 */
struct ClusterParts {
  std::string name;
  std::string observability_name;
  bool wait_for_warm_on_init = true;

  // Endpoints.
  Discovery discovery = Discovery::Static;
  /** Static: the endpoints. StrictDns: the names to resolve. */
  EndpointList assignment;
  DnsSettings dns;
  /** Eds: the resource's name; its source is read from the message. */
  std::string service_name;
  /** Null but for OriginalDestination. */
  std::unique_ptr<OriginalDestinationRules> original_destination;

  // Connections.
  /** But for the transport sockets, which main has made from `transports`. */
  std::shared_ptr<const ConnectionRecipe> recipe;
  TransportParts transports;

  // The rest.
  std::chrono::milliseconds connect_timeout{5000};
  uint32_t buffer_limit_bytes = 1024 * 1024;
  LbOptions lb;
  /** But for what the assignment says. */
  HealthRules health_rules;
  Thresholds normal_thresholds;
  Thresholds high_thresholds;
  std::optional<uint32_t> max_connections_per_endpoint;
  PreconnectPolicy preconnect;
  bool close_connections_on_health_failure = false;
};

/**
 * The canonical bytes of all that the source of the cluster's endpoints is made from: where two agree, an update keeps
 * the source. Empty for a type that Sluice does not have.
 */
std::string endpointsBytes(const ClusterProto& message);

/**
 * Takes apart a cluster that has passed config::validateMessage(). Mistakes go to `violations`; the parts are then not to
 * be used. The parts keep `message` alive where they need it. Pure; any thread.
 */
ClusterParts takeApart(const std::shared_ptr<const ClusterProto>& message, const runtime::Snapshot& runtime,
                       const config::FieldPath& path, config::Violations& violations);

}  // namespace sluice::cluster
