#pragma once

#include <mutex>

#include "source/base/clock.h"

namespace sluice::test {

/** Both clocks, moved by hand. Thread-safe. */
class ManualClock : public base::Clock {
 public:
  base::MonotonicTime monotonicNow() const override {
    std::lock_guard<std::mutex> lock(mutex_);
    return base::MonotonicTime(std::chrono::hours(1)) + passed_;
  }
  base::SystemTime systemNow() const override {
    std::lock_guard<std::mutex> lock(mutex_);
    return base::SystemTime(std::chrono::hours(24 * 365 * 55)) +
           std::chrono::duration_cast<base::SystemTime::duration>(passed_);
  }
  void advance(base::MonotonicTime::duration by) {
    std::lock_guard<std::mutex> lock(mutex_);
    passed_ += by;
  }

 private:
  mutable std::mutex mutex_;
  base::MonotonicTime::duration passed_{0};
};

}  // namespace sluice::test
