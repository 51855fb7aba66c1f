#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"

#include "source/base/intrusive_list.h"
#include "source/event/dispatcher.h"
#include "source/listener/acceptor.h"
#include "source/listener/connection_handler.h"
#include "source/listener/local_filter_chain.h"
#include "source/listener/pending_socket.h"

namespace sluice::listener {

/**
 * A listener on one worker, through all its versions: acceptors, sockets in their listener filters, filter chains with
 * their connections. docs/life_of_a_connection.md tells the way. Owned by the ConnectionHandler; worker thread.
 */
class LocalListener final : public event::DeferredDeletable {
 public:
  LocalListener(ConnectionHandler& handler, uint64_t id);
  ~LocalListener() override;
  LocalListener(const LocalListener&) = delete;

  // What the ConnectionHandler is told (workers.h).
  void apply(ListenerAssignment assignment);
  void stopAccepting();
  void drainChains(const std::vector<uint64_t>& chains, std::function<void()> done);
  /** `done` and forgetting the listener come once nothing of it is left. */
  void drain(std::function<void()> done);
  void closeChains(const std::vector<uint64_t>& chains);
  void closeAll();
  /** As closeAll(), in this turn. */
  void shutdown();

  // From the acceptors, and from other workers'.
  void onAccepted(net::Socket socket, const net::Address& remote, const Acceptor& acceptor);
  void takeOver(net::Socket socket, const net::Address& local, const net::Address& remote);
  /** From another listener of this worker, that the connection came to and was not meant for; it stays here. */
  void takeHandedOn(net::Socket socket, net::StreamInfo info);

  // From the sockets in their listener filters: they hold places of the connection limits.
  /** Finds the connection's filter chain and gives it to it, or hands it on to the listener that it was meant for. */
  void onListenerFiltersDone(net::Socket socket, net::StreamInfo info, bool handed_on);
  /** The socket was refused before it became a connection. */
  void onSocketRefused(net::Socket socket, const net::StreamInfo& info);

  // From the filter chains.
  void log(const net::StreamInfo& info) const;
  void releasePlace();
  void releaseStats(StatsInUse& stats);
  void onChainDrained(LocalFilterChain& chain, std::function<void()> done);
  void onConnectionMade() { ++connections_; }
  void onConnectionDestroyed();

  event::Dispatcher& dispatcher() { return handler_.dispatcher(); }
  uint32_t workerIndex() const { return handler_.workerIndex(); }
  const ListenerSpec& spec() const { return *spec_; }
  const std::shared_ptr<const ListenerSpec>& sharedSpec() const { return spec_; }
  const ListenerStats& stats() const { return *spec_->stats; }

 private:
  /** Closes a number of connections each turn. */
  class CloseTask final : public event::IntrusiveTask {
   public:
    explicit CloseTask(LocalListener& owner) : owner_(owner) {}

   private:
    void run() override { owner_.closeSome(); }
    LocalListener& owner_;
  };

  bool takePlace(const net::Address& remote);
  void begin(net::Socket socket, net::StreamInfo info, bool handed_on);
  LocalListener* meantListener(const net::StreamInfo& info);
  void updateAcceptors(ListenerAssignment& assignment, bool backlog_changed);
  void updateChains();
  LocalFilterChain* chainFor(const net::StreamInfo& info);
  LocalFilterChain* localChain(const std::shared_ptr<const FilterChain>& config, LocalFilterChain*& known);
  void failPendingSockets();
  void closeSome();
  void checkDrained();

  ConnectionHandler& handler_;
  const uint64_t id_;
  std::shared_ptr<const ListenerSpec> spec_;
  std::list<StatsInUse> stats_in_use_;
  std::vector<std::unique_ptr<Acceptor>> acceptors_;
  base::IntrusiveList<PendingSocket> pending_;

  absl::flat_hash_map<uint64_t, std::unique_ptr<LocalFilterChain>> chains_;
  /** As spec_->chains, and after them the default chain; null until the first connection. */
  std::vector<LocalFilterChain*> current_chains_;

  /** Closed ones that wait for their deletion included. */
  uint64_t connections_ = 0;
  base::IntrusiveList<ActiveConnection> to_close_;
  CloseTask close_task_{*this};
  uint32_t next_worker_ = 0;
  std::function<void()> drained_;
  bool draining_ = false;
  /** It takes no new connections any more, and is handed none. */
  bool stopped_ = false;
};

}  // namespace sluice::listener
