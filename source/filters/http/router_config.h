#pragma once

#include <memory>

#include "source/access_log/logger.h"
#include "source/cluster/local_clusters.h"
#include "source/filters/http/factory.h"
#include "source/filters/http/shadow_requests.h"
#include "source/http/filter.h"
#include "source/stats/stats.h"
#include "source/thread/slot.h"

namespace sluice::filters {

/** http.<stat_prefix>.*, what the router counts; Envoy's names. */
struct RouterStats {
  explicit RouterStats(stats::Scope& scope);

  stats::Counter no_cluster;
  stats::Counter no_route;
  stats::Counter passthrough_internal_redirect_bad_location;
  stats::Counter passthrough_internal_redirect_no_route;
  stats::Counter passthrough_internal_redirect_predicate;
  stats::Counter passthrough_internal_redirect_too_many_redirects;
  stats::Counter passthrough_internal_redirect_unsafe_scheme;
  stats::Counter rq_direct_response;
  stats::Counter rq_redirect;
  stats::Counter rq_reset_after_downstream_response_started;
  stats::Counter rq_retry_skipped_request_not_complete;
  stats::Counter rq_total;
};

/** What a Router message says, as plain data. */
struct RouterSettings {
  /** Count cluster.<name>.upstream_rq_<code> and so on. */
  bool dynamic_stats = true;
  bool suppress_envoy_headers = false;
  /** A timeout that a proxy before us told in x-envoy-expected-rq-timeout-ms is the route's. */
  bool respect_expected_timeout = false;
  /** Names of x-envoy-* headers that are answered with 400 where their values are malformed. */
  std::vector<http::HeaderId> strict_headers;
  access_log::AccessLoggers upstream_logs;
};

/** The router of one HTTP filter chain. Made on main; shared. */
class RouterConfig final : public http::HttpFilterConfig {
 public:
  RouterConfig(RouterSettings settings, stats::ScopePtr scope, const cluster::ClusterProvider& clusters,
               const thread::Slot<ShadowRequests>& shadows);

  void addTo(http::FilterChainBuilder& chain) const override;
  bool isTerminal() const override { return true; }

  const RouterSettings& settings() const { return settings_; }
  const RouterStats& stats() const { return stats_; }
  cluster::LocalClusters& clusters() const { return clusters_.localClusters(); }
  ShadowRequests& shadows() const { return *shadows_.get(); }

 private:
  const RouterSettings settings_;
  const stats::ScopePtr scope_;
  const RouterStats stats_;
  const cluster::ClusterProvider& clusters_;
  const thread::Slot<ShadowRequests>& shadows_;
};

std::unique_ptr<HttpFilterFactory> routerFactory(const HttpFilterServices& services);

}  // namespace sluice::filters
