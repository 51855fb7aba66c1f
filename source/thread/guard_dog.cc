#include "source/thread/guard_dog.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

#include "source/base/logging.h"
#include "source/thread/named_thread.h"

namespace sluice::thread {
namespace {

/** Looks within the shortest timeout: a miss is seen at most this part of the timeout late. */
constexpr int kLooksPerTimeout = 2;
constexpr std::chrono::milliseconds kShortestInterval{10};
constexpr std::chrono::milliseconds kLongestInterval{1000};

struct MissCounters {
  explicit MissCounters(stats::Scope& scope)
      : miss(scope.counter("watchdog_miss")), megamiss(scope.counter("watchdog_mega_miss")) {}
  stats::Counter miss;
  stats::Counter megamiss;
};

}  // namespace

struct GuardDog::Watched {
  Watched(event::Dispatcher& dispatcher, stats::Scope& root, absl::string_view group, Timeouts timeouts)
      : dispatcher(dispatcher),
        timeouts(timeouts),
        group_scope(root.createScope(group)),
        thread_scope(root.createScope(absl::StrCat("server.", dispatcher.name()))),
        group_counters(*group_scope),
        thread_counters(*thread_scope) {}

  event::Dispatcher& dispatcher;
  const Timeouts timeouts;
  const stats::ScopePtr group_scope;
  const stats::ScopePtr thread_scope;
  const MissCounters group_counters;
  const MissCounters thread_counters;
  WatchDog dog;

  // The turn that was last seen, since when, and what of it has been counted.
  uint64_t state = 0;
  base::MonotonicTime since;
  bool missed = false;
  bool megamissed = false;
};

GuardDog::GuardDog(stats::Scope& root, const base::Clock& clock) : clock_(clock), root_(root.shared_from_this()) {}

GuardDog::~GuardDog() { stop(); }

void GuardDog::watch(event::Dispatcher& dispatcher, absl::string_view group, Timeouts timeouts) {
  auto watched = std::make_unique<Watched>(dispatcher, *root_, group, timeouts);
  dispatcher.setObserver(&watched->dog);
  std::lock_guard<std::mutex> lock(mutex_);
  watched_.push_back(std::move(watched));
  changed_.notify_all();
}

void GuardDog::unwatch(event::Dispatcher& dispatcher) {
  dispatcher.setObserver(nullptr);
  // Its statistics go on main, and outside the lock.
  std::unique_ptr<Watched> gone;
  std::lock_guard<std::mutex> lock(mutex_);
  auto found = std::find_if(watched_.begin(), watched_.end(),
                            [&dispatcher](const auto& watched) { return &watched->dispatcher == &dispatcher; });
  if (found != watched_.end()) {
    gone = std::move(*found);
    watched_.erase(found);
  }
}

void GuardDog::start() {
  if (!thread_.joinable()) {
    stopping_ = false;
    thread_ = startThread("guard_dog", [this] { run(); });
  }
}

void GuardDog::stop() {
  if (!thread_.joinable()) {
    return;
  }
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  thread_.join();
}

void GuardDog::run() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (!stopping_) {
    lock.unlock();
    look();
    lock.lock();
    if (!stopping_) {
      changed_.wait_for(lock, interval());
    }
  }
}

std::chrono::milliseconds GuardDog::interval() const {
  std::chrono::milliseconds shortest = kLongestInterval;
  for (const std::unique_ptr<Watched>& watched : watched_) {
    shortest =
        std::min({shortest, watched->timeouts.miss / kLooksPerTimeout, watched->timeouts.megamiss / kLooksPerTimeout});
  }
  return std::max(shortest, kShortestInterval);
}

void GuardDog::look() {
  const base::MonotonicTime now = clock_.monotonicNow();
  std::lock_guard<std::mutex> lock(mutex_);
  for (const std::unique_ptr<Watched>& watched : watched_) {
    const uint64_t state = watched->dog.state();
    if (state != watched->state || !WatchDog::works(state)) {
      watched->state = state;
      watched->since = now;
      watched->missed = watched->megamissed = false;
      continue;
    }
    const auto busy = now - watched->since;
    if (!watched->missed && busy > watched->timeouts.miss) {
      watched->missed = true;
      watched->group_counters.miss.inc();
      watched->thread_counters.miss.inc();
      LOG_DEBUG(main, "{} has not come back to its poll for {} ms", watched->dispatcher.name(),
                std::chrono::duration_cast<std::chrono::milliseconds>(busy).count());
    }
    if (!watched->megamissed && busy > watched->timeouts.megamiss) {
      watched->megamissed = true;
      watched->group_counters.megamiss.inc();
      watched->thread_counters.megamiss.inc();
      LOG_WARNING(main, "{} has not come back to its poll for {} ms", watched->dispatcher.name(),
                  std::chrono::duration_cast<std::chrono::milliseconds>(busy).count());
    }
  }
}

}  // namespace sluice::thread
