#pragma once

#include <vector>

#include "source/cluster/load_balancer.h"
#include "source/cluster/rotation.h"

namespace sluice::cluster {

/** Endpoints in turn; those of several weights smoothly: over any stretch each has its share, to within one pick. */
class RoundRobinBalancer final : public LoadBalancer {
 public:
  RoundRobinBalancer(const EndpointSet& set, base::Random& random);

 private:
  /** Where a group's turns are. */
  struct Place {
    bool begun = false;
    size_t cursor = 0;
    WeightedTurns turns;
  };

  const EndpointSet::Entry* pickNext(const LoadBalancerContext& context, bool& panicked) override;

  const EndpointSet& set_;
  base::Random& random_;
  GroupRotation groups_;
  /** For each group. */
  std::vector<Place> places_;
};

}  // namespace sluice::cluster
