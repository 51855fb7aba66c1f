#include "source/cluster/round_robin.h"

namespace sluice::cluster {

RoundRobinBalancer::RoundRobinBalancer(const EndpointSet& set, base::Random& random)
    : LoadBalancer(Foresight::Sees), set_(set), random_(random), groups_(set, random), places_(set.groups().size()) {}

const EndpointSet::Entry* RoundRobinBalancer::pickNext(const LoadBalancerContext&, bool& panicked) {
  const uint32_t number = groups_.next(panicked);
  const EndpointGroup& group = set_.groups()[number];
  if (group.indexes.empty()) {
    return nullptr;
  }
  Place& place = places_[number];
  const auto weight = [&](uint32_t item) { return set_.entries()[group.indexes[item]].weight; };
  if (!place.begun) {
    place.begun = true;
    if (group.equal_weights) {
      place.cursor = random_.below(group.indexes.size());
    } else {
      place.turns.begin(group.indexes.size(), random_, weight);
    }
  }
  if (!group.equal_weights) {
    return &set_.entries()[group.indexes[place.turns.next(weight)]];
  }
  const uint32_t index = group.indexes[place.cursor];
  place.cursor = place.cursor + 1 == group.indexes.size() ? 0 : place.cursor + 1;
  return &set_.entries()[index];
}

}  // namespace sluice::cluster
