#pragma once

#include <algorithm>
#include <chrono>

#include "source/base/clock.h"
#include "source/stats/stats.h"

namespace sluice::event {

/**
 * How long a loop's turns take (`loop_duration_us`: from the poll's return to the next poll) and how late it comes back
 * (`poll_delay_us`: how long a poll took that was not to wait, or how far past its time the timer was that ended a wait).
 * Reads the clock once more in each turn, so it is there only when asked for. The loop's thread; owned by its dispatcher.
 */
class LoopStatistics {
 public:
  /** On main. */
  explicit LoopStatistics(stats::Scope& scope);

  void beforePoll(bool may_wait) {
    poll_began_ = std::chrono::steady_clock::now();
    waiting_ = may_wait;
    if (poll_ended_ != base::MonotonicTime()) {
      record(loop_duration_, poll_began_ - poll_ended_);
    }
  }
  void afterPoll(base::MonotonicTime now) {
    poll_ended_ = now;
    if (!waiting_) {
      record(poll_delay_, now - poll_began_);
    }
  }
  /** A timer was the first to be called back after the poll. */
  void timerEndedPoll(base::MonotonicTime deadline) {
    if (waiting_) {
      record(poll_delay_, poll_ended_ - deadline);
    }
  }

 private:
  static void record(stats::Histogram histogram, base::MonotonicTime::duration duration) {
    const int64_t microseconds = std::chrono::duration_cast<std::chrono::microseconds>(duration).count();
    histogram.record(static_cast<uint64_t>(std::max<int64_t>(microseconds, 0)));
  }

  const stats::ScopePtr scope_;
  const stats::Histogram loop_duration_;
  const stats::Histogram poll_delay_;
  base::MonotonicTime poll_began_;
  base::MonotonicTime poll_ended_;
  bool waiting_ = false;
};

}  // namespace sluice::event
