#pragma once

#include <chrono>

#include "source/base/random.h"

namespace sluice::xds {

/**
 * Jittered exponential back-off: each pause is drawn evenly from [0, interval), and the interval doubles from `base` to
 * `max`. The first retry after a healthy time comes soon, and a thousand proxies that lose one control plane do not come
 * back as one. Plain value.
 */
class BackOff {
 public:
  BackOff(std::chrono::milliseconds base, std::chrono::milliseconds max) : base_(base), max_(max), interval_(base) {}

  std::chrono::milliseconds next(base::Random& random) {
    const std::chrono::milliseconds pause(random.below(static_cast<uint64_t>(interval_.count())));
    interval_ = interval_ > max_ / 2 ? max_ : interval_ * 2;
    return pause;
  }
  /** The other side has shown that it works. */
  void reset() { interval_ = base_; }
  std::chrono::milliseconds interval() const { return interval_; }

 private:
  std::chrono::milliseconds base_;
  std::chrono::milliseconds max_;
  std::chrono::milliseconds interval_;
};

}  // namespace sluice::xds
