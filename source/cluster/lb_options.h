#pragma once

#include <cstdint>

namespace sluice::cluster {

enum class LbPolicy : uint8_t { RoundRobin, Random, LeastRequest, RingHash, Maglev };

/** How endpoints are picked. What belongs to other policies than `policy` is at its default. */
struct LbOptions {
  LbPolicy policy = LbPolicy::RoundRobin;

  // LeastRequest.
  /** Of so many endpoints, picked at random, the one with the fewest requests is taken. */
  uint32_t choice_count = 2;
  /** With weights that differ, an endpoint's weight is divided by its requests to the power of this. */
  double active_request_bias = 1.0;

  // RingHash.
  enum class HashFunction : uint8_t { XxHash, MurmurHash2 };
  uint64_t minimum_ring_size = 1024;
  uint64_t maximum_ring_size = 8 * 1024 * 1024;
  HashFunction hash_function = HashFunction::XxHash;

  // Maglev. A prime.
  uint64_t maglev_table_size = 65537;

  // RingHash, Maglev.
  /** An endpoint is known by its host name instead of by its address. */
  bool use_hostname_for_hashing = false;

  bool hashes() const { return policy == LbPolicy::RingHash || policy == LbPolicy::Maglev; }

  friend bool operator==(const LbOptions&, const LbOptions&) = default;
};

}  // namespace sluice::cluster
