#include "source/cluster/random_balancer.h"

namespace sluice::cluster {

const EndpointSet::Entry* RandomBalancer::pickNext(const LoadBalancerContext&, bool& panicked) {
  const EndpointGroup& group = set_.groups()[groups_.next(panicked)];
  return group.indexes.empty() ? nullptr : &set_.entries()[group.indexes[random_.below(group.indexes.size())]];
}

}  // namespace sluice::cluster
