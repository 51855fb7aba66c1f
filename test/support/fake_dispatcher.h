#pragma once

#include <algorithm>
#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "source/base/assert.h"
#include "source/event/dispatcher.h"
#include "source/event/self_deleting_callback.h"
#include "test/support/manual_clock.h"

namespace sluice::test {

/**
 * A dispatcher without descriptors, threads or time: a turn is runOnce(), time passes only by advance(), and a file event
 * fires when the test says so. Phases, unwinding and deferred deletion are the real dispatcher's. Its thread is the
 * one that made it; post() and exit() may come from others. It outlives what it made.
 */
class FakeDispatcher : public event::Dispatcher {
 public:
  explicit FakeDispatcher(std::string name = "main_thread") : name_(std::move(name)) {}
  ~FakeDispatcher() override {
    clearDeferredDeletes();
    std::deque<Task> unrun;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      unrun.swap(posted_);
    }
    unrun.clear();
    clearDeferredDeletes();
  }

  // For tests.

  ManualClock& clock() { return clock_; }

  /** One turn: due timers, ready list, deferred deletions, posted tasks, deferred deletions. */
  void runOnce() {
    unwind();
    due_.splice(ready_);
    runDueTimers();
    runReady();
    runDeferredDeletes();
    runPosted();
    runDeferredDeletes();
  }
  /** Turns until nothing is left but timers in the future. */
  void runUntilIdle() {
    for (int turns = 0; !idle(); ++turns) {
      SLUICE_CHECK(turns < 100000, "the loop never comes to rest");
      runOnce();
    }
  }
  bool idle() {
    std::lock_guard<std::mutex> lock(mutex_);
    return posted_.empty() && ready_.empty() && unwind_.empty() && to_delete_.empty() && !hasDueTimer();
  }
  /** Moves time on from timer to timer, each firing at its own time, and comes to rest after each. */
  void advance(base::MonotonicTime::duration by) {
    const base::MonotonicTime end = now() + by;
    runUntilIdle();
    while (!timers_.empty() && timers_.begin()->first.first <= end) {
      if (timers_.begin()->first.first > now()) {
        clock_.advance(timers_.begin()->first.first - now());
      }
      runUntilIdle();
    }
    clock_.advance(end - now());
    runUntilIdle();
  }
  /** Runs `callback` as a callback of the loop: what it schedules for its unwinding runs at its end. */
  template <class Callback>
  void callback(Callback callback) {
    ++depth_;
    callback();
    --depth_;
    unwind();
  }
  /** The descriptor is ready: calls its event back with those of `bits` that it watches. False if nothing watches. */
  bool fire(int fd, uint32_t bits) {
    auto found = files_.find(fd);
    if (found == files_.end() || (found->second->enabled & bits) == 0) {
      return false;
    }
    File* file = found->second;
    callback([file, bits] { file->callback(file->enabled & bits); });
    return true;
  }
  /** The bits that the descriptor is watched for; 0 if it is not. */
  uint32_t watched(int fd) const {
    auto found = files_.find(fd);
    return found == files_.end() ? 0 : found->second->enabled;
  }
  /** Has those tasks run that wait in runLater(). */
  void runLaterTasks() {
    due_.splice(later_);
    runReady();
  }
  size_t armedTimers() const { return timers_.size(); }
  /** Fires the events of a signal; false if nothing waits for it. */
  bool raise(int signal) {
    auto found = signals_.find(signal);
    if (found == signals_.end()) {
      return false;
    }
    Signal* event = found->second;
    callback([event] { event->callback(); });
    return true;
  }
  event::LoopObserver* observer() const { return observer_; }
  bool exited() const { return exit_; }

  // Dispatcher.

  const std::string& name() const override { return name_; }
  void post(Task task) override {
    std::lock_guard<std::mutex> lock(mutex_);
    posted_.push_back(std::move(task));
  }
  std::unique_ptr<event::Timer> createTimer(std::function<void()> callback) override {
    return std::make_unique<FakeTimer>(*this, std::move(callback));
  }
  event::DeadlineQueue& deadlines() override { return deadlines_; }
  std::unique_ptr<event::FileEvent> createFileEvent(int fd, event::Trigger, uint32_t bits,
                                                    std::function<void(uint32_t bits)> callback) override {
    SLUICE_CHECK(files_.count(fd) == 0, "the descriptor is watched already");
    return std::make_unique<File>(*this, fd, bits, std::move(callback));
  }
  std::unique_ptr<event::ConnectionWatch> watchConnection(int fd, event::ReadyTask& task) override {
    SLUICE_CHECK(files_.count(fd) == 0, "the descriptor is watched already");
    return std::make_unique<Watch>(*this, fd, task);
  }
  std::unique_ptr<event::SignalEvent> createSignalEvent(int signal, std::function<void()> callback) override {
    return std::make_unique<Signal>(*this, signal, std::move(callback));
  }
  void deferredDelete(std::unique_ptr<event::DeferredDeletable> object) override {
    if (object != nullptr) {
      to_delete_.push_back(std::move(object));
    }
  }
  void clearDeferredDeletes() override {
    while (!deleting_ && !to_delete_.empty()) {
      runDeferredDeletes();
    }
  }
  void runNextTurn(event::IntrusiveTask& task) override { ready_.add(task); }
  void runAtUnwind(event::IntrusiveTask& task) override { unwind_.add(task); }
  void runAfterPoll(event::IntrusiveTask& task) override { unwind_.add(task); }
  void runLater(event::IntrusiveTask& task) override { later_.add(task); }
  base::MonotonicTime now() const override { return clock_.monotonicNow(); }
  base::SystemTime systemNow() const override { return clock_.systemNow(); }
  /** UntilExit is turns until exit() was called; it must come to that without time passing. */
  void run(RunType type) override {
    if (type == RunType::NonBlock) {
      runOnce();
      return;
    }
    while (!exit_) {
      SLUICE_CHECK(!idle(), "the loop would wait for ever");
      runOnce();
    }
    exit_ = false;
  }
  void exit() override { exit_ = true; }
  void setObserver(event::LoopObserver* observer) override { observer_ = observer; }
  void enableStatistics(stats::Scope&) override {}
  bool isThreadSafe() const override { return owner_ == std::this_thread::get_id(); }

 private:
  /** By time, and by order of arming for those of the same time. */
  using TimerKey = std::pair<base::MonotonicTime, uint64_t>;

  struct FakeTimer : event::Timer {
    FakeTimer(FakeDispatcher& dispatcher, std::function<void()> function)
        : dispatcher(dispatcher), callback(std::move(function)) {}
    ~FakeTimer() override { disable(); }
    void enable(std::chrono::milliseconds after) override { arm(after); }
    void enableMicroseconds(std::chrono::microseconds after) override { arm(after); }
    void arm(std::chrono::microseconds after) {
      disable();
      key = {dispatcher.now() + std::clamp<std::chrono::microseconds>(after, std::chrono::microseconds(0),
                                                                      std::chrono::hours(24 * 365 * 10)),
             ++dispatcher.timer_sequence_};
      dispatcher.timers_.emplace(key, this);
      armed = true;
    }
    void disable() override {
      if (armed) {
        dispatcher.timers_.erase(key);
        armed = false;
      }
    }
    bool enabled() const override { return armed; }

    FakeDispatcher& dispatcher;
    event::SelfDeletingCallback<> callback;
    TimerKey key;
    bool armed = false;
  };

  struct File : event::FileEvent, event::IntrusiveTask {
    File(FakeDispatcher& dispatcher, int fd, uint32_t bits, std::function<void(uint32_t)> function)
        : dispatcher(dispatcher), fd(fd), enabled(bits), callback(std::move(function)) {
      dispatcher.files_.emplace(fd, this);
    }
    ~File() override { dispatcher.files_.erase(fd); }
    void activate(uint32_t bits) override {
      activated |= bits;
      dispatcher.runNextTurn(*this);
    }
    void setEnabled(uint32_t bits) override { enabled = bits; }
    void run() override { callback(std::exchange(activated, 0)); }

    FakeDispatcher& dispatcher;
    const int fd;
    uint32_t enabled;
    uint32_t activated = 0;
    event::SelfDeletingCallback<uint32_t> callback;
  };

  struct Watch : event::ConnectionWatch {
    Watch(FakeDispatcher& dispatcher, int fd, event::ReadyTask& task)
        : file(dispatcher, fd, event::ready::kRead | event::ready::kWrite | event::ready::kClosed,
               [&task](uint32_t bits) { task.onReady(bits); }) {}
    File file;
  };

  struct Signal : event::SignalEvent {
    Signal(FakeDispatcher& dispatcher, int signal, std::function<void()> function)
        : dispatcher(dispatcher), signal(signal), callback(std::move(function)) {
      dispatcher.signals_.emplace(signal, this);
    }
    ~Signal() override { dispatcher.signals_.erase(signal); }

    FakeDispatcher& dispatcher;
    const int signal;
    event::SelfDeletingCallback<> callback;
  };

  bool hasDueTimer() const { return !timers_.empty() && timers_.begin()->first.first <= now(); }

  void unwind() {
    if (depth_ > 0) {
      return;
    }
    ++depth_;
    for (uint32_t budget = kUnwindBudget; !unwind_.empty(); --budget) {
      if (budget == 0) {
        ready_.splice(unwind_);
        break;
      }
      unwind_.runFirst();
    }
    --depth_;
  }
  void runDueTimers() {
    // Those that are armed from here on wait for the next turn, whatever their time.
    const uint64_t last = timer_sequence_;
    for (auto next = timers_.begin(); next != timers_.end() && next->first.first <= now();) {
      if (next->first.second > last) {
        ++next;
        continue;
      }
      FakeTimer* timer = next->second;
      timers_.erase(next);
      timer->armed = false;
      callback([timer] { timer->callback(); });
      next = timers_.begin();
    }
  }
  void runReady() {
    while (!due_.empty()) {
      callback([this] { due_.runFirst(); });
    }
  }
  void runPosted() {
    std::deque<Task> tasks;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      tasks.swap(posted_);
    }
    for (Task& slot : tasks) {
      callback([&slot] {
        Task task = std::move(slot);
        task();
      });
    }
  }
  void runDeferredDeletes() {
    if (deleting_) {
      return;
    }
    deleting_ = true;
    std::vector<std::unique_ptr<event::DeferredDeletable>> dying;
    dying.swap(to_delete_);
    for (auto& object : dying) {
      callback([&object] { object.reset(); });
    }
    deleting_ = false;
  }

  const std::string name_;
  const std::thread::id owner_ = std::this_thread::get_id();
  ManualClock clock_;
  /** Guards posted_. */
  std::mutex mutex_;
  std::deque<Task> posted_;
  std::map<TimerKey, FakeTimer*> timers_;
  uint64_t timer_sequence_ = 0;
  std::map<int, File*> files_;
  std::map<int, Signal*> signals_;
  event::TaskList ready_;
  event::TaskList due_;
  event::TaskList unwind_;
  event::TaskList later_;
  event::DeadlineQueue deadlines_{*this};
  std::vector<std::unique_ptr<event::DeferredDeletable>> to_delete_;
  bool deleting_ = false;
  int depth_ = 0;
  std::atomic<bool> exit_{false};
  event::LoopObserver* observer_ = nullptr;
};

}  // namespace sluice::test
