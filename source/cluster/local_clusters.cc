#include "source/cluster/local_clusters.h"

#include "source/base/random.h"
#include "source/cluster/connection_options.h"
#include "source/cluster/http_pools.h"
#include "source/cluster/http_request.h"
#include "source/cluster/original_destinations.h"
#include "source/cluster/tcp_connection.h"
#include "source/cluster/tcp_tunnel.h"

namespace sluice::cluster {

LocalCluster::LocalCluster(event::Dispatcher& dispatcher, std::shared_ptr<const ClusterInfo> info,
                           std::shared_ptr<const EndpointSet> endpoints)
    : dispatcher_(dispatcher),
      info_(LocalInfo::make(std::move(info))),
      endpoints_(LocalEndpoints::make(std::move(endpoints))) {}

LocalCluster::~LocalCluster() = default;

void LocalCluster::update(std::shared_ptr<const ClusterInfo> info, std::shared_ptr<const EndpointSet> endpoints) {
  const bool other_endpoints = endpoints != *endpoints_;
  const bool drains = other_endpoints || info->recipe != (*info_)->recipe ||
                      info->close_connections_on_health_failure != (*info_)->close_connections_on_health_failure;
  if (other_endpoints || info->lb != (*info_)->lb) {
    balancer_.reset();
  }
  if (other_endpoints) {
    endpoints_ = LocalEndpoints::make(std::move(endpoints));
  }
  if (info != *info_) {
    info_ = LocalInfo::make(std::move(info));
  }
  if ((*info_)->original_destination == nullptr) {
    destinations_.reset();
  }
  if (drains && http_ != nullptr) {
    http_->onUpdate(**info_, endpoints_->get());
  }
}

void LocalCluster::release(std::unique_ptr<LocalCluster> cluster) {
  if (cluster->http_ != nullptr) {
    cluster->http_->drainAll();
  }
  if (cluster->pins_ > 0) {
    // Who pins it last deletes it.
    cluster.release()->released_ = true;
  }
}

LoadBalancer* LocalCluster::balancer() {
  if (balancer_ == nullptr && *endpoints_ != nullptr) {
    balancer_ = LoadBalancer::create(info().lb, **endpoints_, base::threadRandom(), &dispatcher_);
  }
  return balancer_.get();
}

PickedEndpoint LocalCluster::pickEndpoint(const LoadBalancerContext& context) {
  if (info().original_destination != nullptr) {
    if (destinations_ == nullptr) {
      destinations_ = std::make_unique<OriginalDestinations>(*this);
    }
    return destinations_->pick(context);
  }
  LoadBalancer* const balancer = this->balancer();
  if (balancer == nullptr) {
    return {};
  }
  bool panicked = false;
  const EndpointSet::Entry* const entry = balancer->pick(context, panicked);
  if (panicked && !(*endpoints_)->entries().empty()) {
    info().stats.lb_healthy_panic.inc();
  }
  return {entry, endpoints_};
}

bool LocalCluster::knowsDestination(const Endpoint& endpoint) const {
  return destinations_ != nullptr && destinations_->knows(endpoint);
}

const EndpointSet::Entry* LocalCluster::peekEndpoint() {
  LoadBalancer* const balancer = info().original_destination != nullptr ? nullptr : this->balancer();
  return balancer == nullptr ? nullptr : balancer->peek(LoadBalancerContext());
}

HttpPools& LocalCluster::httpPools() {
  if (http_ == nullptr) {
    http_ = std::make_unique<HttpPools>(*this);
  }
  return *http_;
}

std::unique_ptr<HttpUpstream> LocalCluster::newHttpStream(http::StreamReceiver& receiver,
                                                          HttpUpstreamCallbacks& callbacks,
                                                          const LoadBalancerContext& context,
                                                          const HttpStreamOptions& options) {
  if (options.tcp) {
    return std::make_unique<TcpTunnel>(*this, receiver, callbacks, context);
  }
  PickedEndpoint picked = pickEndpoint(context);
  for (uint32_t picks = 1; picked.entry != nullptr && options.reject != nullptr && picks < options.max_host_picks;
       ++picks) {
    if (!(*options.reject)(*picked.entry)) {
      break;
    }
    LoadBalancerContext again = context;
    again.attempt = picks;
    picked = pickEndpoint(again);
  }
  LocalConnectionOptions connection_options;
  if (picked.entry != nullptr) {
    if (const ConnectionOptions* const asked = connectionOptions(*info().recipeOf(*picked.entry), context)) {
      connection_options = httpPools().share(asked);
    }
  }
  return std::make_unique<HttpRequest>(*this, picked, receiver, callbacks, options, std::move(connection_options));
}

TcpConnectResult LocalCluster::connectTcp(TcpUpstreamCallbacks& callbacks, const LoadBalancerContext& context) {
  const ClusterInfo& cluster = info();
  CircuitBreakers& breakers = *cluster.breakers;
  if (!breakers.connections().tryAcquire()) {
    cluster.stats.upstream_cx_overflow.inc();
    return TcpFailure::Overflow;
  }
  const PickedEndpoint picked = pickEndpoint(context);
  const EndpointSet::Entry* const entry = picked.entry;
  if (entry == nullptr) {
    breakers.connections().release();
    cluster.stats.upstream_cx_none_healthy.inc();
    return TcpFailure::NoHealthyUpstream;
  }
  if (!entry->endpoint->tryAcquireConnection(cluster.max_connections_per_endpoint)) {
    breakers.connections().release();
    cluster.stats.upstream_cx_overflow.inc();
    return TcpFailure::Overflow;
  }
  if (!breakers.pending().tryAcquire()) {
    entry->endpoint->releaseConnection();
    breakers.connections().release();
    cluster.stats.upstream_rq_pending_overflow.inc();
    return TcpFailure::Overflow;
  }
  return std::make_unique<TcpConnection>(*this, *entry, callbacks,
                                         connectionOptions(*info().recipeOf(*entry), context));
}

LocalClusters::LocalClusters(event::Dispatcher& dispatcher) : dispatcher_(dispatcher) {}

LocalClusters::~LocalClusters() {
  for (auto& entry : clusters_) {
    LocalCluster::release(std::move(entry.second));
  }
}

LocalCluster* LocalClusters::find(absl::string_view name) const {
  const auto found = clusters_.find(name);
  return found == clusters_.end() ? nullptr : found->second.get();
}

void LocalClusters::apply(const std::vector<ClusterChange>& changes) {
  for (const ClusterChange& change : changes) {
    const auto found = clusters_.find(*change.name);
    if (change.info == nullptr) {
      if (found != clusters_.end()) {
        LocalCluster::release(std::move(found->second));
        clusters_.erase(found);
      }
    } else if (found == clusters_.end()) {
      clusters_.emplace(*change.name, std::make_unique<LocalCluster>(dispatcher_, change.info, change.endpoints));
    } else {
      found->second->update(change.info, change.endpoints);
    }
  }
}

}  // namespace sluice::cluster
