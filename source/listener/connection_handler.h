#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"

#include "source/event/dispatcher.h"
#include "source/listener/listener_spec.h"
#include "source/net/socket.h"

namespace sluice::listener {

class LocalListener;

/** An accepted socket on its way to another worker, before anything was made of it. */
struct HandedSocket {
  uint64_t listener = 0;
  net::Socket socket;
  net::Address local;
  net::Address remote;
};

/** Takes accepted sockets to other workers. Called on any worker. */
class AcceptedSocketRouter {
 public:
  virtual ~AcceptedSocketRouter() = default;
  virtual uint32_t workerCount() const = 0;
  /** Gives it to that worker's ConnectionHandler::takeOver(), on its thread. */
  virtual void handOn(uint32_t worker, HandedSocket socket) = 0;
};

/**
 * A worker's listeners with their sockets and connections; does what the manager posts (workers.h tells the meaning).
 * Owned by the worker, used on its thread. `done` is called on that thread, and may come inside the call.
 */
class ConnectionHandler {
 public:
  using Done = std::function<void()>;

  ConnectionHandler(event::Dispatcher& dispatcher, uint32_t worker_index, ConnectionLimit& process_limit,
                    AcceptedSocketRouter& router);
  ~ConnectionHandler();
  ConnectionHandler(const ConnectionHandler&) = delete;

  void apply(ListenerAssignment assignment);
  void stopAccepting(uint64_t listener);
  void drainChains(uint64_t listener, const std::vector<uint64_t>& chains, Done done);
  void drainListener(uint64_t listener, Done done);
  void closeChains(uint64_t listener, const std::vector<uint64_t>& chains);
  void closeListener(uint64_t listener);
  void takeOver(HandedSocket socket);
  /** From a listener that has drained; `done` is its drainListener()'s. */
  void forget(uint64_t listener, Done done);

  /** Closes every socket and connection, at the thread's end; the deferred deletions are the caller's to run. */
  void shutdown();

  event::Dispatcher& dispatcher() { return dispatcher_; }
  uint32_t workerIndex() const { return worker_index_; }
  ConnectionLimit& processLimit() { return process_limit_; }
  AcceptedSocketRouter& router() { return router_; }

  // From listeners: which addresses' connections they take that others accepted.
  void claimAddresses(LocalListener& listener, const std::vector<net::Address>& addresses);
  void releaseAddresses(LocalListener& listener, const std::vector<net::Address>& addresses);
  /** The listener of that very address, else of all addresses with its port; null if there is none. */
  LocalListener* findByAddress(const net::Address& address) const;

 private:
  using AddressClaims = absl::flat_hash_map<net::Address, std::vector<LocalListener*>>;

  LocalListener* find(uint64_t listener);

  event::Dispatcher& dispatcher_;
  const uint32_t worker_index_;
  ConnectionLimit& process_limit_;
  AcceptedSocketRouter& router_;
  /** The newest claim last: two may overlap while one listener takes over from another. Outlives the listeners. */
  AddressClaims by_address_;
  absl::flat_hash_map<uint64_t, std::unique_ptr<LocalListener>> listeners_;
};

}  // namespace sluice::listener
