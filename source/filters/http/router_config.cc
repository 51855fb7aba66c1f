#include "source/filters/http/router_config.h"

#include "envoy/extensions/filters/http/router/v3/router.pb.h"

#include "source/event/dispatcher.h"
#include "source/filters/http/router.h"

namespace sluice::filters {
namespace {

using Proto = envoy::extensions::filters::http::router::v3::Router;

class RouterFactory : public HttpFilterFactory {
 public:
  explicit RouterFactory(const HttpFilterServices& services)
      : services_(services), shadows_(services.slots, [](event::Dispatcher& dispatcher) {
          return std::make_unique<ShadowRequests>(dispatcher);
        }) {}

  absl::string_view messageName() const override { return Proto::descriptor()->full_name(); }
  bool isTerminal() const override { return true; }

  std::shared_ptr<const http::HttpFilterConfig> create(const google::protobuf::Message& message,
                                                       const config::FieldPath& path, HttpFilterContext& context,
                                                       config::Violations& violations) const override {
    const auto& proto = static_cast<const Proto&>(message);
    const size_t mistakes = violations.size();
    RouterSettings settings;
    settings.dynamic_stats = !proto.has_dynamic_stats() || proto.dynamic_stats().value();
    settings.suppress_envoy_headers = proto.suppress_envoy_headers();
    settings.respect_expected_timeout = proto.respect_expected_rq_timeout();
    for (const std::string& name : proto.strict_check_headers()) {
      settings.strict_headers.push_back(http::headerId(name));
    }
    settings.upstream_logs =
        services_.access_loggers.create(proto.upstream_log(), path.field("upstream_log"), violations);
    if (violations.size() != mistakes) {
      return nullptr;
    }
    return event::ownedBy<const http::HttpFilterConfig>(
        services_.main,
        std::make_unique<RouterConfig>(std::move(settings), context.scope, services_.clusters, shadows_));
  }

 private:
  const HttpFilterServices services_;
  const thread::Slot<ShadowRequests> shadows_;
};

}  // namespace

RouterStats::RouterStats(stats::Scope& scope)
    : no_cluster(scope.counter("no_cluster")),
      no_route(scope.counter("no_route")),
      passthrough_internal_redirect_bad_location(scope.counter("passthrough_internal_redirect_bad_location")),
      passthrough_internal_redirect_no_route(scope.counter("passthrough_internal_redirect_no_route")),
      passthrough_internal_redirect_predicate(scope.counter("passthrough_internal_redirect_predicate")),
      passthrough_internal_redirect_too_many_redirects(
          scope.counter("passthrough_internal_redirect_too_many_redirects")),
      passthrough_internal_redirect_unsafe_scheme(scope.counter("passthrough_internal_redirect_unsafe_scheme")),
      rq_direct_response(scope.counter("rq_direct_response")),
      rq_redirect(scope.counter("rq_redirect")),
      rq_reset_after_downstream_response_started(scope.counter("rq_reset_after_downstream_response_started")),
      rq_retry_skipped_request_not_complete(scope.counter("rq_retry_skipped_request_not_complete")),
      rq_total(scope.counter("rq_total")) {}

RouterConfig::RouterConfig(RouterSettings settings, stats::ScopePtr scope, const cluster::ClusterProvider& clusters,
                           const thread::Slot<ShadowRequests>& shadows)
    : settings_(std::move(settings)),
      scope_(std::move(scope)),
      stats_(*scope_),
      clusters_(clusters),
      shadows_(shadows) {}

void RouterConfig::addTo(http::FilterChainBuilder& chain) const {
  chain.addDecoderFilter(*chain.arena().make<Router>(*this));
}

std::unique_ptr<HttpFilterFactory> routerFactory(const HttpFilterServices& services) {
  return std::make_unique<RouterFactory>(services);
}

}  // namespace sluice::filters
