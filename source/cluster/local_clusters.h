#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"

#include "source/cluster/cluster_info.h"
#include "source/cluster/endpoint.h"
#include "source/cluster/http_upstream.h"
#include "source/cluster/load_balancer.h"
#include "source/cluster/local_shared.h"
#include "source/cluster/tcp_upstream.h"
#include "source/event/dispatcher.h"
#include "source/thread/slot.h"

namespace sluice::cluster {

/** A worker's pin of one version of a cluster. */
using LocalInfo = LocalShared<std::shared_ptr<const ClusterInfo>>;
/** And of its endpoints; null while none are known. */
using LocalEndpoints = LocalShared<std::shared_ptr<const EndpointSet>>;

/** What a pick gave: the entry lives for as long as the set is pinned. */
struct PickedEndpoint {
  /** Null when there is nothing to give. */
  const EndpointSet::Entry* entry = nullptr;
  LocalEndpoints endpoints;
};

class HttpPools;
class OriginalDestinations;

/**
 * One cluster as a worker sees it: the newest version that main has posted. A cluster that is removed, or whose
 * LocalClusters goes, lives on while it is pinned. One thread.
 */
class LocalCluster {
 public:
  LocalCluster(event::Dispatcher& dispatcher, std::shared_ptr<const ClusterInfo> info,
               std::shared_ptr<const EndpointSet> endpoints);
  LocalCluster(const LocalCluster&) = delete;
  ~LocalCluster();

  /** The newest version; an update replaces it, so it is not to be kept beyond the callback without localInfo(). */
  const ClusterInfo& info() const { return **info_; }
  const LocalInfo& localInfo() const { return info_; }
  const LocalEndpoints& localEndpoints() const { return endpoints_; }
  event::Dispatcher& dispatcher() const { return dispatcher_; }

  /**
   * Picks an endpoint and begins to connect to it. The outcome, failures at once included, is told to `callbacks` from a
   * later turn; `callbacks` must live until then or until the TcpUpstream was destroyed.
   */
  TcpConnectResult connectTcp(TcpUpstreamCallbacks& callbacks, const LoadBalancerContext& context);

  /**
   * Picks an endpoint for a request; its HttpUpstream::start() asks the endpoint's pool for a stream. Never null. The
   * receiver and the callbacks outlive what is returned.
   */
  std::unique_ptr<HttpUpstream> newHttpStream(http::StreamReceiver& receiver, HttpUpstreamCallbacks& callbacks,
                                              const LoadBalancerContext& context, const HttpStreamOptions& options);

  // For HTTP's pools.
  HttpPools& httpPools();
  /** The endpoint that the next request will have; null when that cannot be told. */
  const EndpointSet::Entry* peekEndpoint();
  /** Whether an ORIGINAL_DST cluster's worker has the endpoint. */
  bool knowsDestination(const Endpoint& endpoint) const;

 private:
  friend class LocalClusters;
  friend class LocalClusterRef;

  void update(std::shared_ptr<const ClusterInfo> info, std::shared_ptr<const EndpointSet> endpoints);
  /** Deletes the cluster, now or when its last pin goes. */
  static void release(std::unique_ptr<LocalCluster> cluster);
  void unpin() {
    if (--pins_ == 0 && released_) {
      delete this;
    }
  }

  /** Null when there are no endpoints. */
  LoadBalancer* balancer();
  PickedEndpoint pickEndpoint(const LoadBalancerContext& context);

  event::Dispatcher& dispatcher_;
  LocalInfo info_;
  LocalEndpoints endpoints_;
  /** Made with the first pick: most of 10,000 clusters are never used by a given worker. */
  std::unique_ptr<LoadBalancer> balancer_;
  /** Of type ORIGINAL_DST; made with the first pick. */
  std::unique_ptr<OriginalDestinations> destinations_;
  /** Made with the first HTTP request. */
  std::unique_ptr<HttpPools> http_;
  uint32_t pins_ = 0;
  bool released_ = false;
};

/**
 * A counted pin of a worker's cluster: requests and connections hold it so that the cluster outlives its removal. The
 * count is not atomic: one worker's.
 */
class LocalClusterRef {
 public:
  LocalClusterRef() = default;
  explicit LocalClusterRef(LocalCluster* cluster) : cluster_(cluster) {
    if (cluster_ != nullptr) {
      ++cluster_->pins_;
    }
  }
  LocalClusterRef(const LocalClusterRef& other) : LocalClusterRef(other.cluster_) {}
  LocalClusterRef(LocalClusterRef&& other) noexcept : cluster_(std::exchange(other.cluster_, nullptr)) {}
  LocalClusterRef& operator=(LocalClusterRef other) noexcept {
    std::swap(cluster_, other.cluster_);
    return *this;
  }
  ~LocalClusterRef() {
    if (cluster_ != nullptr) {
      cluster_->unpin();
    }
  }

  LocalCluster* get() const { return cluster_; }
  LocalCluster* operator->() const { return cluster_; }
  LocalCluster& operator*() const { return *cluster_; }
  explicit operator bool() const { return cluster_ != nullptr; }

 private:
  LocalCluster* cluster_ = nullptr;
};

/** What main tells workers of one cluster: its new version, or with `info` null that it is gone. */
struct ClusterChange {
  std::shared_ptr<const std::string> name;
  std::shared_ptr<const ClusterInfo> info;
  std::shared_ptr<const EndpointSet> endpoints;
};

/** This worker's clusters by name. The object of the cluster manager's slot; one thread. */
class LocalClusters : public thread::ThreadLocalObject {
 public:
  explicit LocalClusters(event::Dispatcher& dispatcher);
  ~LocalClusters() override;

  /** Null when there is no such cluster (yet, or any more). */
  LocalCluster* find(absl::string_view name) const;
  size_t size() const { return clusters_.size(); }

  void apply(const std::vector<ClusterChange>& changes);

 private:
  event::Dispatcher& dispatcher_;
  absl::flat_hash_map<std::string, std::unique_ptr<LocalCluster>> clusters_;
};

/** Where filters find their worker's clusters: handed to their factories, used on any worker. */
class ClusterProvider {
 public:
  virtual ~ClusterProvider() = default;
  virtual LocalClusters& localClusters() const = 0;
};

}  // namespace sluice::cluster
