#include "source/cluster/http_pools.h"

#include <vector>

#include "absl/container/flat_hash_set.h"

#include "source/base/assert.h"

namespace sluice::cluster {

HttpPools::~HttpPools() { SLUICE_CHECK(pools_.empty() && draining_.empty(), "a pool outlives its cluster"); }

HttpPool* HttpPools::find(const EndpointSet::Entry& entry, http::Protocol protocol, bool high_priority) {
  const ClusterInfo& info = cluster_.info();
  const Key key{entry.endpoint.get(), info.recipe.get(), protocol, high_priority};
  const auto found = pools_.find(key);
  if (found != pools_.end()) {
    found->second->setHealthy(toHealth(entry.health) == Health::Healthy);
    return found->second.get();
  }
  if (!info.breakers->of(high_priority).pools.tryAcquire()) {
    info.stats.upstream_cx_pool_overflow.inc();
    return nullptr;
  }
  auto made = std::make_unique<HttpPool>(*this, cluster_, entry, info.recipe, protocol, high_priority);
  return pools_.emplace(key, std::move(made)).first->second.get();
}

void HttpPools::preconnect(http::Protocol protocol, bool high_priority) {
  const double ratio = cluster_.info().preconnect.predictive;
  // As many at once as in Envoy: enough to catch up, not so many that a burst of connections follows one request.
  for (int i = 0; i < 3 && connectivity_.wantsConnection(ratio, 1); ++i) {
    const EndpointSet::Entry* const next = cluster_.peekEndpoint();
    HttpPool* const pool = next == nullptr ? nullptr : find(*next, protocol, high_priority);
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
  absl::flat_hash_set<const Endpoint*> kept;
  if (endpoints != nullptr) {
    kept.reserve(endpoints->entries().size());
    for (const EndpointSet::Entry& entry : endpoints->entries()) {
      if (!info.close_connections_on_health_failure || toHealth(entry.health) != Health::Unhealthy) {
        kept.insert(entry.endpoint.get());
      }
    }
  }
  drainThose(
      [&](const HttpPool& pool) { return &pool.recipe() != info.recipe.get() || !kept.contains(&pool.endpoint()); });
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
