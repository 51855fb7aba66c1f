#pragma once

#include <cstdint>
#include <vector>

namespace sluice::cluster {

/** How a cluster turns its endpoints' health into load. */
struct HealthRules {
  double panic_percent = 50;
  uint32_t overprovisioning_percent = 140;
  bool weighted_priority_health = false;
  /** In panic there is no endpoint, instead of any. */
  bool fail_on_panic = false;
  /** Load is shared among the localities of a priority by their weights. */
  bool locality_weighted = false;

  friend bool operator==(const HealthRules&, const HealthRules&) = default;
};

/** What one priority's endpoints come to. */
struct PriorityHealth {
  struct Sum {
    uint64_t endpoints = 0;
    uint64_t weight = 0;
  };
  Sum all;
  Sum healthy;
  Sum degraded;
  /** Draining ones: neither up nor down. */
  Sum excluded;
};

/** Of 100 picks, those that one priority gets. */
struct PriorityLoad {
  uint32_t healthy = 0;
  uint32_t degraded = 0;
  /** Health is ignored: fewer of the priority's endpoints are up than the threshold asks for. */
  bool panic = false;

  friend bool operator==(const PriorityLoad&, const PriorityLoad&) = default;
};

/**
 * Envoy's arithmetic of priorities: a priority gets what its endpoints are good for, with overprovisioning, and what it
 * can't take spills over to the next; what healthy endpoints can't take goes to degraded ones in the same order. Where all
 * priorities together are too few, they share all load in proportion, and those below the threshold panic; where every one
 * panics, the number of endpoints alone counts. Loads add up to 100.
 */
std::vector<PriorityLoad> distributeLoad(const std::vector<PriorityHealth>& priorities, const HealthRules& rules);

/** What part of its load a group can take of which `up` of `counted` endpoints are up: at most 1. */
double availability(uint64_t up, uint64_t counted, const HealthRules& rules);

}  // namespace sluice::cluster
