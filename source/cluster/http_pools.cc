#include "source/cluster/http_pools.h"

#include <algorithm>
#include <vector>

#include "source/base/assert.h"

namespace sluice::cluster {

HttpPools::~HttpPools() { SLUICE_CHECK(pools_.empty() && draining_.empty(), "a pool outlives its cluster"); }

HttpPool* HttpPools::find(const EndpointSet::Entry& entry, PoolProtocol protocol, bool high_priority,
                          const LocalConnectionOptions& options) {
  const ClusterInfo& info = cluster_.info();
  const std::shared_ptr<const ConnectionRecipe>& recipe = info.recipeOf(entry);
  const Key key{entry.endpoint.get(), recipe.get(), protocol, high_priority, options ? &*options : nullptr};
  const auto found = pools_.find(key);
  if (found != pools_.end()) {
    found->second->setHealthy(toHealth(entry.health) == Health::Healthy);
    return found->second.get();
  }
  if (!info.breakers->of(high_priority).pools.tryAcquire()) {
    info.stats.upstream_cx_pool_overflow.inc();
    return nullptr;
  }
  auto made = std::make_unique<HttpPool>(*this, cluster_, entry, recipe, protocol, high_priority, options);
  return pools_.emplace(key, std::move(made)).first->second.get();
}

LocalConnectionOptions HttpPools::share(const ConnectionOptions* options) {
  if (options == nullptr) {
    return {};
  }
  const auto found = options_.find(*options);
  if (found != options_.end()) {
    return *found;
  }
  if (options_.size() >= forget_options_at_) {
    for (auto each = options_.begin(); each != options_.end();) {
      if (each->unique()) {
        options_.erase(each++);
      } else {
        ++each;
      }
    }
    forget_options_at_ = std::max(kFewOptions, 2 * options_.size());
  }
  return *options_.insert(LocalConnectionOptions::make(*options)).first;
}

void HttpPools::preconnect(http::Protocol downstream, bool high_priority, const LocalConnectionOptions& options) {
  const double ratio = cluster_.info().preconnect.predictive;
  // As many at once as in Envoy: enough to catch up, not so many that a burst of connections follows one request.
  for (int i = 0; i < 3 && connectivity_.wantsConnection(ratio, 1); ++i) {
    const EndpointSet::Entry* const next = cluster_.peekEndpoint();
    if (next == nullptr) {
      return;
    }
    const ConnectionRecipe& recipe = *cluster_.info().recipeOf(*next);
    HttpPool* const pool = find(*next, recipe.http.protocolFor(downstream, recipe.tls), high_priority, options);
    if (pool == nullptr || !pool->preconnect(ratio)) {
      return;
    }
  }
}

template <class Matches>
void HttpPools::drainThose(Matches&& matches) {
  std::vector<HttpPool*> ending;
  for (auto pool = pools_.begin(); pool != pools_.end();) {
    if (matches(*pool->second)) {
      HttpPool* const taken = pool->second.get();
      ending.push_back(taken);
      draining_.emplace(taken, std::move(pool->second));
      pools_.erase(pool++);
    } else {
      ++pool;
    }
  }
  // Not one is deleted before deferred deletions run.
  for (HttpPool* pool : ending) {
    pool->drain();
  }
}

void HttpPools::onUpdate(const ClusterInfo& info, const EndpointSet* endpoints) {
  if (pools_.empty()) {
    return;
  }
  absl::flat_hash_map<const Endpoint*, const ConnectionRecipe*> kept;
  if (endpoints != nullptr) {
    kept.reserve(endpoints->entries().size());
    for (const EndpointSet::Entry& entry : endpoints->entries()) {
      if (!info.close_connections_on_health_failure || toHealth(entry.health) != Health::Unhealthy) {
        kept.emplace(entry.endpoint.get(), info.recipeOf(entry).get());
      }
    }
  }
  drainThose([&](const HttpPool& pool) {
    if (info.original_destination != nullptr) {
      // Its endpoints are the worker's own.
      return &pool.recipe() != info.recipe.get() || !cluster_.knowsDestination(pool.endpoint());
    }
    const auto found = kept.find(&pool.endpoint());
    return found == kept.end() || found->second != &pool.recipe();
  });
}

void HttpPools::drainEndpoint(const Endpoint& endpoint) {
  drainThose([&endpoint](const HttpPool& pool) { return &pool.endpoint() == &endpoint; });
}

void HttpPools::drainAll() {
  drainThose([](const HttpPool&) { return true; });
}

void HttpPools::remove(HttpPool& pool) {
  std::unique_ptr<HttpPool> removed;
  const auto draining = draining_.find(&pool);
  if (draining != draining_.end()) {
    removed = std::move(draining->second);
    draining_.erase(draining);
  } else {
    const auto found = pools_.find(keyOf(pool));
    removed = std::move(found->second);
    pools_.erase(found);
  }
  cluster_.dispatcher().deferredDelete(std::move(removed));
}

}  // namespace sluice::cluster
