#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#include "source/base/clock.h"

namespace sluice::net {

/**
 * How the process drains, which every connection may ask about: set by the server, read by workers. Process-wide, since
 * what drains (a chain, a listener, the whole server) drains by the same rules.
 */
struct DrainRules {
  /** --drain-time-s. */
  std::atomic<int64_t> time_ms{600'000};
  /** --drain-strategy: with rising probability, else all at once. */
  std::atomic<bool> gradual{true};
  /** The whole server drains, since then (nanoseconds of the monotonic clock); 0: it does not. */
  std::atomic<int64_t> server_since{0};
  /** /healthcheck/fail: every answer asks its connection to go. */
  std::atomic<bool> health_check_failed{false};

  static DrainRules& get();
};

/** Whether a connection is to go, `since` the draining began: sure once the drain time is over, before that by chance. */
bool drainsNow(base::MonotonicTime since, base::MonotonicTime now);

/** The same of the whole server; false while it does not drain. */
bool serverDrainsNow(base::MonotonicTime now);

}  // namespace sluice::net
