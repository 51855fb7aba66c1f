#pragma once

#include <functional>

#include "source/event/libevent_dispatcher.h"
#include "source/event/self_deleting_callback.h"

namespace sluice::event {

/**
 * One descriptor in the dispatcher's epoll set: one epoll_ctl to enter it, whatever the bits, and one to leave. Its
 * dispatcher's thread; owned by whoever asked for it; its callback may delete it.
 */
class LibeventFileEvent final : public FileEvent, private IntrusiveTask {
 public:
  LibeventFileEvent(LibeventDispatcher& dispatcher, int fd, Trigger trigger, uint32_t bits,
                    std::function<void(uint32_t bits)> callback);

  void activate(uint32_t bits) override;
  void setEnabled(uint32_t bits) override;

 private:
  /** The activation's turn has come. */
  void run() override;
  void add();
  void deliver(uint32_t bits);

  LibeventDispatcher& dispatcher_;
  EventHandle event_;
  SelfDeletingCallback<uint32_t> callback_;
  const Trigger trigger_;
  uint32_t enabled_bits_;
  uint32_t activated_bits_ = 0;
};

class LibeventConnectionWatch final : public ConnectionWatch {
 public:
  LibeventConnectionWatch(LibeventDispatcher& dispatcher, int fd, ReadyTask& task);
  bool add() { return event_.add(); }

 private:
  LibeventDispatcher& dispatcher_;
  ReadyTask& task_;
  EventHandle event_;
};

}  // namespace sluice::event
