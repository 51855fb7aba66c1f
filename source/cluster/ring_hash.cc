#include "source/cluster/ring_hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace sluice::cluster {

uint64_t murmurHash2(absl::string_view text) {
  constexpr uint64_t kMultiplier = 0xc6a4a7935bd1e995;
  constexpr uint64_t kSeed = 0xc70f6907;
  const auto mixed = [](uint64_t word) {
    word *= kMultiplier;
    return (word ^ (word >> 47)) * kMultiplier;
  };
  uint64_t hash = kSeed ^ (text.size() * kMultiplier);
  while (text.size() >= 8) {
    uint64_t word = 0;
    std::memcpy(&word, text.data(), 8);
    hash = (hash ^ mixed(word)) * kMultiplier;
    text.remove_prefix(8);
  }
  if (!text.empty()) {
    uint64_t rest = 0;
    std::memcpy(&rest, text.data(), text.size());
    hash = (hash ^ rest) * kMultiplier;
  }
  hash = (hash ^ (hash >> 47)) * kMultiplier;
  return hash ^ (hash >> 47);
}

RingHashTable::RingHashTable(const LbOptions& options, const std::vector<HashedEndpoint>& endpoints) {
  double least = 1;
  for (const HashedEndpoint& endpoint : endpoints) {
    least = std::min(least, endpoint.weight);
  }
  // The endpoint of the least weight gets a whole number of places, where the maximum allows it.
  const double scale = std::min(std::ceil(least * static_cast<double>(options.minimum_ring_size)) / least,
                                static_cast<double>(options.maximum_ring_size));
  places_.reserve(static_cast<size_t>(std::ceil(scale)));
  least_places_ = static_cast<uint64_t>(std::ceil(scale));
  // Both run on over all endpoints, so that what rounding takes from one it gives to another.
  double placed = 0;
  double wanted = 0;
  std::string name;
  for (const HashedEndpoint& endpoint : endpoints) {
    wanted += scale * endpoint.weight;
    uint64_t count = 0;
    for (; placed < wanted; ++placed) {
      name.clear();
      absl::StrAppend(&name, endpoint.key, "_", count++);
      const uint64_t hash = options.hash_function == LbOptions::HashFunction::MurmurHash2
                                ? murmurHash2(name)
                                : XXH64(name.data(), name.size(), 0);
      places_.push_back({hash, endpoint.index});
    }
    least_places_ = std::min(least_places_, count);
    most_places_ = std::max(most_places_, count);
  }
  std::sort(places_.begin(), places_.end(), [](const Place& a, const Place& b) { return a.hash < b.hash; });
  size_ = places_.size();
}

uint32_t RingHashTable::find(uint64_t hash, uint32_t attempt) const {
  const auto found = std::lower_bound(places_.begin(), places_.end(), hash,
                                      [](const Place& place, uint64_t wanted) { return place.hash < wanted; });
  const size_t at = found == places_.end() ? 0 : static_cast<size_t>(found - places_.begin());
  return places_[(at + attempt) % places_.size()].index;
}

}  // namespace sluice::cluster
