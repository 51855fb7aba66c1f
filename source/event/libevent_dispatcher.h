#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "source/event/dispatcher.h"
#include "source/event/libevent_handles.h"
#include "source/event/loop_statistics.h"

namespace sluice::event {

/**
 * The dispatcher of every production thread, over libevent. Made on main; a worker's runs on its worker's thread from
 * run() on, and is destroyed on main after that thread has been joined. Everything that was made by it is destroyed
 * before it.
 */
class LibeventDispatcher final : public Dispatcher {
 public:
  explicit LibeventDispatcher(std::string name);
  ~LibeventDispatcher() override;

  const std::string& name() const override { return name_; }
  void post(Task task) override;
  std::unique_ptr<Timer> createTimer(std::function<void()> callback) override;
  DeadlineQueue& deadlines() override { return deadlines_; }
  std::unique_ptr<FileEvent> createFileEvent(int fd, Trigger trigger, uint32_t bits,
                                             std::function<void(uint32_t bits)> callback) override;
  std::unique_ptr<ConnectionWatch> watchConnection(int fd, ReadyTask& task) override;
  std::unique_ptr<SignalEvent> createSignalEvent(int signal, std::function<void()> callback) override;
  void deferredDelete(std::unique_ptr<DeferredDeletable> object) override;
  void clearDeferredDeletes() override;
  void runNextTurn(IntrusiveTask& task) override;
  void runAtUnwind(IntrusiveTask& task) override;
  void runAfterPoll(IntrusiveTask& task) override;
  void runLater(IntrusiveTask& task) override;
  base::MonotonicTime now() const override { return now_; }
  base::SystemTime systemNow() const override;
  void run(RunType type) override;
  void exit() override;
  void setObserver(LoopObserver* observer) override;
  void enableStatistics(stats::Scope& scope) override;
  bool isThreadSafe() const override { return owner_.load(std::memory_order_relaxed) == std::this_thread::get_id(); }

  /** For what libevent itself serves (evhttp). Its callbacks open a CallbackScope first. */
  event_base* base() { return base_.get(); }

  /** Stands on the stack around each callback out of the poll: notes the turn's time, and unwinds at its end. */
  class CallbackScope {
   public:
    explicit CallbackScope(LibeventDispatcher& dispatcher) : dispatcher_(dispatcher) {
      if (!dispatcher.turn_begun_) {
        dispatcher.beginTurn();
      }
      ++dispatcher.callback_depth_;
    }
    CallbackScope(const CallbackScope&) = delete;
    CallbackScope& operator=(const CallbackScope&) = delete;
    ~CallbackScope() {
      if (--dispatcher_.callback_depth_ == 0 && !dispatcher_.unwind_.empty()) {
        dispatcher_.unwind();
      }
    }

   private:
    LibeventDispatcher& dispatcher_;
  };

 private:
  friend class LibeventTimer;

  static EventBaseHandle makeBase();

  void turn(bool may_wait);
  /** The clock is read here, in the first callback after the poll: libevent tells of nothing between the two. */
  void beginTurn();
  void unwind();
  void runAfterPollTasks();
  void runReady();
  void runPosted();
  void onLaterTimer();
  void runDeferredDeletes();
  void wake();
  void onWake();

  const std::string name_;
  EventBaseHandle base_;
  const int wake_fd_;
  EventHandle wake_event_;

  // Any thread.
  std::atomic<std::thread::id> owner_;
  std::atomic<bool> exit_{false};
  /** Guards posted_ alone: posting is the one way in from other threads. */
  std::mutex post_mutex_;
  std::vector<Task> posted_;

  // The dispatcher's thread.
  std::vector<Task> running_posted_;
  /** Whether posted_ may hold something: every change from empty to not shows here or at wake_fd_. */
  bool posted_pending_ = true;
  bool turn_begun_ = true;
  bool running_ = false;
  bool started_ = false;
  bool deleting_ = false;
  uint32_t callback_depth_ = 0;
  TaskList ready_;
  /** This turn's part of the ready list. */
  TaskList due_;
  TaskList unwind_;
  /** Filled while polling_. */
  TaskList after_poll_;
  bool polling_ = false;
  /** What came since the timer last fired, and what came before that and is due when it next does. */
  TaskList later_;
  TaskList later_due_;
  std::unique_ptr<Timer> later_timer_;
  DeadlineQueue deadlines_{*this};
  std::vector<std::unique_ptr<DeferredDeletable>> to_delete_;
  std::vector<std::unique_ptr<DeferredDeletable>> deleting_now_;
  base::MonotonicTime now_;
  mutable base::SystemTime system_now_;
  mutable bool system_now_known_ = false;
  LoopObserver* observer_ = nullptr;
  std::unique_ptr<LoopStatistics> statistics_;
};

}  // namespace sluice::event
