#include "source/cluster/priority_load.h"

#include <algorithm>
#include <cstddef>
#include <optional>

namespace sluice::cluster {

namespace {

struct Availability {
  uint32_t healthy = 0;
  uint32_t degraded = 0;
};

Availability availabilityOf(const PriorityHealth& priority, const HealthRules& rules) {
  const auto size = [&rules](const PriorityHealth::Sum& sum) {
    return rules.weighted_priority_health ? sum.weight : sum.endpoints;
  };
  const uint64_t counted = size(priority.all) - size(priority.excluded);
  if (counted == 0) {
    return {};
  }
  const auto share = [&](const PriorityHealth::Sum& sum) {
    return static_cast<uint32_t>(std::min<uint64_t>(100, rules.overprovisioning_percent * size(sum) / counted));
  };
  return {share(priority.healthy), share(priority.degraded)};
}

/** By number, whatever the load is shared by. */
bool belowThreshold(const PriorityHealth& priority, double panic_percent) {
  const uint64_t counted = priority.all.endpoints - priority.excluded.endpoints;
  const uint64_t up = priority.healthy.endpoints + priority.degraded.endpoints;
  const double percent = counted == 0 ? 0 : 100.0 * static_cast<double>(up) / static_cast<double>(counted);
  return percent < panic_percent;
}

void shareByAvailability(const std::vector<Availability>& available, uint32_t total, std::vector<PriorityLoad>& loads) {
  uint32_t remaining = 100;
  uint32_t* first = nullptr;
  const auto share = [&](uint32_t part, uint32_t& load) {
    if (part > 0 && first == nullptr) {
      first = &load;
    }
    load = std::min(remaining, part * 100 / total);
    remaining -= load;
  };
  for (size_t i = 0; i < loads.size(); ++i) {
    share(available[i].healthy, loads[i].healthy);
  }
  for (size_t i = 0; i < loads.size(); ++i) {
    share(available[i].degraded, loads[i].degraded);
  }
  // Only what rounding left.
  *first += remaining;
}

void shareByNumber(const std::vector<PriorityHealth>& priorities, std::vector<PriorityLoad>& loads) {
  uint64_t endpoints = 0;
  for (const PriorityHealth& priority : priorities) {
    endpoints += priority.all.endpoints;
  }
  if (endpoints == 0) {
    loads.front().healthy = 100;
    return;
  }
  uint32_t remaining = 100;
  std::optional<size_t> first;
  for (size_t i = 0; i < loads.size(); ++i) {
    if (priorities[i].all.endpoints > 0 && !first.has_value()) {
      first = i;
    }
    loads[i].healthy = static_cast<uint32_t>(100 * priorities[i].all.endpoints / endpoints);
    loads[i].degraded = 0;
    remaining -= loads[i].healthy;
  }
  loads[*first].healthy += remaining;
}

}  // namespace

double availability(uint64_t up, uint64_t counted, const HealthRules& rules) {
  if (counted == 0) {
    return 0;
  }
  return std::min(1.0, rules.overprovisioning_percent / 100.0 * static_cast<double>(up) / static_cast<double>(counted));
}

std::vector<PriorityLoad> distributeLoad(const std::vector<PriorityHealth>& priorities, const HealthRules& rules) {
  std::vector<PriorityLoad> loads(priorities.size());
  std::vector<Availability> available;
  uint32_t total = 0;
  for (const PriorityHealth& priority : priorities) {
    available.push_back(availabilityOf(priority, rules));
    total += available.back().healthy + available.back().degraded;
  }
  total = std::min<uint32_t>(100, total);
  if (total > 0) {
    shareByAvailability(available, total, loads);
  } else if (rules.panic_percent == 0) {
    loads.front().healthy = 100;
    return loads;
  }
  if (total == 100) {
    return loads;
  }
  bool all_panic = true;
  for (size_t i = 0; i < loads.size(); ++i) {
    loads[i].panic = belowThreshold(priorities[i], rules.panic_percent);
    all_panic = all_panic && loads[i].panic;
  }
  if (all_panic) {
    shareByNumber(priorities, loads);
  } else if (total == 0) {
    // Nothing that counts is up, yet not all panic: weights that round to nothing.
    loads.front().healthy = 100;
  }
  return loads;
}

}  // namespace sluice::cluster
