#include <algorithm>

#include "source/cluster/endpoint.h"

namespace sluice::cluster {

/** One priority's endpoints while the set is made. */
struct EndpointSet::Priority {
  uint32_t number = 0;
  PriorityHealth health;
  std::vector<uint32_t> all;
  std::vector<uint32_t> healthy;
  std::vector<uint32_t> degraded;
};

EndpointSet::EndpointSet(std::vector<Entry> entries, std::vector<Locality> localities, const HealthRules& rules,
                         std::vector<LocalityWeight> locality_weights)
    : entries_(std::move(entries)),
      localities_(std::move(localities)),
      locality_weights_(std::move(locality_weights)),
      rules_(rules) {
  std::vector<Priority> priorities(1);
  for (uint32_t index = 0; index < entries_.size(); ++index) {
    const Entry& entry = entries_[index];
    while (priorities.size() <= entry.priority) {
      const auto number = static_cast<uint32_t>(priorities.size());
      priorities.emplace_back().number = number;
    }
    Priority& priority = priorities[entry.priority];
    const auto count = [&entry](PriorityHealth::Sum& sum) {
      ++sum.endpoints;
      sum.weight += entry.weight;
    };
    max_weight_ = std::max(max_weight_, entry.weight);
    priority.all.push_back(index);
    count(priority.health.all);
    switch (toHealth(entry.health)) {
      case Health::Healthy:
        priority.healthy.push_back(index);
        count(priority.health.healthy);
        ++healthy_count_;
        break;
      case Health::Degraded:
        priority.degraded.push_back(index);
        count(priority.health.degraded);
        ++degraded_count_;
        break;
      case Health::Unhealthy:
        if (entry.health == EdsHealth::Draining) {
          count(priority.health.excluded);
          ++excluded_count_;
        }
        break;
    }
  }
  std::vector<PriorityHealth> health;
  health.reserve(priorities.size());
  for (const Priority& priority : priorities) {
    health.push_back(priority.health);
  }
  const std::vector<PriorityLoad> loads = distributeLoad(health, rules_);
  for (const Priority& priority : priorities) {
    const PriorityLoad& load = loads[priority.number];
    if (load.healthy > 0) {
      addShare(priority, load.healthy, load.panic, priority.healthy);
    }
  }
  for (const Priority& priority : priorities) {
    const PriorityLoad& load = loads[priority.number];
    if (load.degraded > 0) {
      addShare(priority, load.degraded, load.panic, priority.degraded);
    }
  }
}

void EndpointSet::addShare(const Priority& from, uint32_t percent, bool panic, const std::vector<uint32_t>& indexes) {
  LoadShare share;
  share.percent = percent;
  share.priority = from.number;
  share.panic = panic;
  share.first_group = static_cast<uint32_t>(groups_.size());
  if (panic) {
    addGroup(rules_.fail_on_panic ? std::vector<uint32_t>() : from.all, 1);
  } else {
    if (rules_.locality_weighted) {
      addLocalities(from, indexes);
    }
    if (groups_.size() == share.first_group) {
      // No locality has a weight and an endpoint.
      addGroup(indexes, 1);
    }
  }
  share.group_count = static_cast<uint32_t>(groups_.size()) - share.first_group;
  shares_.push_back(share);
}

void EndpointSet::addLocalities(const Priority& from, const std::vector<uint32_t>& indexes) {
  std::vector<std::vector<uint32_t>> eligible(localities_.size());
  for (const uint32_t index : indexes) {
    eligible[entries_[index].locality].push_back(index);
  }
  std::vector<uint64_t> counted(localities_.size());
  for (const uint32_t index : from.all) {
    if (entries_[index].health != EdsHealth::Draining) {
      ++counted[entries_[index].locality];
    }
  }
  for (const LocalityWeight& each : locality_weights_) {
    const std::vector<uint32_t>& mine = eligible[each.locality];
    if (each.priority == from.number && each.weight > 0 && !mine.empty()) {
      // A locality that is partly down gets the less.
      addGroup(mine, each.weight * availability(mine.size(), counted[each.locality], rules_));
    }
  }
}

void EndpointSet::addGroup(const std::vector<uint32_t>& indexes, double share_weight) {
  EndpointGroup& group = groups_.emplace_back();
  group.indexes = indexes;
  group.share_weight = share_weight;
  for (const uint32_t index : indexes) {
    const uint32_t weight = entries_[index].weight;
    group.equal_weights = group.equal_weights && weight == entries_[indexes.front()].weight;
    group.total_weight += weight;
  }
}

}  // namespace sluice::cluster
