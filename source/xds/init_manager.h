#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "source/base/clock.h"

namespace sluice::xds {

/**
 * Something that must be there before its resource may serve: endpoints, a secret, a route table. Owned by whoever
 * provides it; either side may go first. Main thread.
 *
 *   Waiting --initialize()--> Started --ready()--> Ready
 */
class InitTarget {
 public:
  /** `description` as the admin pages print it ("EDS endpoints of cluster be"); `start` is called at most once. */
  InitTarget(std::string description, std::function<void()> start);
  ~InitTarget();
  InitTarget(const InitTarget&) = delete;

  /** May be called at any time, also before initialize() and more than once. */
  void ready();
  bool isReady() const;

 private:
  friend class InitManager;
  struct State;
  std::shared_ptr<State> state_;
};

/** Waits for a set of targets, then calls back once. A target that is destroyed counts as ready. Main thread. */
class InitManager {
 public:
  enum class Phase { Uninitialized, Initializing, Initialized };

  explicit InitManager(std::string name);
  ~InitManager();
  InitManager(const InitManager&) = delete;

  /** While Initializing, the target is started at once. */
  void add(InitTarget& target);
  /** Starts all targets; `on_ready` is called once, at once if nothing is waited for. Destroying the manager cancels it. */
  void initialize(std::function<void()> on_ready);
  Phase phase() const;
  const std::string& name() const;

  struct Pending {
    std::string target;
    base::MonotonicTime since;
  };
  /** What is still waited for: /init_dump and the warming page. */
  std::vector<Pending> pending() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace sluice::xds
