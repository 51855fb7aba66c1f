#include "source/server/extensions.h"

#include <utility>

#include "envoy/config/core/v3/base.pb.h"

#include "source/filters/http/http_filters.h"
#include "source/filters/http/router_config.h"
#include "source/filters/http/service_filters.h"
#include "source/filters/listener/http_inspector.h"
#include "source/filters/listener/local_rate_limit.h"
#include "source/filters/listener/original_address.h"
#include "source/filters/listener/proxy_protocol.h"
#include "source/filters/listener/tls_inspector.h"
#include "source/filters/network/config.h"
#include "source/filters/network/http_connection_manager_config.h"
#include "source/filters/network/rbac.h"
#include "source/filters/network/set_filter_state.h"
#include "source/filters/transport/proxy_protocol.h"
#include "source/filters/transport/raw_buffer.h"
#include "source/filters/transport/start_tls.h"
#include "source/filters/transport/tls.h"

namespace sluice::server {

/** Has the HTTP filters' own factories read their settings for routes. */
class Extensions::PerRoute final : public http::PerRouteConfigs {
 public:
  explicit PerRoute(const filters::HttpFilterFactories& factories) : factories_(factories) {}

  bool has(absl::string_view message_name) const override { return find(message_name) != nullptr; }
  std::shared_ptr<const http::PerRouteConfig> create(absl::string_view, const google::protobuf::Message& message,
                                                     const config::FieldPath& path,
                                                     config::Violations& violations) const override {
    return find(message.GetDescriptor()->full_name())->createPerRoute(message, path, violations);
  }

 private:
  const filters::HttpFilterFactory* find(absl::string_view message_name) const {
    for (const auto& factory : factories_) {
      if (factory->perRouteMessageName() == message_name) {
        return factory.get();
      }
    }
    return nullptr;
  }

  const filters::HttpFilterFactories& factories_;
};

/** Connection managers' way to their route tables. */
class Extensions::RouteFactory final : public http::RouteProviderFactory {
 public:
  explicit RouteFactory(http::RouteProviders& routes) : routes_(routes) {}

  std::shared_ptr<const http::RouteProvider> fromConfig(const envoy::config::route::v3::RouteConfiguration& config,
                                                        const config::FieldPath& path,
                                                        config::Violations& violations) const override {
    return routes_.makeInline(std::make_shared<envoy::config::route::v3::RouteConfiguration>(config), path, violations);
  }
  std::shared_ptr<const http::RouteProvider> overRds(const envoy::config::core::v3::ConfigSource& source,
                                                     absl::string_view name, absl::string_view stat_prefix,
                                                     xds::InitManager& init_manager, const config::FieldPath& path,
                                                     config::Violations& violations) const override {
    auto provider = routes_.makeRds(source, std::string(name), stat_prefix, init_manager);
    if (!provider.ok()) {
      violations.add(path.field("config_source"), std::string(provider.status().message()));
      return nullptr;
    }
    return *std::move(provider);
  }

 private:
  http::RouteProviders& routes_;
};

void addUpstreamTransportSockets(event::Dispatcher& main, const filters::TlsServices& tls,
                                 cluster::UpstreamTransportSocketFactories& factories) {
  factories.push_back(filters::upstreamRawBufferFactory());
  factories.push_back(filters::tlsUpstreamFactory(tls));
  factories.push_back(filters::startTlsUpstreamFactory(tls));
  factories.push_back(filters::upstreamProxyProtocolFactory(main, factories));
}

Extensions::Extensions(const ExtensionContext& context)
    : upstreams_(context.clusters.provider()),
      grpc_loggers_(
          {context.main, context.slots, context.root.shared_from_this(), upstreams_, context.operators, context.node}),
      request_stats_(context.main, context.root.shared_from_this()) {
  context.access_loggers.add(grpc_loggers_.http());
  context.access_loggers.add(grpc_loggers_.tcp());
  const stats::ScopePtr root = context.root.shared_from_this();
  const cluster::ClusterProvider& clusters = context.clusters.provider();
  const filters::HttpFilterServices http_services{
      context.main,        context.slots,        root, clusters, context.access_loggers, context.operators,
      context.log_filters, context.subscriptions};
  filters::addHttpFilters({context.main, root, clusters, {*context.runtime, context.operators}, context.node.cluster()},
                          http_filters_);
  const filters::ServiceFilterContext services{
      context.main, context.slots, root, upstreams_, {*context.runtime, context.operators}, context.node};
  http_filters_.push_back(filters::extAuthzFactory(services));
  http_filters_.push_back(filters::jwtAuthnFactory(services));
  http_filters_.push_back(filters::routerFactory(http_services));

  per_route_ = std::make_unique<PerRoute>(http_filters_);
  routes_ = std::make_unique<http::RouteProviders>(
      context.main, context.slots, context.subscriptions,
      http::RouteServices{root, &request_stats_, context.runtime, context.operators, *per_route_,
                          [&all = context.clusters](absl::string_view name) { return all.has(name); }});
  route_factory_ = std::make_unique<RouteFactory>(*routes_);

  filters_.network.push_back(filters::httpConnectionManagerFactory(http_services, http_filters_, *route_factory_,
                                                                   {context.node.id(), context.node.cluster()}));
  filters_.network.push_back(
      filters::tcpProxyFactory(context.main, context.slots, root, clusters, context.access_loggers));
  filters_.network.push_back(filters::echoFactory(context.main));
  filters_.network.push_back(filters::directResponseFactory(context.main));
  filters_.network.push_back(filters::networkRbacFactory(context.main, root, *context.runtime));
  filters_.network.push_back(
      filters::networkSetFilterStateFactory(context.main, {*context.runtime, context.operators}));
  filters_.network.push_back(filters::networkExtAuthzFactory(services));
  filters_.listener.push_back(filters::tlsInspectorFactory(root));
  filters_.listener.push_back(filters::httpInspectorFactory(root));
  filters_.listener.push_back(filters::proxyProtocolFactory(root));
  filters_.listener.push_back(filters::originalDstFactory());
  filters_.listener.push_back(filters::originalSrcFactory());
  filters_.listener.push_back(filters::listenerLocalRateLimitFactory(context.main, root, *context.runtime));
  filters_.transport.push_back(filters::rawBufferFactory(context.main));
  filters_.transport.push_back(filters::tlsDownstreamFactory(context.tls));
  filters_.transport.push_back(filters::startTlsDownstreamFactory(context.tls));
}

Extensions::~Extensions() = default;

}  // namespace sluice::server
