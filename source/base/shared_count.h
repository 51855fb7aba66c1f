#pragma once

#include <atomic>
#include <cstdint>

namespace sluice::base {

/**
 * A count that all threads share and hold to a limit: circuit breakers, connection limits. On a cache line of its own;
 * touched once a request or connection at most. Callable from any thread.
 */
class alignas(64) SharedCount {
 public:
  /** Takes one unless the count is at `limit`, which may differ from call to call. Never overshoots. */
  bool tryAcquire(uint64_t limit) {
    uint64_t current = count_.load(std::memory_order_relaxed);
    while (current < limit) {
      if (count_.compare_exchange_weak(current, current + 1, std::memory_order_relaxed)) {
        return true;
      }
    }
    return false;
  }

  /** Takes one, limit or not. */
  void acquire() { count_.fetch_add(1, std::memory_order_relaxed); }
  void release() { count_.fetch_sub(1, std::memory_order_relaxed); }
  uint64_t value() const { return count_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> count_{0};
};

}  // namespace sluice::base
