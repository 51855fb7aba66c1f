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
  bool enabled() const override { return deadline_ != kNever; }

 private:
  void onTimeout();

  static constexpr base::MonotonicTime kNever = base::MonotonicTime::max();

  LibeventDispatcher& dispatcher_;
  EventHandle event_;
  SelfDeletingCallback<> callback_;
  /** kNever while disabled. */
  base::MonotonicTime deadline_ = kNever;
};

}  // namespace sluice::event
