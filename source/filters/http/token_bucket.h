#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>

#include "source/base/clock.h"

namespace sluice::filters {

/**
 * Tokens that flow in evenly, for all threads together: one padded atomic, touched once a request. What it holds is the
 * time at which the bucket was (or will be) empty; all else follows from the clock.
 */
class alignas(64) TokenBucket {
 public:
  /** Full at first. `tokens_per_second` is above 0. */
  TokenBucket(uint32_t max_tokens, double tokens_per_second, base::MonotonicTime now)
      : max_tokens_(max_tokens),
        nanoseconds_per_token_(1e9 / tokens_per_second),
        full_after_(static_cast<int64_t>(std::min(max_tokens * nanoseconds_per_token_, 4e18))),
        empty_at_(toNanoseconds(now) - full_after_) {}

  /** False, with nothing taken, when there are fewer. */
  bool take(uint32_t tokens, base::MonotonicTime at) {
    const int64_t now = toNanoseconds(at);
    const auto cost = static_cast<int64_t>(tokens * nanoseconds_per_token_);
    int64_t empty_at = empty_at_.load(std::memory_order_relaxed);
    for (;;) {
      const int64_t next = std::max(empty_at, now - full_after_) + cost;
      if (next > now) {
        return false;
      }
      if (empty_at_.compare_exchange_weak(empty_at, next, std::memory_order_relaxed)) {
        return true;
      }
    }
  }

  uint32_t maxTokens() const { return max_tokens_; }
  double tokensPerSecond() const { return 1e9 / nanoseconds_per_token_; }
  uint32_t remaining(base::MonotonicTime at) const {
    const int64_t filled =
        std::clamp<int64_t>(toNanoseconds(at) - empty_at_.load(std::memory_order_relaxed), 0, full_after_);
    // Half a token's thousandth makes up for what rounding to nanoseconds took off.
    return static_cast<uint32_t>(static_cast<double>(filled) / nanoseconds_per_token_ + 0.0005);
  }
  /** Until a token is there. */
  double secondsToNext(base::MonotonicTime at) const {
    const auto cost = static_cast<int64_t>(nanoseconds_per_token_);
    const int64_t wait = empty_at_.load(std::memory_order_relaxed) + cost - toNanoseconds(at);
    return wait <= 0 ? 0 : static_cast<double>(wait) / 1e9;
  }

 private:
  static int64_t toNanoseconds(base::MonotonicTime time) {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
  }

  const uint32_t max_tokens_;
  const double nanoseconds_per_token_;
  const int64_t full_after_;
  std::atomic<int64_t> empty_at_;
};

}  // namespace sluice::filters
