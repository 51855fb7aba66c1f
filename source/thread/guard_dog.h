#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/string_view.h"

#include "source/base/clock.h"
#include "source/event/dispatcher.h"
#include "source/stats/stats.h"

namespace sluice::thread {

/**
 * What a watched thread shows of itself: a number that is even while it sleeps in its poll (or has not begun), and odd,
 * another for each turn, while it works. Written by that thread twice a turn, read by the guard dog; so a sleeping thread
 * needs no timer to prove that it lives.
 */
class WatchDog final : public event::LoopObserver {
 public:
  void beforePoll() override { state_.store((state() | 1) + 1, std::memory_order_relaxed); }
  void afterPoll() override { state_.store(state() | 1, std::memory_order_relaxed); }

  uint64_t state() const { return state_.load(std::memory_order_relaxed); }
  static bool works(uint64_t state) { return (state & 1) != 0; }

 private:
  std::atomic<uint64_t> state_{0};
};

/**
 * Watches that threads come back to their polls. One thread of its own looks at all of them several times within the
 * shortest timeout; a turn that lasts longer than the miss timeout, or the megamiss timeout, is counted once for each,
 * and said in the log:
 *   `<group>.watchdog_miss`, `<group>.watchdog_mega_miss`, and the same under `server.<thread>.`.
 * Made and used on main, which owns it. It outlives the loops that it watches; one that runs on after it is unwatched.
 */
class GuardDog {
 public:
  struct Timeouts {
    std::chrono::milliseconds miss{200};
    std::chrono::milliseconds megamiss{1000};
  };

  /** `root` is the scope without prefix. No thread runs before start(). */
  GuardDog(stats::Scope& root, const base::Clock& clock);
  ~GuardDog();

  /**
   * Hooks a watch dog on the dispatcher, before its loop runs or on its thread. `group` as Envoy's: "main_thread" or
   * "workers".
   */
  void watch(event::Dispatcher& dispatcher, absl::string_view group, Timeouts timeouts);
  /** After the loop's thread was joined, or for main's own loop at any time. */
  void unwatch(event::Dispatcher& dispatcher);

  void start();
  /** Ends and joins the thread. */
  void stop();

  /** One look at every watched thread: what the guard dog's thread does again and again. */
  void look();

 private:
  struct Watched;

  void run();
  std::chrono::milliseconds interval() const;

  const base::Clock& clock_;
  const stats::ScopePtr root_;

  /** Guards what follows: the guard dog's thread must not look at a watch dog that main takes away. */
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::unique_ptr<Watched>> watched_;
  bool stopping_ = false;

  std::thread thread_;
};

}  // namespace sluice::thread
