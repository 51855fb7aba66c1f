#pragma once

#include <cstdint>

namespace sluice::base {

/**
 * A fast generator for load balancing, jitter and sampling; never for secrets. Seeded from the kernel, or by a test.
 * One thread at a time; threadRandom() gives each its own.
 */
class Random {
 public:
  /** Seeded with getrandom(2). */
  Random();
  explicit Random(uint64_t seed);

  /** All 64 bits are equally likely to be set (xoshiro256++). */
  uint64_t next() {
    const uint64_t result = rotate(state_[0] + state_[3], 23) + state_[0];
    const uint64_t shifted = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = rotate(state_[3], 45);
    return result;
  }

  /** Evenly in [0, bound); 0 for a bound of 0. */
  uint64_t below(uint64_t bound) {
    return static_cast<uint64_t>((static_cast<unsigned __int128>(next()) * bound) >> 64);
  }

  /** Evenly in [0, 1). */
  double fraction() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

 private:
  static uint64_t rotate(uint64_t value, int bits) { return (value << bits) | (value >> (64 - bits)); }

  uint64_t state_[4];
};

/** The calling thread's generator. */
Random& threadRandom();

}  // namespace sluice::base
