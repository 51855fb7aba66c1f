#pragma once

#include <chrono>
#include <memory>

#include "source/base/clock.h"
#include "source/base/weak_ref.h"
#include "source/event/dispatcher.h"

namespace sluice::cluster {

class ConnectDeadlines;

/** Something that must be done by its time; a link in ConnectDeadlines' list, so that waiting allocates nothing. */
class ConnectDeadline {
 public:
  ConnectDeadline() = default;
  ConnectDeadline(const ConnectDeadline&) = delete;
  virtual ~ConnectDeadline() { cancel(); }
  void cancel();

 protected:
  /** The time is over; the deadline is out of its list, and may be deleted by this. */
  virtual void onDeadline() = 0;

 private:
  friend class ConnectDeadlines;
  ConnectDeadline* next_ = nullptr;
  ConnectDeadline* previous_ = nullptr;
  base::MonotonicTime at_;
};

/**
 * The deadlines of a cluster's connection attempts on one worker. As all of them wait equally long, the next to end is at
 * the head of a list, and one timer serves them all: it is armed for the head and looks again when it fires, so that an
 * attempt that succeeds costs no timer. One thread; outlives its deadlines.
 */
class ConnectDeadlines {
 public:
  explicit ConnectDeadlines(event::Dispatcher& dispatcher);
  ~ConnectDeadlines();

  void add(ConnectDeadline& deadline, std::chrono::milliseconds after);

 private:
  class Head : public ConnectDeadline {
    void onDeadline() override {}
  };

  void onTimer();
  void arm();

  event::Dispatcher& dispatcher_;
  Head head_;
  std::unique_ptr<event::Timer> timer_;
  base::WeakAnchor<ConnectDeadlines> anchor_{this};
};

}  // namespace sluice::cluster
