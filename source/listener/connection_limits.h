#pragma once

#include <atomic>
#include <cstdint>
#include <limits>

#include "source/base/shared_count.h"

namespace sluice::listener {

/**
 * How many connections there are and may be, over all workers: of one listener, whatever its versions, or of the whole
 * process. Main sets the limit, also while connections flow; workers count. Any thread.
 */
class ConnectionLimit {
 public:
  static constexpr uint64_t kNone = std::numeric_limits<uint64_t>::max();

  void setLimit(uint64_t limit) { limit_.store(limit, std::memory_order_relaxed); }
  uint64_t limit() const { return limit_.load(std::memory_order_relaxed); }

  bool tryAcquire() { return open_.tryAcquire(limit()); }
  /** Takes a place whatever the limit, for listeners that the process-wide one does not hold back. */
  void acquire() { open_.acquire(); }
  void release() { open_.release(); }
  uint64_t open() const { return open_.value(); }

 private:
  base::SharedCount open_;
  std::atomic<uint64_t> limit_{kNone};
};

}  // namespace sluice::listener
