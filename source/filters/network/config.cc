#include "source/filters/network/config.h"

#include "absl/strings/str_cat.h"
#include "envoy/extensions/filters/network/direct_response/v3/config.pb.h"
#include "envoy/extensions/filters/network/echo/v3/echo.pb.h"
#include "envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.pb.h"

#include "source/config/data_source.h"
#include "source/config/duration.h"
#include "source/filters/network/direct_response.h"
#include "source/filters/network/echo.h"
#include "source/filters/network/tcp_proxy.h"
#include "source/filters/network/upstream_drainer.h"

namespace sluice::filters {
namespace {

using std::chrono::milliseconds;
using TcpProxyProto = envoy::extensions::filters::network::tcp_proxy::v3::TcpProxy;

/** Unset is `fallback`; zero is none. */
std::optional<milliseconds> timeout(bool has, const google::protobuf::Duration& value,
                                    std::optional<milliseconds> fallback) {
  if (!has) {
    return fallback;
  }
  const int64_t ms = config::toMilliseconds(value);
  return ms > 0 ? std::optional(milliseconds(ms)) : std::nullopt;
}

class TcpProxyFactory : public listener::NetworkFilterFactory {
 public:
  TcpProxyFactory(event::Dispatcher& main, thread::SlotAllocator& slots, stats::ScopePtr root,
                  const cluster::ClusterProvider& clusters, const access_log::LoggerFactory& loggers)
      : main_(main),
        root_(std::move(root)),
        clusters_(clusters),
        loggers_(loggers),
        drainers_(slots, [](event::Dispatcher& dispatcher) { return std::make_unique<UpstreamDrainer>(dispatcher); }) {}

  absl::string_view messageName() const override { return TcpProxyProto::descriptor()->full_name(); }

  std::shared_ptr<const net::NetworkFilterConfig> create(const google::protobuf::Message& message,
                                                         const config::FieldPath& path, listener::FactoryContext&,
                                                         config::Violations& violations) const override {
    const auto& proto = static_cast<const TcpProxyProto&>(message);
    const size_t mistakes = violations.size();
    TcpProxySettings settings;
    readClusters(proto, path, settings, violations);
    settings.stat_prefix = proto.stat_prefix();
    settings.idle_timeout = timeout(proto.has_idle_timeout(), proto.idle_timeout(), std::chrono::hours(1));
    settings.max_connection_duration =
        timeout(proto.has_max_downstream_connection_duration(), proto.max_downstream_connection_duration(), {});
    settings.max_connect_attempts = proto.has_max_connect_attempts() ? proto.max_connect_attempts().value() : 1;
    if (proto.has_backoff_options()) {
      readBackoff(proto, path.field("backoff_options"), settings, violations);
    }
    settings.access_logs = loggers_.create(proto.access_log(), path.field("access_log"), violations);
    settings.log_on_connected = proto.access_log_options().flush_access_log_on_connected();
    settings.log_interval = timeout(proto.access_log_options().has_access_log_flush_interval(),
                                    proto.access_log_options().access_log_flush_interval(), {});
    if (violations.size() != mistakes) {
      return nullptr;
    }
    stats::ScopePtr scope = root_->createScope(absl::StrCat("tcp.", settings.stat_prefix));
    return event::ownedBy<const net::NetworkFilterConfig>(
        main_, std::make_unique<TcpProxyConfig>(std::move(settings), std::move(scope), clusters_, drainers_));
  }

 private:
  static void readClusters(const TcpProxyProto& proto, const config::FieldPath& path, TcpProxySettings& settings,
                           config::Violations& violations) {
    if (!proto.has_weighted_clusters()) {
      settings.cluster = proto.cluster();
      if (settings.cluster.empty()) {
        violations.add(path.field("cluster"), "must name a cluster");
      }
    }
    for (const auto& each : proto.weighted_clusters().clusters()) {
      settings.weighted_clusters.push_back({each.name(), each.weight()});
      settings.total_weight += each.weight();
    }
    if (proto.has_weighted_clusters() && settings.total_weight == 0) {
      violations.add(path.field("weighted_clusters"), "must have a cluster with a weight");
    }
    for (int i = 0; i < proto.hash_policy_size(); ++i) {
      settings.hash_source_ip = proto.hash_policy(i).has_source_ip();
      if (!settings.hash_source_ip) {
        violations.add(path.field("hash_policy").index(static_cast<size_t>(i)), "is supported with source_ip only");
      }
    }
  }
  static void readBackoff(const TcpProxyProto& proto, const config::FieldPath& path, TcpProxySettings& settings,
                          config::Violations& violations) {
    const auto& options = proto.backoff_options();
    const int64_t base = std::max<int64_t>(1, config::toMilliseconds(options.base_interval()));
    settings.backoff_base = milliseconds(base);
    settings.backoff_max =
        milliseconds(config::durationOr(options.has_max_interval(), options.max_interval(), base * 10));
    if (settings.backoff_max < *settings.backoff_base) {
      violations.add(path.field("max_interval"), "must not be shorter than base_interval");
    }
  }

  event::Dispatcher& main_;
  const stats::ScopePtr root_;
  const cluster::ClusterProvider& clusters_;
  const access_log::LoggerFactory& loggers_;
  const thread::Slot<UpstreamDrainer> drainers_;
};

class EchoFactory : public listener::NetworkFilterFactory {
 public:
  explicit EchoFactory(event::Dispatcher& main) : main_(main) {}
  absl::string_view messageName() const override {
    return envoy::extensions::filters::network::echo::v3::Echo::descriptor()->full_name();
  }
  std::shared_ptr<const net::NetworkFilterConfig> create(const google::protobuf::Message&, const config::FieldPath&,
                                                         listener::FactoryContext&,
                                                         config::Violations&) const override {
    return event::ownedBy<const net::NetworkFilterConfig>(main_, std::make_unique<EchoConfig>());
  }

 private:
  event::Dispatcher& main_;
};

class DirectResponseFactory : public listener::NetworkFilterFactory {
 public:
  using Proto = envoy::extensions::filters::network::direct_response::v3::Config;

  explicit DirectResponseFactory(event::Dispatcher& main) : main_(main) {}
  absl::string_view messageName() const override { return Proto::descriptor()->full_name(); }
  std::shared_ptr<const net::NetworkFilterConfig> create(const google::protobuf::Message& message,
                                                         const config::FieldPath& path, listener::FactoryContext&,
                                                         config::Violations& violations) const override {
    const auto& proto = static_cast<const Proto&>(message);
    std::optional<std::string> response = std::string();
    if (proto.has_response()) {
      response = config::readDataSource(proto.response(), path.field("response"), violations);
    }
    if (!response.has_value()) {
      return nullptr;
    }
    return event::ownedBy<const net::NetworkFilterConfig>(main_,
                                                          std::make_unique<DirectResponseConfig>(std::move(*response)));
  }

 private:
  event::Dispatcher& main_;
};

}  // namespace

std::unique_ptr<listener::NetworkFilterFactory> tcpProxyFactory(event::Dispatcher& main, thread::SlotAllocator& slots,
                                                                stats::ScopePtr root,
                                                                const cluster::ClusterProvider& clusters,
                                                                const access_log::LoggerFactory& loggers) {
  return std::make_unique<TcpProxyFactory>(main, slots, std::move(root), clusters, loggers);
}

std::unique_ptr<listener::NetworkFilterFactory> echoFactory(event::Dispatcher& main) {
  return std::make_unique<EchoFactory>(main);
}

std::unique_ptr<listener::NetworkFilterFactory> directResponseFactory(event::Dispatcher& main) {
  return std::make_unique<DirectResponseFactory>(main);
}

}  // namespace sluice::filters
