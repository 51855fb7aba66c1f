#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"

#include "source/cluster/connection_options.h"
#include "source/cluster/http_pool.h"
#include "source/cluster/local_clusters.h"

namespace sluice::cluster {

/**
 * One worker's HTTP pools of one cluster. A pool stays through every update that keeps its endpoint and its recipe; one
 * that does not fit any more drains. Worker thread; the LocalCluster's, made with its first request.
 */
class HttpPools {
 public:
  /** What requests there are and for how many more there is room. */
  struct Connectivity {
    int64_t waiting = 0;
    int64_t active = 0;
    int64_t capacity = 0;
    /** Whether `ratio` of the requests, and of so many more that are foreseen, is more than there is room for. */
    bool wantsConnection(double ratio, int foreseen) const {
      return static_cast<double>(waiting + active + foreseen) * ratio > static_cast<double>(capacity + active);
    }
  };

  explicit HttpPools(LocalCluster& cluster) : cluster_(cluster) {}
  HttpPools(const HttpPools&) = delete;
  ~HttpPools();

  /** Made where there is none yet; null when the circuit breaker lets no further pool be. */
  HttpPool* find(const EndpointSet::Entry& entry, PoolProtocol protocol, bool high_priority,
                 const LocalConnectionOptions& options);
  /** The same options, kept for whoever asks for them again; none for null. */
  LocalConnectionOptions share(const ConnectionOptions* options);
  /**
   * Connects ahead of requests like this one that are foreseen, as preconnect_policy.predictive_preconnect_ratio has it.
   */
  void preconnect(http::Protocol downstream, bool high_priority, const LocalConnectionOptions& options);
  /** The cluster has a new version or other endpoints: drains what does not belong to it any more. */
  void onUpdate(const ClusterInfo& info, const EndpointSet* endpoints);
  /** Drains the pools of an endpoint that is known no more. */
  void drainEndpoint(const Endpoint& endpoint);
  /** The cluster has gone. */
  void drainAll();

  // For its pools.
  Connectivity& connectivity() { return connectivity_; }
  /** The pool has nothing left; goes by deferred deletion. */
  void remove(HttpPool& pool);

 private:
  struct Key {
    const Endpoint* endpoint;
    const ConnectionRecipe* recipe;
    PoolProtocol protocol;
    bool high_priority;
    /** Shared ones: equal ones are the same. */
    const ConnectionOptions* options;

    friend bool operator==(const Key&, const Key&) = default;
    template <typename H>
    friend H AbslHashValue(H h, const Key& key) {
      return H::combine(std::move(h), key.endpoint, key.recipe, key.protocol, key.high_priority, key.options);
    }
  };
  static Key keyOf(const HttpPool& pool) {
    return {&pool.endpoint(), &pool.recipe(), pool.protocol(), pool.highPriority(), pool.options()};
  }
  struct OptionsHash {
    using is_transparent = void;
    size_t operator()(const ConnectionOptions& options) const { return absl::HashOf(options); }
    size_t operator()(const LocalConnectionOptions& options) const { return absl::HashOf(*options); }
  };
  struct OptionsEqual {
    using is_transparent = void;
    bool operator()(const LocalConnectionOptions& a, const LocalConnectionOptions& b) const { return *a == *b; }
    bool operator()(const LocalConnectionOptions& a, const ConnectionOptions& b) const { return *a == b; }
    bool operator()(const ConnectionOptions& a, const LocalConnectionOptions& b) const { return a == *b; }
  };
  static constexpr size_t kFewOptions = 64;

  template <class Matches>
  void drainThose(Matches&& matches);

  LocalCluster& cluster_;
  Connectivity connectivity_;
  /** Those that pools and requests have, and some that they had. */
  absl::flat_hash_set<LocalConnectionOptions, OptionsHash, OptionsEqual> options_;
  size_t forget_options_at_ = kFewOptions;
  absl::flat_hash_map<Key, std::unique_ptr<HttpPool>> pools_;
  /** Taken out of pools_: nothing new comes to them. */
  absl::flat_hash_map<HttpPool*, std::unique_ptr<HttpPool>> draining_;
};

}  // namespace sluice::cluster
