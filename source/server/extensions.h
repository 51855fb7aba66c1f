#pragma once

#include <memory>
#include <string>

#include "source/access_log/file_logger.h"
#include "source/access_log/log_filter.h"
#include "source/access_log/operators.h"
#include "source/cluster/cluster_manager.h"
#include "source/cluster/transport_factory.h"
#include "source/event/dispatcher.h"
#include "source/filters/access_loggers/grpc_loggers.h"
#include "source/filters/http/factory.h"
#include "source/filters/transport/tls_config.h"
#include "source/grpc/upstreams.h"
#include "source/http/rds.h"
#include "source/http/request_stats.h"
#include "source/listener/filter_factory.h"
#include "source/runtime/snapshot.h"
#include "source/stats/stats.h"
#include "source/thread/slot.h"
#include "source/tls/secret_provider.h"
#include "source/xds/subscription.h"

namespace envoy::config::core::v3 {
class Node;
}

namespace sluice::server {

/** What extensions are given; all of it outlives them. */
struct ExtensionContext {
  event::Dispatcher& main;
  thread::SlotAllocator& slots;
  stats::Scope& root;
  const cluster::ClusterManager& clusters;
  /** Gets the kinds of loggers that are not files. */
  access_log::FileLoggerFactory& access_loggers;
  const access_log::OperatorTable& operators;
  const access_log::LogFilterFactory& log_filters;
  std::shared_ptr<const runtime::Snapshot> runtime;
  xds::SubscriptionFactory& subscriptions;
  tls::SecretSource& secrets;
  filters::TlsServices tls;
  const envoy::config::core::v3::Node& node;
};

/**
 * Every kind of transport socket that clusters may name. By itself, since the cluster manager is there before all other
 * extensions. `factories` stays where it is: some of them ask others.
 */
void addUpstreamTransportSockets(event::Dispatcher& main, const filters::TlsServices& tls,
                                 cluster::UpstreamTransportSocketFactories& factories);

/**
 * The one list of every extension that configuration may name: what is not in it does not exist. Owned by the server;
 * outlives all listeners. Main thread.
 */
class Extensions {
 public:
  explicit Extensions(const ExtensionContext& context);
  ~Extensions();
  Extensions(const Extensions&) = delete;

  /** What listeners are made of; more may be added before the first is read. */
  listener::FilterFactories& filters() { return filters_; }
  /** The route tables of all connection managers. */
  const http::RouteProviders& routes() const { return *routes_; }

 private:
  class PerRoute;
  class RouteFactory;

  const grpc::ClusterUpstreams upstreams_;
  const filters::GrpcLoggerKinds grpc_loggers_;
  filters::HttpFilterFactories http_filters_;
  http::RequestStatsTable request_stats_;
  std::unique_ptr<PerRoute> per_route_;
  std::unique_ptr<http::RouteProviders> routes_;
  std::unique_ptr<RouteFactory> route_factory_;
  listener::FilterFactories filters_;
};

}  // namespace sluice::server
