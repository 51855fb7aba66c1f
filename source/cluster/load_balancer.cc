#include "source/cluster/load_balancer.h"

#include <algorithm>

namespace sluice::cluster {

namespace {

/** Gives the endpoints of a group in turn. With several weights, by earliest deadline: each turn puts an endpoint's next
 * one off by the inverse of its weight. Where the turns begin is random, so that workers do not walk in step. */
class Rotation {
 public:
  const EndpointSet::Entry* next(const EndpointSet& set, const EndpointGroup& group, base::Random& random) {
    if (group.indexes.empty()) {
      return nullptr;
    }
    if (!begun_) {
      begin(set, group, random);
    }
    if (group.equal_weights) {
      const uint32_t index = group.indexes[cursor_];
      cursor_ = cursor_ + 1 == group.indexes.size() ? 0 : cursor_ + 1;
      return &set.entries()[index];
    }
    std::pop_heap(turns_.begin(), turns_.end(), Later());
    Turn& turn = turns_.back();
    const EndpointSet::Entry* entry = &set.entries()[turn.index];
    turn.deadline += 1.0 / entry->weight;
    std::push_heap(turns_.begin(), turns_.end(), Later());
    return entry;
  }

 private:
  struct Turn {
    double deadline;
    uint32_t index;
  };
  struct Later {
    bool operator()(const Turn& a, const Turn& b) const { return a.deadline > b.deadline; }
  };

  void begin(const EndpointSet& set, const EndpointGroup& group, base::Random& random) {
    begun_ = true;
    if (group.equal_weights) {
      cursor_ = random.below(group.indexes.size());
      return;
    }
    turns_.reserve(group.indexes.size());
    for (const uint32_t index : group.indexes) {
      turns_.push_back({random.fraction() / set.entries()[index].weight, index});
    }
    std::make_heap(turns_.begin(), turns_.end(), Later());
  }

  bool begun_ = false;
  size_t cursor_ = 0;
  std::vector<Turn> turns_;
};

/** Which of the groups the next pick is from. */
enum class Source : uint8_t { All, Healthy, Degraded };

Source chooseSource(const EndpointSet& set, base::Random& random) {
  if (set.panic()) {
    return Source::All;
  }
  if (set.healthyLoad() == 100) {
    return Source::Healthy;
  }
  return random.below(100) < set.healthyLoad() ? Source::Healthy : Source::Degraded;
}

const EndpointGroup& groupOf(const EndpointSet& set, Source source) {
  switch (source) {
    case Source::All:
      return set.all();
    case Source::Healthy:
      return set.healthy();
    case Source::Degraded:
      return set.degraded();
  }
  return set.all();
}

class RoundRobinBalancer final : public LoadBalancer {
 public:
  RoundRobinBalancer(const EndpointSet& set, base::Random& random) : set_(set), random_(random) {}

  const EndpointSet::Entry* pickNext(const LoadBalancerContext&, bool& panicked) override {
    const Source source = chooseSource(set_, random_);
    panicked = source == Source::All;
    return rotations_[static_cast<size_t>(source)].next(set_, groupOf(set_, source), random_);
  }

 private:
  const EndpointSet& set_;
  base::Random& random_;
  Rotation rotations_[3];
};

/** Weights do not count, as in Envoy. */
class RandomBalancer final : public LoadBalancer {
 public:
  RandomBalancer(const EndpointSet& set, base::Random& random) : set_(set), random_(random) {}

  const EndpointSet::Entry* pickNext(const LoadBalancerContext&, bool& panicked) override {
    const Source source = chooseSource(set_, random_);
    panicked = source == Source::All;
    const EndpointGroup& group = groupOf(set_, source);
    if (group.indexes.empty()) {
      return nullptr;
    }
    return &set_.entries()[group.indexes[random_.below(group.indexes.size())]];
  }

 private:
  const EndpointSet& set_;
  base::Random& random_;
};

}  // namespace

std::unique_ptr<LoadBalancer> LoadBalancer::create(LbPolicy policy, const EndpointSet& set, base::Random& random) {
  switch (policy) {
    case LbPolicy::RoundRobin:
      return std::make_unique<RoundRobinBalancer>(set, random);
    case LbPolicy::Random:
      return std::make_unique<RandomBalancer>(set, random);
  }
  return nullptr;
}

}  // namespace sluice::cluster
