#include "source/xds/watch.h"

#include <algorithm>
#include <utility>

#include "source/base/assert.h"

namespace sluice::xds {

Watch::Watch(event::Dispatcher& main, uint64_t id, std::set<std::string> names, SubscriptionStats stats,
             std::chrono::milliseconds initial_fetch_timeout, ResourceWatcher& watcher)
    : id_(id),
      wildcard_(names.empty()),
      names_(std::move(names)),
      stats_(std::move(stats)),
      watcher_(watcher),
      fetch_timer_(main.createTimer([this] {
        stats_.timedOut();
        // May destroy this watch.
        watcher_.onFetchFailure(FetchFailure::Timeout);
      })) {
  stats_.attempted();
  if (initial_fetch_timeout.count() > 0) {
    fetch_timer_->enable(initial_fetch_timeout);
  }
}

void WatchTable::add(Watch& watch) {
  by_id_.emplace(watch.id(), &watch);
  if (watch.wildcard()) {
    wildcards_.push_back(&watch);
  }
  index(watch, watch.names());
}

void WatchTable::remove(Watch& watch) {
  by_id_.erase(watch.id());
  wildcards_.erase(std::remove(wildcards_.begin(), wildcards_.end(), &watch), wildcards_.end());
  unindex(watch, watch.names());
}

void WatchTable::setNames(Watch& watch, std::set<std::string> names) {
  unindex(watch, watch.names());
  index(watch, names);
  watch.setNames(std::move(names));
}

Watch* WatchTable::find(uint64_t id) const {
  auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : found->second;
}

const std::vector<Watch*>& WatchTable::wanting(const std::string& name) const {
  static const std::vector<Watch*>& none = *new std::vector<Watch*>();
  auto found = by_name_.find(name);
  return found == by_name_.end() ? none : found->second;
}

void WatchTable::index(Watch& watch, const std::set<std::string>& names) {
  for (const std::string& name : names) {
    by_name_[name].push_back(&watch);
  }
}

void WatchTable::unindex(Watch& watch, const std::set<std::string>& names) {
  for (const std::string& name : names) {
    auto found = by_name_.find(name);
    SLUICE_CHECK(found != by_name_.end(), "a watch is indexed by each of its names");
    std::vector<Watch*>& watches = found->second;
    watches.erase(std::remove(watches.begin(), watches.end(), &watch), watches.end());
    if (watches.empty()) {
      by_name_.erase(found);
    }
  }
}

}  // namespace sluice::xds
