#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "source/base/intrusive_list.h"
#include "source/event/deferred_delete.h"
#include "source/listener/listener_spec.h"
#include "source/net/connection.h"

namespace sluice::listener {

class LocalListener;
class LocalFilterChain;

/** A use of a listener's statistics: a change of address changes their names, but a connection ends where it began. */
struct StatsInUse {
  std::shared_ptr<const ListenerStats> stats;
  uint64_t uses = 0;
};

/**
 * A connection in its filter chain, from the match to its end. Owns itself while open; deletes itself (deferred) when
 * the connection has closed. Worker thread.
 */
class ActiveConnection final : public event::DeferredDeletable,
                               public base::ListHook,
                               private net::ConnectionCallbacks {
 public:
  ActiveConnection(LocalFilterChain& chain, StatsInUse& stats, std::unique_ptr<net::Connection> connection);
  ~ActiveConnection() override;

  net::Connection& connection() { return *connection_; }
  /** Closes it unless its transport's handshake is complete by then. */
  void limitHandshake(std::chrono::milliseconds limit);

 private:
  class HandshakeLimit;

  void onEvent(net::ConnectionEvent event) override;

  LocalFilterChain& chain_;
  StatsInUse& stats_;
  std::unique_ptr<net::Connection> connection_;
  std::unique_ptr<HandshakeLimit> handshake_limit_;
};

/**
 * A filter chain on one worker, with its connections, through all versions of the listener that share its structure:
 * update() gives living connections the newest configuration of their filters. Owned by the LocalListener; goes when it
 * has drained and its last connection was destroyed.
 */
class LocalFilterChain {
 public:
  LocalFilterChain(LocalListener& listener, std::shared_ptr<const FilterChain> config);
  ~LocalFilterChain();
  LocalFilterChain(const LocalFilterChain&) = delete;

  uint64_t id() const { return config_->id; }
  LocalListener& listener() { return listener_; }
  void update(std::shared_ptr<const FilterChain> config);

  /** Makes the connection with its filters and starts it. */
  void start(net::Socket socket, net::StreamInfo info, StatsInUse& stats);

  /** Connections that can be asked to go are, from now on. */
  void askToGo();
  /** `done` once no connection is left; the chain may be gone when this returns. */
  void drain(std::function<void()> done);
  /** Moves all connections to `list`, where they are about to be closed. */
  void moveConnections(base::IntrusiveList<ActiveConnection>& list) { list.take(connections_); }

 private:
  friend class ActiveConnection;
  /** The last thing that a connection does; the chain may be gone then. */
  void onConnectionDestroyed();

  LocalListener& listener_;
  std::shared_ptr<const FilterChain> config_;
  /** This worker's own, so that counting its references is no contest between workers. */
  std::shared_ptr<const std::string> name_;
  /** One for each filter; connections refer to them. */
  std::deque<net::LiveFilterConfig> live_;
  base::IntrusiveList<ActiveConnection> connections_;
  /** Closed ones that wait for their deletion included. */
  uint64_t alive_ = 0;
  std::function<void()> drained_;
};

}  // namespace sluice::listener
