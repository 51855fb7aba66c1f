#pragma once

#include <vector>

#include "source/cluster/lb_options.h"
#include "source/cluster/load_balancer.h"
#include "source/cluster/rotation.h"

namespace sluice::cluster {

/**
 * The endpoint with the fewest requests of this worker: of some picked at random, or with weights that differ, in turns by
 * weights that requests lessen. A worker does not look at the others' requests: their cells would travel between cores with
 * each pick, and over enough requests all workers see the same slow endpoint.
 */
class LeastRequestBalancer final : public LoadBalancer {
 public:
  LeastRequestBalancer(const LbOptions& options, const EndpointSet& set, base::Random& random, const void* worker);

 private:
  const EndpointSet::Entry* pickNext(const LoadBalancerContext& context, bool& panicked) override;
  uint64_t active(uint32_t index);
  double weight(uint32_t index);

  const uint32_t choice_count_;
  const double active_request_bias_;
  const EndpointSet& set_;
  base::Random& random_;
  const void* const worker_;
  GroupRotation groups_;
  /** For each group of several weights. */
  std::vector<WeightedTurns> turns_;
  /** For each entry, once it was looked at: this worker's counts. */
  std::vector<const EndpointRequests*> requests_;
};

}  // namespace sluice::cluster
