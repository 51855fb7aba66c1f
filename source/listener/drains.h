#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "source/base/weak_ref.h"
#include "source/event/dispatcher.h"
#include "source/listener/chain_adoption.h"
#include "source/listener/workers.h"
#include "source/stats/stats.h"

namespace sluice::listener {

/**
 * What is on its way out: filter chains that no version has any more, and whole listeners. Their connections live until
 * they end by themselves or the drain time is over, whichever comes first. Main thread; owned by the listener manager.
 */
class Drains {
 public:
  Drains(event::Dispatcher& main, Workers& workers, std::chrono::milliseconds drain_time, stats::Gauge chains);
  ~Drains();

  /** Chains that the listener's newest version, which the workers were given before, has not. */
  void drainChains(uint64_t listener, std::vector<ChainIdentity> chains);
  /** The listener's chains that are still draining: a new version may adopt them. */
  std::vector<ChainIdentity> drainingChains(uint64_t listener) const;
  /** A new version, which the workers get next, has this chain again: it drains no more. */
  void revive(uint64_t listener, uint64_t chain);

  /**
   * Stops accepting (`sockets_closed`), drains all connections, then `gone`. Both on main, `gone` last.
   */
  void drainListener(uint64_t listener, std::function<void()> sockets_closed, std::function<void()> gone);

 private:
  struct ChainGroup {
    uint64_t listener = 0;
    std::vector<ChainIdentity> chains;
    std::unique_ptr<event::Timer> timer;
  };
  struct DrainingListener {
    std::function<void()> gone;
    std::unique_ptr<event::Timer> timer;
  };

  void onChainsTimeUp(uint64_t group);
  void onChainsDrained(uint64_t group);
  void onAcceptingStopped(uint64_t listener);
  void onListenerDrained(uint64_t listener);
  void showCount();

  event::Dispatcher& main_;
  Workers& workers_;
  const std::chrono::milliseconds drain_time_;
  const stats::Gauge draining_chains_;
  /** One for each update that left chains behind. */
  std::map<uint64_t, ChainGroup> groups_;
  uint64_t last_group_ = 0;
  std::map<uint64_t, DrainingListener> listeners_;
  base::WeakAnchor<Drains> anchor_{this};
};

}  // namespace sluice::listener
