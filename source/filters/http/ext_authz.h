#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"

#include "source/filters/common/check_request.h"
#include "source/filters/common/dynamic_stats.h"
#include "source/filters/http/ext_authz_service.h"
#include "source/grpc/upstreams.h"
#include "source/http/filter.h"
#include "source/matcher/metadata_matcher.h"
#include "source/runtime/snapshot.h"
#include "source/stats/stats.h"

namespace sluice::filters {

/** http.<prefix>.ext_authz.* */
struct ExtAuthzStats {
  explicit ExtAuthzStats(stats::Scope& scope);
  stats::Counter ok;
  stats::Counter denied;
  stats::Counter error;
  stats::Counter disabled;
  stats::Counter failure_mode_allowed;
  stats::Counter invalid;
  stats::Counter ignored_dynamic_metadata;
};

/** How much of a request's body the service is sent. */
struct AuthzBody {
  uint32_t max_bytes = 0;
  bool allow_partial = false;
  bool as_bytes = false;
};

/** What an ExtAuthz message says, as plain data. */
struct ExtAuthzSettings {
  std::shared_ptr<const AuthzService> service;
  bool failure_mode_allow = false;
  bool failure_mode_header = false;
  std::optional<AuthzBody> body;
  bool clear_route_cache = false;
  uint32_t status_on_error = 403;
  bool validate_mutations = false;
  MetadataNamespaces metadata;
  MetadataNamespaces route_metadata;
  /** None: always. */
  std::optional<runtime::Fraction> enabled;
  std::optional<matcher::MetadataMatcher> enabled_metadata;
  bool deny_at_disable = false;
  /** Empty, or a part of the statistics' names that ends with a dot. */
  std::string stat_prefix;
  std::vector<std::pair<std::string, std::string>> destination_labels;
  HeaderNames allowed_headers;
  HeaderNames disallowed_headers;
  TlsAttributes tls;
  bool charge_cluster = true;
  bool raw_headers = false;
  bool take_metadata = true;
  /** 0: no limit. */
  uint32_t max_denied_body = 0;
};

/** A route's: what is set replaces, the extensions of all levels together are sent. */
struct ExtAuthzPerRoute : http::PerRouteConfig {
  bool disabled = false;
  bool no_body = false;
  std::optional<AuthzBody> body;
  std::shared_ptr<const AuthzService> service;
  std::vector<std::pair<std::string, std::string>> context_extensions;
};

/** The ext_authz filter of one chain. Made on main; shared. */
class ExtAuthzConfig final : public http::HttpFilterConfig {
 public:
  ExtAuthzConfig(ExtAuthzSettings settings, event::Dispatcher& main, const stats::ScopePtr& root, stats::ScopePtr scope,
                 const grpc::Upstreams& upstreams)
      : settings_(std::move(settings)),
        scope_(std::move(scope)),
        stats_(*scope_),
        cluster_stats_(main, root->createScope("cluster")),
        upstreams_(upstreams) {}

  void addTo(http::FilterChainBuilder& chain) const override;

  const ExtAuthzSettings& settings() const { return settings_; }
  const ExtAuthzStats& stats() const { return stats_; }
  const grpc::Upstreams& upstreams() const { return upstreams_; }
  /** cluster.<cluster>.ext_authz.<what> */
  void countFor(absl::string_view cluster, absl::string_view what) const;
  /** cluster.<cluster>.upstream_rq_<code> of a request that never got there. */
  void chargeResponse(absl::string_view cluster, uint32_t status) const;

 private:
  const ExtAuthzSettings settings_;
  const stats::ScopePtr scope_;
  const ExtAuthzStats stats_;
  const DynamicStats<NamedCounter> cluster_stats_;
  const grpc::Upstreams& upstreams_;
};

}  // namespace sluice::filters
