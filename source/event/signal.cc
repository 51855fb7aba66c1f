#include "source/event/signal.h"

#include "source/base/assert.h"

namespace sluice::event {

LibeventSignalEvent::LibeventSignalEvent(LibeventDispatcher& dispatcher, int signal, std::function<void()> callback)
    : dispatcher_(dispatcher),
      event_(
          dispatcher.base(), signal, EV_SIGNAL | EV_PERSIST,
          [](evutil_socket_t, short, void* argument) {
            auto* self = static_cast<LibeventSignalEvent*>(argument);
            LibeventDispatcher::CallbackScope scope(self->dispatcher_);
            self->callback_();
          },
          this),
      callback_(std::move(callback)) {
  const bool added = event_.add();
  SLUICE_CHECK(added, "the signal cannot be caught");
}

}  // namespace sluice::event
