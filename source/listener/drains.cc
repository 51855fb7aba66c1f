#include "source/listener/drains.h"

#include <algorithm>
#include <utility>

namespace sluice::listener {

Drains::Drains(event::Dispatcher& main, Workers& workers, std::chrono::milliseconds drain_time, stats::Gauge chains)
    : main_(main), workers_(workers), drain_time_(drain_time), draining_chains_(chains) {
  showCount();
}

Drains::~Drains() = default;

void Drains::drainChains(uint64_t listener, std::vector<ChainIdentity> chains) {
  if (chains.empty()) {
    return;
  }
  std::vector<uint64_t> ids;
  for (const ChainIdentity& chain : chains) {
    ids.push_back(chain.id);
  }
  const uint64_t id = ++last_group_;
  const base::WeakRef<Drains> self = anchor_.ref();
  ChainGroup& group = groups_[id];
  group.listener = listener;
  group.chains = std::move(chains);
  group.timer = main_.createTimer([this, id] { onChainsTimeUp(id); });
  group.timer->enable(drain_time_);
  showCount();
  workers_.drainChains(listener, std::move(ids), [self, id] {
    if (self) {
      self->onChainsDrained(id);
    }
  });
}

void Drains::onChainsTimeUp(uint64_t group) {
  auto found = groups_.find(group);
  std::vector<uint64_t> ids;
  for (const ChainIdentity& chain : found->second.chains) {
    ids.push_back(chain.id);
  }
  // Their connections are being closed: too late to adopt them.
  workers_.closeChains(found->second.listener, std::move(ids));
  found->second.listener = 0;
}

void Drains::onChainsDrained(uint64_t group) {
  groups_.erase(group);
  showCount();
}

std::vector<ChainIdentity> Drains::drainingChains(uint64_t listener) const {
  std::vector<ChainIdentity> chains;
  for (const auto& [id, group] : groups_) {
    if (group.listener == listener) {
      chains.insert(chains.end(), group.chains.begin(), group.chains.end());
    }
  }
  return chains;
}

void Drains::revive(uint64_t listener, uint64_t chain) {
  for (auto& [id, group] : groups_) {
    if (group.listener == listener) {
      std::erase_if(group.chains, [chain](const ChainIdentity& other) { return other.id == chain; });
    }
  }
  showCount();
}

void Drains::drainListener(uint64_t listener, std::function<void()> sockets_closed, std::function<void()> gone) {
  listeners_[listener].gone = std::move(gone);
  const base::WeakRef<Drains> self = anchor_.ref();
  // Draining begins when every worker has stopped: until then one may hand an accepted socket on to another.
  workers_.stopAccepting(listener, [self, listener, sockets_closed = std::move(sockets_closed)] {
    sockets_closed();
    if (self) {
      self->onAcceptingStopped(listener);
    }
  });
}

void Drains::onAcceptingStopped(uint64_t listener) {
  DrainingListener& draining = listeners_[listener];
  draining.timer = main_.createTimer([this, listener] { workers_.closeListener(listener); });
  draining.timer->enable(drain_time_);
  const base::WeakRef<Drains> self = anchor_.ref();
  workers_.drainListener(listener, [self, listener] {
    if (self) {
      self->onListenerDrained(listener);
    }
  });
}

void Drains::onListenerDrained(uint64_t listener) {
  auto found = listeners_.find(listener);
  const std::function<void()> gone = std::move(found->second.gone);
  listeners_.erase(found);
  gone();
}

void Drains::showCount() {
  uint64_t count = 0;
  for (const auto& [id, group] : groups_) {
    count += group.chains.size();
  }
  draining_chains_.set(count);
}

}  // namespace sluice::listener
