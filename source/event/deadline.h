#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <vector>

#include "source/base/clock.h"

namespace sluice::event {

class DeadlineQueue;
class Dispatcher;
class Timer;

/**
 * Something that is due at a time and, as a rule, is cancelled or put off before: connect, request and idle timeouts. It
 * lives inside its owner, so that setting and cancelling allocate nothing and touch no timer of the event loop. One
 * thread; destroying it cancels it.
 */
class Deadline {
 public:
  Deadline() = default;
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;
  virtual ~Deadline() { cancel(); }

  void cancel();
  bool pending() const { return queue_ != nullptr; }
  /** Only while pending. */
  base::MonotonicTime at() const { return at_; }

 protected:
  /** The time has come; the deadline is no longer pending, may be set anew, and may be deleted by this. */
  virtual void onDeadline() = 0;

 private:
  friend class DeadlineQueue;
  DeadlineQueue* queue_ = nullptr;
  size_t index_ = 0;
  base::MonotonicTime at_;
};

/** A deadline that calls a member function of the object that it is a member of. */
template <class Owner, void (Owner::*fire)()>
class MemberDeadline final : public Deadline {
 public:
  explicit MemberDeadline(Owner& owner) : owner_(owner) {}

 private:
  void onDeadline() override { (owner_.*fire)(); }
  Owner& owner_;
};

/**
 * The deadlines of one dispatcher (Dispatcher::deadlines()): a binary heap and one timer, which is armed for the
 * earliest and looks again when it fires. A deadline that is cancelled leaves the timer alone. Its dispatcher's thread.
 */
class DeadlineQueue {
 public:
  explicit DeadlineQueue(Dispatcher& dispatcher);
  ~DeadlineQueue();
  DeadlineQueue(const DeadlineQueue&) = delete;

  /** From the turn's time on; replaces the time of one that is pending. Fires on a later turn, never inside this call. */
  void set(Deadline& deadline, std::chrono::microseconds after);
  void setAt(Deadline& deadline, base::MonotonicTime at);
  size_t size() const { return heap_.size(); }

 private:
  friend class Deadline;
  void remove(Deadline& deadline);
  void place(size_t index, Deadline* deadline);
  void siftUp(size_t index);
  void siftDown(size_t index);
  void onTimer();
  void arm();

  Dispatcher& dispatcher_;
  std::unique_ptr<Timer> timer_;
  base::MonotonicTime armed_for_ = base::MonotonicTime::max();
  std::vector<Deadline*> heap_;
};

}  // namespace sluice::event
