#include "source/filters/network/http_connection_manager_config.h"

#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

#include "source/cluster/local_clusters.h"
#include "source/config/canonical_key.h"
#include "source/config/duration.h"
#include "source/filters/http/filter_chain.h"
#include "source/filters/network/http_connection_manager_settings.h"
#include "source/http/connection_manager.h"
#include "source/http/http1_codec.h"
#include "source/http/http2_codec.h"
#include "source/http/protocol_options.h"

namespace sluice::filters {
namespace {

namespace hcm = envoy::extensions::filters::network::http_connection_manager::v3;
using Proto = hcm::HttpConnectionManager;

/** Codecs with their options; the statistics are those of all listeners together. */
class HttpCodecs final : public http::ServerCodecFactory {
 public:
  HttpCodecs(http::Http1Settings http1, http::Http2Settings http2, stats::ScopePtr root)
      : http1_(std::move(http1)),
        http2_(std::move(http2)),
        http1_scope_(root->createScope("http1")),
        http2_scope_(root),
        http1_stats_{http1_scope_->counter("dropped_headers_with_underscores"),
                     http1_scope_->counter("requests_rejected_with_underscores_in_headers"),
                     http1_scope_->counter("metadata_not_supported_error"), http1_scope_->counter("response_flood")},
        http2_stats_(http::Http2Stats::make(*root)) {}

  std::unique_ptr<http::ServerCodec> create(net::Connection& connection, http::ServerCodecCallbacks& callbacks,
                                            http::Protocol protocol) const override {
    if (protocol == http::Protocol::Http2) {
      return std::make_unique<http::Http2ServerCodec>(connection, callbacks, http2_, http2_stats_);
    }
    return std::make_unique<http::Http1ServerCodec>(connection, callbacks, http1_, http1_stats_);
  }

 private:
  const http::Http1Settings http1_;
  const http::Http2Settings http2_;
  const stats::ScopePtr http1_scope_;
  const stats::ScopePtr http2_scope_;
  const http::Http1Stats http1_stats_;
  const http::Http2Stats http2_stats_;
};

/** The worker's own clusters. */
class LocalDirectory final : public http::ClusterDirectory {
 public:
  explicit LocalDirectory(const cluster::ClusterProvider& clusters) : clusters_(clusters) {}

  bool describe(absl::string_view cluster, net::UpstreamInfo& to) const override {
    const cluster::LocalCluster* const found = clusters_.localClusters().find(cluster);
    if (found == nullptr) {
      return false;
    }
    const cluster::ClusterInfo& info = found->info();
    to.cluster_name = info.name;
    to.cluster_alt_stat_name = info.observability_name;
    to.cluster_metadata = info.metadata;
    return true;
  }

 private:
  const cluster::ClusterProvider& clusters_;
};

class Factory final : public listener::NetworkFilterFactory {
 public:
  Factory(const HttpFilterServices& services, const HttpFilterFactories& filters,
          const http::RouteProviderFactory& routes, NodeIdentity node)
      : services_(services),
        filters_(filters),
        routes_(routes),
        directory_(services.clusters),
        node_(std::move(node)) {}

  absl::string_view messageName() const override { return Proto::descriptor()->full_name(); }

  std::shared_ptr<const net::NetworkFilterConfig> create(const google::protobuf::Message& message,
                                                         const config::FieldPath& path,
                                                         listener::FactoryContext& context,
                                                         config::Violations& violations) const override {
    const auto& proto = static_cast<const Proto&>(message);
    const size_t mistakes = violations.size();
    http::Http1Settings http1 =
        http::toHttp1Settings(proto.http_protocol_options(), proto.common_http_protocol_options(),
                              path.field("http_protocol_options"), violations);
    http::Http2Settings http2 =
        http::toHttp2Settings(proto.http2_protocol_options(), proto.common_http_protocol_options(),
                              path.field("http2_protocol_options"), violations);
    http1.max_headers_kb = http2.max_headers_kb =
        proto.has_max_request_headers_kb() ? proto.max_request_headers_kb().value() : 60;
    if (!proto.http_protocol_options().has_override_stream_error_on_invalid_http_message()) {
      http1.stream_error_on_invalid_http_message = proto.stream_error_on_invalid_http_message().value();
    }
    if (!proto.http2_protocol_options().has_override_stream_error_on_invalid_http_message()) {
      http2.stream_error_on_invalid_http_message = proto.stream_error_on_invalid_http_message().value();
    }
    http::ConnectionManagerSettings settings =
        readConnectionManager(proto, services_.operators, services_.log_filters, path, violations);
    settings.accept_http_10 = http1.accept_http_10;
    settings.default_host_for_http_10 = http1.default_host;
    settings.http2_stream_buffer_limit = http2.initial_stream_window;
    settings.request.node_id = node_.id;
    if (proto.add_user_agent().value()) {
      settings.request.user_agent = node_.cluster;
    }
    settings.access_logs = services_.access_loggers.create(proto.access_log(), path.field("access_log"), violations);

    stats::ScopePtr scope = services_.root->createScope(absl::StrCat("http.", settings.stat_prefix));
    settings.filters = makeHttpFilterChain(proto.http_filters(), filters_, scope, context.init_manager,
                                           path.field("http_filters"), violations);
    readUpgrades(proto, scope, context, path.field("upgrade_configs"), settings, violations);
    std::shared_ptr<const http::RouteProvider> routes = makeRoutes(proto, context, path, violations);
    if (violations.size() != mistakes || routes == nullptr) {
      return nullptr;
    }
    stats::ScopePtr listener_scope =
        services_.root->createScope(absl::StrCat("listener.", context.stat_prefix, ".http.", settings.stat_prefix));
    auto codecs = std::make_unique<HttpCodecs>(std::move(http1), std::move(http2), services_.root);
    return event::ownedBy<const net::NetworkFilterConfig>(
        services_.main, std::make_unique<http::ConnectionManagerConfig>(
                            std::move(settings), structuralKey(proto), std::move(scope), std::move(listener_scope),
                            std::move(codecs), std::move(routes), &directory_));
  }

 private:
  /** What connections can't change under way: how bytes are read, and which filters there are. */
  static config::ContentKey structuralKey(const Proto& proto) {
    std::string text =
        absl::StrCat("http_connection_manager\n", proto.codec_type(), "\n", proto.max_request_headers_kb().value(),
                     "\n", proto.stream_error_on_invalid_http_message().value(), "\n");
    for (const std::string& part :
         {config::canonicalBytes(proto.http_protocol_options()), config::canonicalBytes(proto.http2_protocol_options()),
          config::canonicalBytes(proto.common_http_protocol_options())}) {
      absl::StrAppend(&text, part.size(), ":", part);
    }
    for (const hcm::HttpFilter& filter : proto.http_filters()) {
      absl::StrAppend(&text, filter.name().size(), ":", filter.name(), "\n", filter.typed_config().type_url(), "\n");
    }
    return config::contentKey(text);
  }

  void readUpgrades(const Proto& proto, const stats::ScopePtr& scope, listener::FactoryContext& context,
                    const config::FieldPath& path, http::ConnectionManagerSettings& settings,
                    config::Violations& violations) const {
    absl::flat_hash_set<std::string> seen;
    for (int i = 0; i < proto.upgrade_configs_size(); ++i) {
      const Proto::UpgradeConfig& config = proto.upgrade_configs(i);
      const config::FieldPath at = path.index(static_cast<size_t>(i));
      http::UpgradeSettings& upgrade = settings.upgrades.emplace_back();
      upgrade.type = absl::AsciiStrToLower(config.upgrade_type());
      upgrade.enabled = !config.has_enabled() || config.enabled().value();
      if (!seen.insert(upgrade.type).second) {
        violations.add(at.field("upgrade_type"), absl::StrCat("'", upgrade.type, "' is named twice"));
      }
      if (config.filters_size() > 0) {
        upgrade.filters = makeHttpFilterChain(config.filters(), filters_, scope, context.init_manager,
                                              at.field("filters"), violations);
      }
    }
  }

  std::shared_ptr<const http::RouteProvider> makeRoutes(const Proto& proto, listener::FactoryContext& context,
                                                        const config::FieldPath& path,
                                                        config::Violations& violations) const {
    switch (proto.route_specifier_case()) {
      case Proto::kRouteConfig:
        return routes_.fromConfig(proto.route_config(), path.field("route_config"), violations);
      case Proto::kRds:
        if (proto.rds().route_config_name().empty()) {
          violations.add(path.field("rds").field("route_config_name"), "must name a route configuration");
          return nullptr;
        }
        return routes_.overRds(proto.rds().config_source(), proto.rds().route_config_name(),
                               absl::StrCat("http.", proto.stat_prefix(), "."), context.init_manager, path.field("rds"),
                               violations);
      case Proto::kScopedRoutes:
        violations.add(path.field("scoped_routes"), "routes are found by host, not by scope");
        return nullptr;
      case Proto::ROUTE_SPECIFIER_NOT_SET:
        violations.add(path, "needs route_config or rds");
        return nullptr;
    }
    return nullptr;
  }

  const HttpFilterServices services_;
  const HttpFilterFactories& filters_;
  const http::RouteProviderFactory& routes_;
  const LocalDirectory directory_;
  const NodeIdentity node_;
};

}  // namespace

std::unique_ptr<listener::NetworkFilterFactory> httpConnectionManagerFactory(const HttpFilterServices& services,
                                                                             const HttpFilterFactories& filters,
                                                                             const http::RouteProviderFactory& routes,
                                                                             NodeIdentity node) {
  return std::make_unique<Factory>(services, filters, routes, std::move(node));
}

}  // namespace sluice::filters
