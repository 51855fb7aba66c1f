#include "source/base/random.h"

#include <sys/random.h>

#include "source/base/assert.h"

namespace sluice::base {

Random::Random() {
  // Up to 256 bytes come whole or not at all, once the kernel's pool is ready, which it waits for.
  SLUICE_CHECK(::getrandom(state_, sizeof(state_), 0) == sizeof(state_), "getrandom gave no seed");
  state_[0] |= 1;  // All zero is the one state that the generator never leaves.
}

Random::Random(uint64_t seed) {
  // SplitMix64 spreads one word over the state, as xoshiro's authors advise.
  for (uint64_t& word : state_) {
    seed += 0x9e3779b97f4a7c15;
    uint64_t mixed = seed;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
    word = mixed ^ (mixed >> 31);
  }
}

Random& threadRandom() {
  static thread_local Random random;
  return random;
}

}  // namespace sluice::base
