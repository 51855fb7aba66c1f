#pragma once

#include <vector>

#include "source/cluster/hash_table.h"

namespace sluice::cluster {

/**
 * Maglev's look-up table ("Maglev: A Fast and Reliable Software Network Load Balancer", section 3.4): endpoints take turns
 * in claiming the free place that each likes best, as often as their weights allow. Filled in the order of the endpoints'
 * keys, so that the order of an assignment does not count.
 */
class MaglevTable final : public HashTable {
 public:
  /** `endpoints` is not empty; `size` is a prime. */
  MaglevTable(uint64_t size, const std::vector<HashedEndpoint>& endpoints);

  uint32_t find(uint64_t hash, uint32_t attempt) const override;

 private:
  std::vector<uint32_t> places_;
};

}  // namespace sluice::cluster
