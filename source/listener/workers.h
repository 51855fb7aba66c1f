#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "source/listener/listener_spec.h"

namespace sluice::listener {

/**
 * All workers, as the listener manager drives them. Called on main; each call is carried out on every worker, in order
 * of calling, and `done` runs on main after the last worker has done it (not at all once the workers are stopped).
 * WorkerPool is the real one; the manager's tests have a fake.
 */
class Workers {
 public:
  using Done = std::function<void()>;

  virtual ~Workers() = default;
  virtual uint32_t count() const = 0;

  /** Adds or updates a listener; one assignment for each worker. */
  virtual void apply(std::vector<ListenerAssignment> assignments, Done done) = 0;
  /** Accepts what waits in the listener's queues, then closes its sockets. Its connections go on. */
  virtual void stopAccepting(uint64_t listener, Done done) = 0;
  /**
   * `done` when no worker has a connection of these chains left. They are no part of the listener's newest version any
   * more.
   */
  virtual void drainChains(uint64_t listener, std::vector<uint64_t> chains, Done done) = 0;
  /** As drainChains, of all that a listener has, sockets in its listener filters included; then it is forgotten. */
  virtual void drainListener(uint64_t listener, Done done) = 0;
  /** Closes what is left of the chains: their drain time is over. What drainChains() waits for follows. */
  virtual void closeChains(uint64_t listener, std::vector<uint64_t> chains) = 0;
  virtual void closeListener(uint64_t listener) = 0;
};

}  // namespace sluice::listener
