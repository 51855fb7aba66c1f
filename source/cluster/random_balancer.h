#pragma once

#include "source/cluster/load_balancer.h"
#include "source/cluster/rotation.h"

namespace sluice::cluster {

/** Any endpoint. Endpoints' weights do not count, as in Envoy. */
class RandomBalancer final : public LoadBalancer {
 public:
  RandomBalancer(const EndpointSet& set, base::Random& random)
      : LoadBalancer(Foresight::Sees), set_(set), random_(random), groups_(set, random) {}

 private:
  const EndpointSet::Entry* pickNext(const LoadBalancerContext& context, bool& panicked) override;

  const EndpointSet& set_;
  base::Random& random_;
  GroupRotation groups_;
};

}  // namespace sluice::cluster
