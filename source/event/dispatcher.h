#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"

#include "source/base/clock.h"
#include "source/event/deadline.h"
#include "source/event/deferred_delete.h"
#include "source/event/task_list.h"

namespace sluice::stats {
class Scope;
}  // namespace sluice::stats

namespace sluice::event {

/**
 * A one-shot timer on its dispatcher's thread. Deleting it disables it; its callback may delete it. It counts from the
 * turn's time (Dispatcher::now()) and never fires early; the kernel's tick may make it a few milliseconds late.
 */
class Timer {
 public:
  virtual ~Timer() = default;
  /** (Re)arms the timer; zero fires on the next turn, never inside this call. */
  virtual void enable(std::chrono::milliseconds after) = 0;
  /** For intervals that are no whole milliseconds; the poll itself waits in milliseconds, rounded up. */
  virtual void enableMicroseconds(std::chrono::microseconds after) = 0;
  virtual void disable() = 0;
  virtual bool enabled() const = 0;
};

/** Bits of what a descriptor is ready for. */
namespace ready {
inline constexpr uint32_t kRead = 1;
inline constexpr uint32_t kWrite = 2;
/**
 * The peer's end (EPOLLRDHUP); only from edge-triggered events. A failure (EPOLLERR) comes as kRead | kWrite, so that
 * reading or writing tells what it was.
 */
inline constexpr uint32_t kClosed = 4;
}  // namespace ready

enum class Trigger { Level, Edge };

/**
 * A persistent event of one descriptor, which it does not own: delete the event before the descriptor is closed. Deleting
 * it, also inside its callback, ends it.
 */
class FileEvent {
 public:
  virtual ~FileEvent() = default;
  /** Calls back with these bits on the next turn, whatever the descriptor's state. */
  virtual void activate(uint32_t bits) = 0;
  /** Changes the bits that are watched: a system call, so connections never do it for each request. */
  virtual void setEnabled(uint32_t bits) = 0;
};

/** Hears of the descriptor that a ConnectionWatch watches; a task as well, so that who is both pays for one base. */
class ReadyTask : public IntrusiveTask {
 public:
  virtual void onReady(uint32_t bits) = 0;
};

/**
 * A connection's descriptor, edge-triggered for reading, writing and the peer's end, for as long as this lives: an event
 * that can do no more than that and takes less memory for it. Its callback may delete it.
 */
class ConnectionWatch {
 public:
  virtual ~ConnectionWatch() = default;
};

class SignalEvent {
 public:
  virtual ~SignalEvent() = default;
};

/** Told about each turn of a loop; the guard dog's watch dogs and the loop statistics hang on it. */
class LoopObserver {
 public:
  virtual ~LoopObserver() = default;
  virtual void beforePoll() = 0;
  virtual void afterPoll() = 0;
};

/**
 * The event loop of one thread. All of it is for that thread, but for post(), exit() and isThreadSafe().
 *
 * A turn of the loop runs, in this order (libevent_dispatcher.cc tells it in full):
 *   poll -> I/O callbacks and due timers, then what waited for all of them -> ready list -> deferred deletions -> posted tasks -> deferred deletions.
 * After each callback of whatever phase the unwind list runs: connections flush their writes there.
 */
class Dispatcher {
 public:
  using Task = absl::AnyInvocable<void()>;

  virtual ~Dispatcher() = default;

  /** As in logs, thread names and statistics: "main_thread", "worker_0". */
  virtual const std::string& name() const = 0;

  /**
   * Runs `task` on this dispatcher's thread, in order of posting; what is posted before the loop starts runs first. Each
   * task is destroyed before the next runs. Tasks that are left when the dispatcher is destroyed are destroyed unrun.
   */
  virtual void post(Task task) = 0;

  virtual std::unique_ptr<Timer> createTimer(std::function<void()> callback) = 0;
  /** Timeouts that are many and seldom fire. */
  virtual DeadlineQueue& deadlines() = 0;
  virtual std::unique_ptr<FileEvent> createFileEvent(int fd, Trigger trigger, uint32_t bits,
                                                     std::function<void(uint32_t bits)> callback) = 0;
  /** Null, with errno, if the kernel watches no more descriptors. `task` outlives the watch. */
  virtual std::unique_ptr<ConnectionWatch> watchConnection(int fd, ReadyTask& task) = 0;
  /** Main thread only. */
  virtual std::unique_ptr<SignalEvent> createSignalEvent(int signal, std::function<void()> callback) = 0;

  /** Destroys `object` after the callbacks that may still use it have unwound. */
  virtual void deferredDelete(std::unique_ptr<DeferredDeletable> object) = 0;
  /** Runs all deferred deletions now; only for a thread that is ending. */
  virtual void clearDeferredDeletes() = 0;

  /** Runs the task once in the next turn's ready phase (bytes left after a read budget, say). Unlinking cancels it. */
  virtual void runNextTurn(IntrusiveTask& task) = 0;
  /**
   * Runs the task once when the outermost callback that is now running unwinds; if none is running (before run(), say),
   * at the head of the next turn, before its poll. What an unwinding task schedules here still runs in the same
   * unwinding; after kUnwindBudget tasks the rest goes to the next turn's ready list, so that no two tasks that keep
   * waking each other hold up the loop.
   */
  virtual void runAtUnwind(IntrusiveTask& task) = 0;
  static constexpr uint32_t kUnwindBudget = 256;
  /**
   * Runs the task once when all callbacks out of this turn's poll have run: for a write that several connections'
   * callbacks add to, such as the answers of one HTTP/2 connection. Elsewhere in the turn as runAtUnwind().
   */
  virtual void runAfterPoll(IntrusiveTask& task) = 0;
  /**
   * Runs the task once, some one to two seconds from now: for checks that may come late and that most connections call
   * for. All tasks share one timer, which rests while there are none. Unlinking cancels.
   */
  virtual void runLater(IntrusiveTask& task) = 0;

  /** The time when this turn's poll returned: the clock is read once a turn. */
  virtual base::MonotonicTime now() const = 0;
  virtual base::SystemTime systemNow() const = 0;

  enum class RunType {
    UntilExit,
    /** One pass over what is ready now, without waiting. */
    NonBlock,
  };
  virtual void run(RunType type) = 0;
  /** From any thread: ends run() after the current turn. */
  virtual void exit() = 0;

  /** Null takes the observer off. On the dispatcher's thread, or while no thread runs it. */
  virtual void setObserver(LoopObserver* observer) = 0;
  /**
   * Records each turn in `dispatcher.loop_duration_us` and `dispatcher.poll_delay_us` under `scope`, which must live as
   * long as the loop runs. On main, before run().
   */
  virtual void enableStatistics(stats::Scope& scope) = 0;

  /** True on the thread that runs (or, before it runs, made) this dispatcher. */
  virtual bool isThreadSafe() const = 0;
};

/**
 * A shared object whose last reference may be dropped on any thread, but which dies on `owner`'s: what main made (a
 * configuration that holds statistics, a large table) is never freed by a worker.
 */
template <class T>
std::shared_ptr<T> ownedBy(Dispatcher& owner, std::unique_ptr<T> object) {
  return std::shared_ptr<T>(object.release(), [&owner](T* dying) {
    if (owner.isThreadSafe()) {
      delete dying;
    } else {
      owner.post([guard = std::unique_ptr<T>(dying)]() mutable { guard.reset(); });
    }
  });
}

}  // namespace sluice::event
