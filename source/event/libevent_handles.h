#pragma once

#include <sys/time.h>

#include <chrono>
#include <memory>

#include <event2/event.h>
#include <event2/event_struct.h>

namespace sluice::event {

struct EventBaseDeleter {
  void operator()(event_base* base) const { event_base_free(base); }
};
using EventBaseHandle = std::unique_ptr<event_base, EventBaseDeleter>;

struct EventConfigDeleter {
  void operator()(event_config* config) const { event_config_free(config); }
};
using EventConfigHandle = std::unique_ptr<event_config, EventConfigDeleter>;

/**
 * libevent's event, inside its owner rather than on the heap; it ends with its owner. Deleting an event that is active
 * but has not run takes it back. The base's thread only.
 */
class EventHandle {
 public:
  EventHandle(event_base* base, int fd, short what, event_callback_fn callback, void* argument) {
    event_assign(&event_, base, fd, what, callback, argument);
  }
  EventHandle(const EventHandle&) = delete;
  EventHandle& operator=(const EventHandle&) = delete;
  ~EventHandle() { event_del(&event_); }

  /** False, with errno, if the kernel refuses the descriptor. */
  bool add() { return event_add(&event_, nullptr) == 0; }
  void addTimeout(std::chrono::microseconds after) {
    timeval interval;
    interval.tv_sec = static_cast<time_t>(after.count() / 1000000);
    interval.tv_usec = static_cast<suseconds_t>(after.count() % 1000000);
    event_add(&event_, &interval);
  }
  void remove() { event_del(&event_); }
  /** Only while removed. */
  void reassign(short what) {
    event_assign(&event_, event_get_base(&event_), event_get_fd(&event_), what, event_get_callback(&event_),
                 event_get_callback_arg(&event_));
  }

 private:
  struct ::event event_;
};

}  // namespace sluice::event
