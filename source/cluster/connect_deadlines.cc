#include "source/cluster/connect_deadlines.h"

#include <algorithm>

#include "source/base/assert.h"

namespace sluice::cluster {

void ConnectDeadline::cancel() {
  if (next_ != nullptr) {
    next_->previous_ = previous_;
    previous_->next_ = next_;
    next_ = previous_ = nullptr;
  }
}

ConnectDeadlines::ConnectDeadlines(event::Dispatcher& dispatcher)
    : dispatcher_(dispatcher), timer_(dispatcher.createTimer([this] { onTimer(); })) {
  head_.next_ = head_.previous_ = &head_;
}

ConnectDeadlines::~ConnectDeadlines() {
  SLUICE_CHECK(head_.next_ == &head_, "a connection attempt outlives its cluster");
}

void ConnectDeadlines::add(ConnectDeadline& deadline, std::chrono::milliseconds after) {
  deadline.cancel();
  deadline.at_ = dispatcher_.now() + after;
  // From the end: only a timeout that an update has just shortened goes before others.
  ConnectDeadline* before = head_.previous_;
  while (before != &head_ && before->at_ > deadline.at_) {
    before = before->previous_;
  }
  deadline.previous_ = before;
  deadline.next_ = before->next_;
  before->next_->previous_ = &deadline;
  before->next_ = &deadline;
  if (!timer_->enabled() || head_.next_ == &deadline) {
    arm();
  }
}

void ConnectDeadlines::onTimer() {
  // An attempt that ends may hold the last pin of its cluster, and with it of this list.
  const base::WeakRef<ConnectDeadlines> self = anchor_.ref();
  while (head_.next_ != &head_ && head_.next_->at_ <= dispatcher_.now()) {
    ConnectDeadline* due = head_.next_;
    due->cancel();
    due->onDeadline();
    if (!self) {
      return;
    }
  }
  arm();
}

void ConnectDeadlines::arm() {
  if (head_.next_ == &head_) {
    return;
  }
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(head_.next_->at_ - dispatcher_.now());
  timer_->enable(std::max(left, std::chrono::milliseconds(0)));
}

}  // namespace sluice::cluster
