#include "source/event/file_event.h"

#include <string.h>

#include <cerrno>

#include "source/base/assert.h"
#include "source/base/logging.h"

namespace sluice::event {
namespace {

/** A level-triggered EV_CLOSED would call back in every turn until the descriptor is closed. */
short toLibevent(Trigger trigger, uint32_t bits) {
  short what = EV_PERSIST;
  if ((bits & ready::kRead) != 0) {
    what |= EV_READ;
  }
  if ((bits & ready::kWrite) != 0) {
    what |= EV_WRITE;
  }
  if (trigger == Trigger::Edge) {
    what |= EV_ET;
    if ((bits & ready::kClosed) != 0) {
      what |= EV_CLOSED;
    }
  }
  return what;
}

uint32_t fromLibevent(short what) {
  uint32_t bits = 0;
  if ((what & EV_READ) != 0) {
    bits |= ready::kRead;
  }
  if ((what & EV_WRITE) != 0) {
    bits |= ready::kWrite;
  }
  if ((what & EV_CLOSED) != 0) {
    bits |= ready::kClosed;
  }
  return bits;
}

}  // namespace

LibeventFileEvent::LibeventFileEvent(LibeventDispatcher& dispatcher, int fd, Trigger trigger, uint32_t bits,
                                     std::function<void(uint32_t bits)> callback)
    : dispatcher_(dispatcher),
      event_(
          dispatcher.base(), fd, toLibevent(trigger, bits),
          [](evutil_socket_t, short what, void* event) {
            static_cast<LibeventFileEvent*>(event)->deliver(fromLibevent(what));
          },
          this),
      callback_(std::move(callback)),
      trigger_(trigger),
      enabled_bits_(bits) {
  add();
}

void LibeventFileEvent::add() {
  if (enabled_bits_ != 0 && !event_.add()) {
    // The system's limit of watched descriptors: the owner gets its chance to read and write, rather than silence.
    LOG_ERROR(io, "{}: descriptor cannot be watched: {}", dispatcher_.name(), strerror(errno));
    activate(enabled_bits_ | ready::kClosed);
  }
}

void LibeventFileEvent::activate(uint32_t bits) {
  SLUICE_CHECK(dispatcher_.isThreadSafe(), dispatcher_.name());
  activated_bits_ |= bits;
  dispatcher_.runNextTurn(*this);
}

void LibeventFileEvent::setEnabled(uint32_t bits) {
  SLUICE_CHECK(dispatcher_.isThreadSafe(), dispatcher_.name());
  if (bits == enabled_bits_) {
    return;
  }
  event_.remove();
  enabled_bits_ = bits;
  event_.reassign(toLibevent(trigger_, bits));
  add();
}

void LibeventFileEvent::run() {
  const uint32_t bits = activated_bits_;
  activated_bits_ = 0;
  deliver(bits);
}

void LibeventFileEvent::deliver(uint32_t bits) {
  LibeventDispatcher::CallbackScope scope(dispatcher_);
  callback_(bits);
}

LibeventConnectionWatch::LibeventConnectionWatch(LibeventDispatcher& dispatcher, int fd, ReadyTask& task)
    : dispatcher_(dispatcher),
      task_(task),
      event_(
          dispatcher.base(), fd, EV_READ | EV_WRITE | EV_CLOSED | EV_ET | EV_PERSIST,
          [](evutil_socket_t, short what, void* self) {
            const auto* watch = static_cast<LibeventConnectionWatch*>(self);
            LibeventDispatcher::CallbackScope scope(watch->dispatcher_);
            watch->task_.onReady(fromLibevent(what));
          },
          this) {}

}  // namespace sluice::event
