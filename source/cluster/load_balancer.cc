#include "source/cluster/load_balancer.h"

#include "source/base/assert.h"
#include "source/cluster/hash_balancer.h"
#include "source/cluster/least_request.h"
#include "source/cluster/random_balancer.h"
#include "source/cluster/round_robin.h"

namespace sluice::cluster {

std::unique_ptr<LoadBalancer> LoadBalancer::create(const LbOptions& options, const EndpointSet& set,
                                                   base::Random& random, const void* worker) {
  switch (options.policy) {
    case LbPolicy::RoundRobin:
      return std::make_unique<RoundRobinBalancer>(set, random);
    case LbPolicy::Random:
      return std::make_unique<RandomBalancer>(set, random);
    case LbPolicy::LeastRequest:
      return std::make_unique<LeastRequestBalancer>(options, set, random, worker);
    case LbPolicy::RingHash:
    case LbPolicy::Maglev:
      SLUICE_CHECK(set.hashTables() != nullptr, "a set of a cluster that hashes has no tables");
      return std::make_unique<HashBalancer>(set, random);
  }
  return nullptr;
}

}  // namespace sluice::cluster
