#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "source/base/random.h"
#include "source/cluster/endpoint.h"

namespace sluice::cluster {

/**
 * Items in turn, by earliest deadline: each turn puts an item's next one off by the inverse of its weight, so that over any
 * stretch each has its share. Where the turns begin is random, so that workers do not walk in step. One thread.
 */
class WeightedTurns {
 public:
  bool empty() const { return turns_.empty(); }

  /** Items 0 to `count` - 1. */
  template <class WeightOf>
  void begin(size_t count, base::Random& random, WeightOf weightOf) {
    turns_.reserve(count);
    for (uint32_t item = 0; item < count; ++item) {
      turns_.push_back({random.fraction() / weightOf(item), item});
    }
    std::make_heap(turns_.begin(), turns_.end(), Later());
  }

  /** Weights may change from one turn to the next. */
  template <class WeightOf>
  uint32_t next(WeightOf weightOf) {
    std::pop_heap(turns_.begin(), turns_.end(), Later());
    Turn& turn = turns_.back();
    const uint32_t item = turn.item;
    turn.deadline += 1.0 / weightOf(item);
    std::push_heap(turns_.begin(), turns_.end(), Later());
    return item;
  }

 private:
  struct Turn {
    double deadline;
    uint32_t item;
  };
  struct Later {
    bool operator()(const Turn& a, const Turn& b) const { return a.deadline > b.deadline; }
  };

  std::vector<Turn> turns_;
};

/**
 * Picks the group of endpoints that the next request goes to: a share by chance, and in it a locality by weighted turns.
 * One worker's; owned by a balancer.
 */
class GroupRotation {
 public:
  /** Both outlive it. */
  GroupRotation(const EndpointSet& set, base::Random& random)
      : set_(set), random_(random), turns_(set.shares().size()) {}

  /** Index into EndpointSet::groups. `panicked` is set when health was ignored. */
  uint32_t next(bool& panicked) {
    const size_t index = set_.shares().size() == 1 ? 0 : shareAt(set_, random_.below(100));
    const LoadShare& share = set_.shares()[index];
    panicked = share.panic;
    if (share.group_count == 1) {
      return share.first_group;
    }
    const auto weight = [&](uint32_t item) { return set_.groups()[share.first_group + item].share_weight; };
    WeightedTurns& turns = turns_[index];
    if (turns.empty()) {
      turns.begin(share.group_count, random_, weight);
    }
    return share.first_group + turns.next(weight);
  }

  /** The share that has the `percent`-th of 100 picks. */
  static size_t shareAt(const EndpointSet& set, uint64_t percent) {
    size_t index = 0;
    while (index + 1 < set.shares().size() && percent >= set.shares()[index].percent) {
      percent -= set.shares()[index].percent;
      ++index;
    }
    return index;
  }

 private:
  const EndpointSet& set_;
  base::Random& random_;
  /** For each share. */
  std::vector<WeightedTurns> turns_;
};

}  // namespace sluice::cluster
