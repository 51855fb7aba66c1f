#pragma once

#include <functional>

#include "source/event/libevent_dispatcher.h"
#include "source/event/self_deleting_callback.h"

namespace sluice::event {

/** A timer in libevent's heap. Its dispatcher's thread; owned by whoever asked for it; its callback may delete it. */
class LibeventTimer final : public Timer {
 public:
  LibeventTimer(LibeventDispatcher& dispatcher, std::function<void()> callback);

  void enable(std::chrono::milliseconds after) override;
  void enableMicroseconds(std::chrono::microseconds after) override;
  void disable() override;
  bool enabled() const override { return enabled_; }

 private:
  void onTimeout();

  LibeventDispatcher& dispatcher_;
  EventHandle event_;
  SelfDeletingCallback<> callback_;
  base::MonotonicTime deadline_;
  bool enabled_ = false;
};

}  // namespace sluice::event
