#pragma once

#include "source/base/assert.h"

namespace sluice::event {

class TaskList;

/**
 * A task that lives inside its owner, so that scheduling it allocates nothing. In one list at a time; destroying it, or
 * unlink(), takes it out. Its dispatcher's thread only.
 */
class IntrusiveTask {
 public:
  IntrusiveTask() = default;
  IntrusiveTask(const IntrusiveTask&) = delete;
  IntrusiveTask& operator=(const IntrusiveTask&) = delete;
  virtual ~IntrusiveTask() { unlink(); }

  bool linked() const { return next_ != nullptr; }
  void unlink() {
    if (next_ != nullptr) {
      previous_->next_ = next_;
      next_->previous_ = previous_;
      next_ = previous_ = nullptr;
    }
  }

 protected:
  /** May delete itself, and may schedule itself anew. */
  virtual void run() = 0;

 private:
  friend class TaskList;
  IntrusiveTask* next_ = nullptr;
  IntrusiveTask* previous_ = nullptr;
};

/** A circular list of tasks around a sentinel, in order of scheduling. */
class TaskList {
 public:
  TaskList() { head_.next_ = head_.previous_ = &head_; }
  ~TaskList() {
    while (!empty()) {
      head_.next_->unlink();
    }
    head_.next_ = head_.previous_ = nullptr;
  }

  bool empty() const { return head_.next_ == &head_; }

  /** Appends the task; one that already waits in a list stays where it is. */
  void add(IntrusiveTask& task) {
    if (task.linked()) {
      return;
    }
    task.previous_ = head_.previous_;
    task.next_ = &head_;
    head_.previous_->next_ = &task;
    head_.previous_ = &task;
  }

  /** Takes the first task out and runs it. */
  void runFirst() {
    SLUICE_CHECK(!empty(), "no task to run");
    IntrusiveTask* first = head_.next_;
    first->unlink();
    first->run();
  }

  /** Moves all of `other` to this list's end. */
  void splice(TaskList& other) {
    if (other.empty()) {
      return;
    }
    IntrusiveTask* first = other.head_.next_;
    IntrusiveTask* last = other.head_.previous_;
    other.head_.next_ = other.head_.previous_ = &other.head_;
    first->previous_ = head_.previous_;
    head_.previous_->next_ = first;
    last->next_ = &head_;
    head_.previous_ = last;
  }

 private:
  class Sentinel : public IntrusiveTask {
    void run() override {}
  };
  Sentinel head_;
};

}  // namespace sluice::event
