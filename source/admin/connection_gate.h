#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include <event2/bufferevent.h>

#include "source/base/clock.h"
#include "source/base/weak_ref.h"
#include "source/event/libevent_dispatcher.h"
#include "source/event/timer.h"

namespace sluice::admin {

/**
 * Counts the connections of an evhttp server and ends those that cost too much, which evhttp 2.1 has no means for. It
 * makes each connection's buffers, so it knows that one came, and keeps a reference to them, so it finds out that evhttp
 * has let go of them; the socket closes then. A connection is ended by shutting its socket down, upon which evhttp finds
 * its end. Admin thread; outlives the evhttp server.
 */
class ConnectionGate {
 public:
  /** One above `max_connections` ends the one that is idle longest; if none is, itself. */
  ConnectionGate(event::LibeventDispatcher& dispatcher, uint32_t max_connections, std::chrono::milliseconds timeout);
  ~ConnectionGate();
  ConnectionGate(const ConnectionGate&) = delete;

  /** For evhttp_set_bevcb(). */
  bufferevent* makeConnection();

  /** A request of this connection has come in whole; or its answer has been handed over. */
  void requestBegan(bufferevent* connection);
  void requestEnded(bufferevent* connection);

  /** Bytes that are on their way to the clients of all connections. */
  size_t unsentBytes() const;

 private:
  struct Connection {
    bufferevent* buffers = nullptr;
    /** Unset until evhttp has given the buffers their socket, which it does right after they were made. */
    bool admitted = false;
    bool in_request = false;
    /** Its socket was shut down, and evhttp will find out. */
    bool ended = false;
    /** When it connected, its last answer ended, or its client last took bytes of the one under way. */
    base::MonotonicTime since;
    size_t unsent = 0;

    /** evhttp has let go of it. */
    bool gone() const;
    void end();
  };

  /** Learns the sockets of new connections, and keeps to the limit. */
  void admit();
  void makeRoomFor(size_t newest);
  void forgetThoseGone();
  /** Ends what is overdue. */
  void sweep();
  Connection* find(bufferevent* buffers);

  event::LibeventDispatcher& dispatcher_;
  const uint32_t max_connections_;
  const std::chrono::milliseconds timeout_;
  /** In order of connecting. */
  std::vector<Connection> connections_;
  const std::unique_ptr<event::Timer> sweep_timer_;
  /** Since the last sweep. */
  bool warned_ = false;
  const base::WeakAnchor<ConnectionGate> anchor_{this};
};

}  // namespace sluice::admin
