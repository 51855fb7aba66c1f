#include "source/event/timer.h"

#include <algorithm>

#include "source/base/assert.h"

namespace sluice::event {
namespace {

/** "Never" as some configurations spell it; beyond it the clock's arithmetic would overflow. */
constexpr std::chrono::microseconds kLongest = std::chrono::hours(24 * 365 * 10);

}  // namespace

LibeventTimer::LibeventTimer(LibeventDispatcher& dispatcher, std::function<void()> callback)
    : dispatcher_(dispatcher),
      event_(
          dispatcher.base(), -1, 0,
          [](evutil_socket_t, short, void* timer) { static_cast<LibeventTimer*>(timer)->onTimeout(); }, this),
      callback_(std::move(callback)) {}

void LibeventTimer::enable(std::chrono::milliseconds after) {
  enableMicroseconds(after < std::chrono::duration_cast<std::chrono::milliseconds>(kLongest)
                         ? std::chrono::duration_cast<std::chrono::microseconds>(after)
                         : kLongest);
}

void LibeventTimer::enableMicroseconds(std::chrono::microseconds after) {
  SLUICE_CHECK(dispatcher_.isThreadSafe(), dispatcher_.name());
  after = std::clamp(after, std::chrono::microseconds(0), kLongest);
  deadline_ = dispatcher_.now() + after;
  event_.addTimeout(after);
}

void LibeventTimer::disable() {
  SLUICE_CHECK(dispatcher_.isThreadSafe(), dispatcher_.name());
  if (enabled()) {
    deadline_ = kNever;
    event_.remove();
  }
}

void LibeventTimer::onTimeout() {
  const bool ended_poll = !dispatcher_.turn_begun_;
  LibeventDispatcher::CallbackScope scope(dispatcher_);
  // libevent counts in the kernel's coarse clock, which is up to a tick behind.
  if (dispatcher_.now() < deadline_) {
    event_.addTimeout(std::chrono::duration_cast<std::chrono::microseconds>(deadline_ - dispatcher_.now()) +
                      std::chrono::microseconds(1));
    return;
  }
  if (ended_poll && dispatcher_.statistics_ != nullptr) {
    dispatcher_.statistics_->timerEndedPoll(deadline_);
  }
  deadline_ = kNever;
  callback_();
}

}  // namespace sluice::event
