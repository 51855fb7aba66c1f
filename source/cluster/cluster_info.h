#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "source/cluster/circuit_breaker.h"
#include "source/cluster/cluster_stats.h"
#include "source/cluster/endpoint.h"
#include "source/cluster/http_options.h"
#include "source/cluster/lb_options.h"
#include "source/config/canonical_key.h"
#include "source/http/code_stats.h"
#include "source/net/socket.h"
#include "source/net/transport_socket.h"
#include "source/stats/stats.h"

namespace envoy::config::core::v3 {
class Metadata;
}

namespace sluice::cluster {

class OriginalDestinationList;

/**
 * What a cluster's connections are made with: the part that pools of connections hang on. Clusters (and versions of one)
 * with equal keys make connections that cannot be told apart. Immutable; shared by all threads.
 */
struct ConnectionRecipe {
  config::ContentKey key;
  net::ClientSocketOptions socket;
  std::shared_ptr<const net::TransportSocketFactory> transport;
  /** What it says of itself, for requests to ask at no cost. */
  bool reads_options = false;
  bool reads_addresses = false;
  bool tls = false;
  HttpOptions http;

  void setTransport(std::shared_ptr<const net::TransportSocketFactory> factory) {
    transport = std::move(factory);
    reads_options = transport->readsOptions();
    reads_addresses = transport->readsAddresses();
    tls = transport->isTls();
  }
};

/** How an ORIGINAL_DST cluster finds out where its connections go (original_dst_lb_config). */
struct OriginalDestinationRules {
  /** Of a request's header; empty: none. In lower case. */
  std::string header;
  /** Where dynamic metadata has it; empty: nowhere. */
  std::string metadata_filter;
  std::vector<std::string> metadata_path;
  /** 0: the destination's own. */
  uint16_t port = 0;
  /** How long an address is known that nothing uses; none: for ever. */
  std::optional<std::chrono::milliseconds> cleanup_interval;
  /** Main's list of what workers know, for its pages: locked on main alone. */
  event::Dispatcher* main = nullptr;
  std::weak_ptr<OriginalDestinationList> list;
};

/** A cluster's counts of responses, by who asked; and of those that nobody got. */
struct ClusterCodeStats {
  ClusterCodeStats(event::Dispatcher& main, const stats::ScopePtr& scope)
      : all(main, scope, ""),
        internal(main, scope, "internal."),
        external(main, scope, "external."),
        canary(main, scope, "canary."),
        retry(main, scope, "retry.") {}
  http::CodeStats all;
  http::CodeStats internal;
  http::CodeStats external;
  http::CodeStats canary;
  /** Those that another attempt followed, which count nowhere else. */
  http::CodeStats retry;
};

/**
 * One version of a cluster but for its endpoints. Made on main from the configuration, immutable, shared by all workers
 * and pinned by live connections; its last reference dies on main, as it holds the statistics' scope.
 */
struct ClusterInfo {
  std::shared_ptr<const std::string> name;
  /** What statistics and access logs call it: alt_stat_name or the name. */
  std::shared_ptr<const std::string> observability_name;
  /** Of connections to endpoints without metadata, and to all others that name none of their own. */
  std::shared_ptr<const ConnectionRecipe> recipe;
  /** Null but for clusters of type ORIGINAL_DST. */
  std::unique_ptr<const OriginalDestinationRules> original_destination;
  std::chrono::milliseconds connect_timeout{5000};
  uint32_t buffer_limit_bytes = 1024 * 1024;
  LbOptions lb;
  Thresholds normal_thresholds;
  Thresholds high_thresholds;
  /** circuit_breakers.per_host_thresholds. */
  std::optional<uint32_t> max_connections_per_endpoint;
  PreconnectPolicy preconnect;
  /** HTTP connections to an endpoint that is unhealthy are drained. */
  bool close_connections_on_health_failure = false;
  std::shared_ptr<CircuitBreakers> breakers;
  stats::ScopePtr scope;
  ClusterStats stats;
  HttpCodecStats codec_stats;
  /** upstream_rq_<code> and so on: of all requests, and of those from inside and outside and to canaries. */
  std::shared_ptr<const ClusterCodeStats> codes;
  /** Null when there is none. */
  std::shared_ptr<const envoy::config::core::v3::Metadata> metadata;

  ClusterInfo(event::Dispatcher& main, stats::ScopePtr cluster_scope)
      : scope(std::move(cluster_scope)), stats(*scope), codes(std::make_shared<const ClusterCodeStats>(main, scope)) {}

  /** What connections to an endpoint are made with. */
  const std::shared_ptr<const ConnectionRecipe>& recipeOf(const EndpointSet::Entry& entry) const {
    return entry.recipe == nullptr ? recipe : entry.recipe;
  }
  const Thresholds& thresholds(bool high_priority) const { return high_priority ? high_thresholds : normal_thresholds; }
};

}  // namespace sluice::cluster
