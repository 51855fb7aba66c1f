#pragma once

#include <vector>

#include "absl/strings/string_view.h"

#include "source/cluster/hash_table.h"
#include "source/cluster/lb_options.h"

namespace sluice::cluster {

/**
 * Each endpoint in several places on a ring of hashes, as many as its weight asks for; a hash belongs to the next place.
 * Places are Envoy's, so that both find the same endpoints.
 */
class RingHashTable final : public HashTable {
 public:
  /** `endpoints` is not empty. */
  RingHashTable(const LbOptions& options, const std::vector<HashedEndpoint>& endpoints);

  uint32_t find(uint64_t hash, uint32_t attempt) const override;

 private:
  struct Place {
    uint64_t hash;
    uint32_t index;
  };
  std::vector<Place> places_;
};

/** 64-bit MurmurHash2, as GNU's std::hash computes it. */
uint64_t murmurHash2(absl::string_view text);

}  // namespace sluice::cluster
