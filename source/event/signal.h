#pragma once

#include <functional>

#include "source/event/libevent_dispatcher.h"
#include "source/event/self_deleting_callback.h"

namespace sluice::event {

/**
 * A signal of the process, as a callback in main's I/O phase. libevent hands signals to one base only, which is main's.
 * Owned by whoever asked for it; its callback may delete it.
 */
class LibeventSignalEvent final : public SignalEvent {
 public:
  LibeventSignalEvent(LibeventDispatcher& dispatcher, int signal, std::function<void()> callback);

 private:
  LibeventDispatcher& dispatcher_;
  EventHandle event_;
  SelfDeletingCallback<> callback_;
};

}  // namespace sluice::event
