#pragma once

#include <cstdint>
#include <string>

namespace sluice::cluster {

/** One endpoint that a table is made of. */
struct HashedEndpoint {
  /** Index into EndpointSet::entries. */
  uint32_t index = 0;
  /** Its part of all picks; those of a table add up to 1. */
  double weight = 0;
  /** What it is known by across versions. */
  std::string key;
};

/** Endpoints laid out so that a hash finds one, and mostly the same one when others come and go. Immutable; any thread. */
class HashTable {
 public:
  virtual ~HashTable() = default;
  /** Index into EndpointSet::entries. A later `attempt` mostly finds another. */
  virtual uint32_t find(uint64_t hash, uint32_t attempt) const = 0;

  uint64_t size() const { return size_; }
  /** Places of an endpoint in the table. */
  uint64_t leastPlaces() const { return least_places_; }
  uint64_t mostPlaces() const { return most_places_; }

 protected:
  uint64_t size_ = 0;
  uint64_t least_places_ = 0;
  uint64_t most_places_ = 0;
};

}  // namespace sluice::cluster
