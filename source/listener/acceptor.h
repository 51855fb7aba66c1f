#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "source/base/clock.h"
#include "source/event/dispatcher.h"
#include "source/listener/listener_spec.h"

namespace sluice::listener {

class LocalListener;

/**
 * One listening descriptor on one worker. Level-triggered, with a budget for each event, so that a flood of connections
 * leaves the others their turn. When accepting fails for want of descriptors or for a reason that is not one
 * connection's, it stops looking for a while instead of spinning on an event that stays ready. Owned by the LocalListener, which it gives the sockets to and which does not delete it
 * then.
 */
class Acceptor {
 public:
  Acceptor(event::Dispatcher& dispatcher, WorkerSocket socket, LocalListener& owner);
  ~Acceptor();
  Acceptor(const Acceptor&) = delete;

  uint64_t set() const { return socket_.set; }
  /** Kind::None when each connection has its own (a wildcard, or a transparent socket). */
  const net::Address& exactLocal() const { return exact_local_; }
  /** What the socket is bound to. */
  const net::Address& bound() const { return socket_.local; }

  bool handsOn() const { return socket_.hands_on; }

  void setBacklog(int backlog);
  /**
   * Takes all that waits in the queue: closing a SO_REUSEPORT socket resets what is in it. What finishes its handshake
   * between the last accept and the close is lost, so the Acceptor is destroyed right after.
   */
  void acceptRemaining();

 private:
  enum class Outcome { Accepted, QueueEmpty, Paused };

  void onReady();
  Outcome acceptOne();
  void pause(int error);

  event::Dispatcher& dispatcher_;
  LocalListener& owner_;
  WorkerSocket socket_;
  const net::Address exact_local_;
  std::unique_ptr<event::FileEvent> event_;
  std::unique_ptr<event::Timer> resume_timer_;
  std::optional<base::MonotonicTime> last_warning_;
};

}  // namespace sluice::listener
