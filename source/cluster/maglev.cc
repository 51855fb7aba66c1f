#include "source/cluster/maglev.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>

namespace sluice::cluster {

namespace {

constexpr uint32_t kFree = UINT32_MAX;

/** An endpoint's way through the table: a permutation of all places. */
struct Claimant {
  const HashedEndpoint* endpoint;
  uint64_t place;
  uint64_t skip;
  /** What `iteration * weight` must reach for its next claim. */
  double due = 0;
  uint64_t count = 0;
};

}  // namespace

MaglevTable::MaglevTable(uint64_t size, const std::vector<HashedEndpoint>& endpoints) : places_(size, kFree) {
  size_ = size;
  std::vector<Claimant> claimants;
  claimants.reserve(endpoints.size());
  double heaviest = 0;
  for (const HashedEndpoint& endpoint : endpoints) {
    const std::string& key = endpoint.key;
    heaviest = std::max(heaviest, endpoint.weight);
    claimants.push_back({.endpoint = &endpoint,
                         .place = XXH64(key.data(), key.size(), 0) % size,
                         .skip = size < 3 ? 1 : XXH64(key.data(), key.size(), 1) % (size - 1) + 1});
  }
  std::stable_sort(claimants.begin(), claimants.end(),
                   [](const Claimant& a, const Claimant& b) { return a.endpoint->key < b.endpoint->key; });
  uint64_t filled = 0;
  for (uint64_t iteration = 1; filled < size; ++iteration) {
    for (Claimant& claimant : claimants) {
      if (filled == size) {
        break;
      }
      if (static_cast<double>(iteration) * claimant.endpoint->weight < claimant.due) {
        continue;
      }
      claimant.due += heaviest;
      while (places_[claimant.place] != kFree) {
        claimant.place = (claimant.place + claimant.skip) % size;
      }
      places_[claimant.place] = claimant.endpoint->index;
      ++claimant.count;
      ++filled;
    }
  }
  least_places_ = size;
  for (const Claimant& claimant : claimants) {
    least_places_ = std::min(least_places_, claimant.count);
    most_places_ = std::max(most_places_, claimant.count);
  }
}

uint32_t MaglevTable::find(uint64_t hash, uint32_t attempt) const {
  if (attempt > 0) {
    hash ^= ~uint64_t{attempt} + 1;
  }
  return places_[hash % places_.size()];
}

}  // namespace sluice::cluster
