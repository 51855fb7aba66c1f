#include "source/event/deadline.h"

#include <algorithm>

#include "source/event/dispatcher.h"

namespace sluice::event {

void Deadline::cancel() {
  if (queue_ != nullptr) {
    queue_->remove(*this);
  }
}

DeadlineQueue::DeadlineQueue(Dispatcher& dispatcher)
    : dispatcher_(dispatcher), timer_(dispatcher.createTimer([this] { onTimer(); })) {}

DeadlineQueue::~DeadlineQueue() {
  for (Deadline* deadline : heap_) {
    deadline->queue_ = nullptr;
  }
}

void DeadlineQueue::set(Deadline& deadline, std::chrono::microseconds after) {
  // Some decades, so that no sum overflows.
  constexpr std::chrono::microseconds kLongest = std::chrono::hours(24 * 365 * 50);
  setAt(deadline, dispatcher_.now() + std::clamp(after, std::chrono::microseconds(0), kLongest));
}

void DeadlineQueue::setAt(Deadline& deadline, base::MonotonicTime at) {
  if (deadline.queue_ == nullptr) {
    deadline.queue_ = this;
    deadline.at_ = at;
    heap_.push_back(&deadline);
    deadline.index_ = heap_.size() - 1;
    siftUp(deadline.index_);
  } else {
    const bool later = at > deadline.at_;
    deadline.at_ = at;
    later ? siftDown(deadline.index_) : siftUp(deadline.index_);
  }
  if (heap_.front()->at_ < armed_for_) {
    arm();
  }
}

void DeadlineQueue::remove(Deadline& deadline) {
  const size_t index = deadline.index_;
  deadline.queue_ = nullptr;
  Deadline* last = heap_.back();
  heap_.pop_back();
  if (last != &deadline) {
    place(index, last);
    siftUp(index);
    siftDown(last->index_);
  }
}

void DeadlineQueue::place(size_t index, Deadline* deadline) {
  heap_[index] = deadline;
  deadline->index_ = index;
}

void DeadlineQueue::siftUp(size_t index) {
  Deadline* moving = heap_[index];
  while (index > 0) {
    const size_t parent = (index - 1) / 2;
    if (heap_[parent]->at_ <= moving->at_) {
      break;
    }
    place(index, heap_[parent]);
    index = parent;
  }
  place(index, moving);
}

void DeadlineQueue::siftDown(size_t index) {
  Deadline* moving = heap_[index];
  for (;;) {
    size_t child = 2 * index + 1;
    if (child >= heap_.size()) {
      break;
    }
    if (child + 1 < heap_.size() && heap_[child + 1]->at_ < heap_[child]->at_) {
      ++child;
    }
    if (moving->at_ <= heap_[child]->at_) {
      break;
    }
    place(index, heap_[child]);
    index = child;
  }
  place(index, moving);
}

void DeadlineQueue::onTimer() {
  armed_for_ = base::MonotonicTime::max();
  // Those that are set anew for now wait for the next turn.
  size_t most = heap_.size();
  while (!heap_.empty() && heap_.front()->at_ <= dispatcher_.now() && most-- > 0) {
    Deadline* due = heap_.front();
    remove(*due);
    due->onDeadline();
  }
  if (!heap_.empty()) {
    arm();
  }
}

void DeadlineQueue::arm() {
  armed_for_ = heap_.front()->at_;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(armed_for_ - dispatcher_.now());
  timer_->enable(std::max(left, std::chrono::milliseconds(0)));
}

}  // namespace sluice::event
