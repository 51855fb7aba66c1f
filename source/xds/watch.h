#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"

#include "source/event/dispatcher.h"
#include "source/xds/subscription.h"
#include "source/xds/subscription_stats.h"

namespace sluice::xds {

/** One subscription as the mux sees it: who is told, of what, and what is counted. Main thread. */
class Watch {
 public:
  /** A timeout of zero waits for ever. */
  Watch(event::Dispatcher& main, uint64_t id, std::set<std::string> names, SubscriptionStats stats,
        std::chrono::milliseconds initial_fetch_timeout, ResourceWatcher& watcher);

  uint64_t id() const { return id_; }
  /** Decided when it was made: a subscription by name may come to want no name at all. */
  bool wildcard() const { return wildcard_; }
  const std::set<std::string>& names() const { return names_; }
  void setNames(std::set<std::string> names) { names_ = std::move(names); }
  ResourceWatcher& watcher() { return watcher_; }
  SubscriptionStats& stats() { return stats_; }

  /** There was a first answer, good or bad: nobody has to be told of its absence. */
  void answered() { fetch_timer_->disable(); }

 private:
  const uint64_t id_;
  const bool wildcard_;
  std::set<std::string> names_;
  SubscriptionStats stats_;
  ResourceWatcher& watcher_;
  std::unique_ptr<event::Timer> fetch_timer_;
};

/** The watches of one type, found by id, by what they want, or one after the other. Owns none. Main thread. */
class WatchTable {
 public:
  void add(Watch& watch);
  void remove(Watch& watch);
  void setNames(Watch& watch, std::set<std::string> names);

  /** Null if it has gone. */
  Watch* find(uint64_t id) const;
  /** Those that want this name by name. */
  const std::vector<Watch*>& wanting(const std::string& name) const;
  const std::vector<Watch*>& wildcards() const { return wildcards_; }
  bool hasNames() const { return !by_name_.empty(); }
  bool empty() const { return by_id_.empty(); }
  size_t size() const { return by_id_.size(); }
  /** `visit` may not change the table. */
  template <class Visit>
  void forEach(Visit&& visit) const {
    for (const auto& [id, watch] : by_id_) {
      visit(*watch);
    }
  }

 private:
  void index(Watch& watch, const std::set<std::string>& names);
  void unindex(Watch& watch, const std::set<std::string>& names);

  absl::flat_hash_map<uint64_t, Watch*> by_id_;
  absl::flat_hash_map<std::string, std::vector<Watch*>> by_name_;
  std::vector<Watch*> wildcards_;
};

}  // namespace sluice::xds
