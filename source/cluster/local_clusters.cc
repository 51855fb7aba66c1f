#include "source/cluster/local_clusters.h"

#include "source/base/random.h"
#include "source/cluster/tcp_connection.h"

namespace sluice::cluster {

LocalCluster::LocalCluster(event::Dispatcher& dispatcher, std::shared_ptr<const ClusterInfo> info,
                           std::shared_ptr<const EndpointSet> endpoints)
    : dispatcher_(dispatcher), info_(LocalInfo::make(std::move(info))), endpoints_(std::move(endpoints)) {}

LocalCluster::~LocalCluster() = default;

void LocalCluster::update(std::shared_ptr<const ClusterInfo> info, std::shared_ptr<const EndpointSet> endpoints) {
  if (endpoints != endpoints_ || info->lb_policy != (*info_)->lb_policy) {
    balancer_.reset();
    endpoints_ = std::move(endpoints);
  }
  if (info != *info_) {
    info_ = LocalInfo::make(std::move(info));
  }
}

void LocalCluster::release(std::unique_ptr<LocalCluster> cluster) {
  if (cluster->pins_ > 0) {
    // Who pins it last deletes it.
    cluster.release()->released_ = true;
  }
}

TcpConnectResult LocalCluster::connectTcp(TcpUpstreamCallbacks& callbacks, const LoadBalancerContext& context) {
  const ClusterInfo& cluster = info();
  CircuitBreakers& breakers = *cluster.breakers;
  if (!breakers.connections().tryAcquire()) {
    cluster.stats.upstream_cx_overflow.inc();
    return TcpFailure::Overflow;
  }
  const EndpointSet::Entry* entry = nullptr;
  if (endpoints_ != nullptr) {
    if (balancer_ == nullptr) {
      balancer_ = LoadBalancer::create(cluster.lb_policy, *endpoints_, base::threadRandom());
    }
    bool panicked = false;
    entry = balancer_->pick(context, panicked);
    if (entry != nullptr && panicked) {
      cluster.stats.lb_healthy_panic.inc();
    }
  }
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
  return std::make_unique<TcpConnection>(*this, entry->endpoint, callbacks);
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
