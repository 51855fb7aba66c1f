#include "source/listener/local_listener.h"

#include <algorithm>
#include <utility>

#include "source/base/assert.h"
#include "source/base/logging.h"
#include "source/net/connection_subject.h"

namespace sluice::listener {
namespace {

/** Each close is several system calls, and its filters close their other sides: some hundred microseconds in all. */
constexpr int kClosesPerTurn = 32;

}  // namespace

LocalListener::LocalListener(ConnectionHandler& handler, uint64_t id) : handler_(handler), id_(id) {}

LocalListener::~LocalListener() {
  if (spec_ != nullptr) {
    handler_.releaseAddresses(*this, spec_->addresses);
  }
}

void LocalListener::apply(ListenerAssignment assignment) {
  const std::shared_ptr<const ListenerSpec> old = std::exchange(spec_, std::move(assignment.spec));
  if (stats_in_use_.empty() || stats_in_use_.back().stats != spec_->stats) {
    if (!stats_in_use_.empty() && stats_in_use_.back().uses == 0) {
      stats_in_use_.pop_back();
    }
    stats_in_use_.push_back({spec_->stats, 0});
  }
  if (old != nullptr) {
    handler_.releaseAddresses(*this, old->addresses);
  }
  if (!stopped_) {
    handler_.claimAddresses(*this, spec_->addresses);
  }
  updateChains();
  // After the rest: what is accepted out of closing queues becomes connections of the new version.
  updateAcceptors(assignment, old != nullptr && old->backlog != spec_->backlog);
}

void LocalListener::updateChains() {
  current_chains_.assign(spec_->chains.size() + 1, nullptr);
  for (size_t i = 0; i <= spec_->chains.size(); ++i) {
    const auto& config = i < spec_->chains.size() ? spec_->chains[i] : spec_->default_chain;
    if (config == nullptr) {
      continue;
    }
    if (auto found = chains_.find(config->id); found != chains_.end()) {
      found->second->update(config);
      current_chains_[i] = found->second.get();
    }
  }
}

void LocalListener::updateAcceptors(ListenerAssignment& assignment, bool backlog_changed) {
  for (size_t i = 0; i < acceptors_.size();) {
    Acceptor& acceptor = *acceptors_[i];
    if (std::find(assignment.kept_sets.begin(), assignment.kept_sets.end(), acceptor.set()) ==
        assignment.kept_sets.end()) {
      acceptor.acceptRemaining();
      acceptors_.erase(acceptors_.begin() + i);
      continue;
    }
    if (backlog_changed) {
      acceptor.setBacklog(spec_->backlog);
    }
    ++i;
  }
  for (WorkerSocket& socket : assignment.new_sockets) {
    acceptors_.push_back(std::make_unique<Acceptor>(dispatcher(), std::move(socket), *this));
  }
}

void LocalListener::stopAccepting() {
  stopped_ = true;
  handler_.releaseAddresses(*this, spec_->addresses);
  for (auto& acceptor : acceptors_) {
    acceptor->acceptRemaining();
  }
  acceptors_.clear();
}

void LocalListener::drainChains(const std::vector<uint64_t>& chains, std::function<void()> done) {
  auto left = std::make_shared<size_t>(1);
  auto one_done = [left, done = std::move(done)] {
    if (--*left == 0) {
      done();
    }
  };
  for (uint64_t id : chains) {
    if (auto found = chains_.find(id); found != chains_.end()) {
      ++*left;
      found->second->drain(one_done);
    }
  }
  one_done();
}

void LocalListener::drain(std::function<void()> done) {
  draining_ = true;
  stopped_ = true;
  drained_ = std::move(done);
  handler_.releaseAddresses(*this, spec_->addresses);
  for (auto& [id, chain] : chains_) {
    chain->askToGo();
  }
  checkDrained();
}

void LocalListener::closeChains(const std::vector<uint64_t>& chains) {
  for (uint64_t id : chains) {
    if (auto found = chains_.find(id); found != chains_.end()) {
      found->second->moveConnections(to_close_);
    }
  }
  dispatcher().runNextTurn(close_task_);
}

void LocalListener::closeAll() {
  failPendingSockets();
  for (auto& [id, chain] : chains_) {
    chain->moveConnections(to_close_);
  }
  dispatcher().runNextTurn(close_task_);
}

void LocalListener::shutdown() {
  acceptors_.clear();
  closeAll();
  close_task_.unlink();
  while (!to_close_.empty()) {
    closeSome();
  }
  close_task_.unlink();
}

void LocalListener::failPendingSockets() {
  while (!pending_.empty()) {
    pending_.front()->abandon();
  }
}

void LocalListener::closeSome() {
  for (int i = 0; i < kClosesPerTurn && !to_close_.empty(); ++i) {
    ActiveConnection& connection = *to_close_.front();
    // Out of the list first, so that whatever closing does it is tried once.
    connection.unlink();
    connection.connection().close(net::CloseType::NoFlush, "drain_time_completed");
  }
  if (!to_close_.empty()) {
    dispatcher().runNextTurn(close_task_);
  }
}

bool LocalListener::takePlace(const net::Address& remote) {
  ConnectionLimit& process = handler_.processLimit();
  if (spec_->ignore_global_limit) {
    process.acquire();
  } else if (!process.tryAcquire()) {
    stats().global_cx_overflow.inc();
    LOG_TRACE(conn_handler, "closing a connection from {}: the process has as many as it may have", remote.toString());
    return false;
  }
  if (!spec_->limit->tryAcquire()) {
    process.release();
    stats().cx_overflow.inc();
    LOG_TRACE(conn_handler, "closing a connection from {}: listener {} has as many as it may have", remote.toString(),
              *spec_->name);
    return false;
  }
  return true;
}

void LocalListener::releasePlace() {
  spec_->limit->release();
  handler_.processLimit().release();
}

void LocalListener::onAccepted(net::Socket socket, const net::Address& remote, const Acceptor& acceptor) {
  net::Address local = acceptor.exactLocal();
  if (local.kind() == net::Address::Kind::None) {
    absl::StatusOr<net::Address> own = net::localAddress(socket);
    local = own.ok() ? *std::move(own) : acceptor.bound();
  }
  if (acceptor.handsOn()) {
    AcceptedSocketRouter& router = handler_.router();
    const uint32_t worker = next_worker_;
    next_worker_ = next_worker_ + 1 < router.workerCount() ? next_worker_ + 1 : 0;
    if (worker != workerIndex()) {
      router.handOn(worker, HandedSocket{id_, std::move(socket), local, remote});
      return;
    }
  }
  takeOver(std::move(socket), local, remote);
}

void LocalListener::takeOver(net::Socket socket, const net::Address& local, const net::Address& remote) {
  if (!takePlace(remote)) {
    return;
  }
  net::StreamInfo info;
  info.start_time = dispatcher().systemNow();
  info.start_monotonic = dispatcher().now();
  info.downstream_local = local;
  // A Unix client's socket has no name: as in Envoy, the name that it came to stands for it.
  const bool nameless = remote.kind() == net::Address::Kind::Pipe && remote.path().empty();
  info.downstream_remote = nameless ? local : remote;
  info.downstream_direct_remote = info.downstream_remote;
  begin(std::move(socket), std::move(info), false);
}

void LocalListener::takeHandedOn(net::Socket socket, net::StreamInfo info) {
  if (takePlace(info.downstream_remote)) {
    begin(std::move(socket), std::move(info), true);
  }
}

void LocalListener::begin(net::Socket socket, net::StreamInfo info, bool handed_on) {
  if (spec_->listener_filters.empty()) {
    onListenerFiltersDone(std::move(socket), std::move(info), handed_on);
    return;
  }
  auto* pending = new PendingSocket(*this, std::move(socket), std::move(info), handed_on);
  pending_.pushBack(*pending);
  pending->start();
}

LocalListener* LocalListener::meantListener(const net::StreamInfo& info) {
  if (!spec_->use_original_dst || info.extras == nullptr || !info.extras->local_address_restored) {
    return nullptr;
  }
  LocalListener* meant = handler_.findByAddress(info.downstream_local);
  return meant == this ? nullptr : meant;
}

void LocalListener::onListenerFiltersDone(net::Socket socket, net::StreamInfo info, bool handed_on) {
  if (LocalListener* meant = handed_on ? nullptr : meantListener(info); meant != nullptr) {
    releasePlace();
    meant->takeHandedOn(std::move(socket), std::move(info));
    checkDrained();
    return;
  }
  LocalFilterChain* chain = chainFor(info);
  if (chain == nullptr) {
    stats().no_filter_chain_match.inc();
    info.response_flags |= net::response_flag::kNoRouteFound;
    info.response_code_details = "filter_chain_not_found";
    LOG_DEBUG(conn_handler, "closing a connection from {} to {}: no filter chain of listener {} matches",
              info.downstream_remote.toString(), info.downstream_local.toString(), *spec_->name);
    onSocketRefused(std::move(socket), info);
    return;
  }
  chain->start(std::move(socket), std::move(info), stats_in_use_.back());
}

void LocalListener::onSocketRefused(net::Socket socket, const net::StreamInfo& info) {
  log(info);
  socket.close();
  releasePlace();
  checkDrained();
}

LocalFilterChain* LocalListener::chainFor(const net::StreamInfo& info) {
  const uint32_t index = spec_->matcher_tree == nullptr ? spec_->matcher.find(FilterChainInput::of(info))
                                                        : spec_->matcher_tree->find(net::ConnectionSubject(info));
  if (index == ListenerSpec::kMissingChain) {
    return nullptr;
  }
  if (index != FilterChainMatcher::kNone) {
    return localChain(spec_->chains[index], current_chains_[index]);
  }
  return spec_->default_chain == nullptr ? nullptr : localChain(spec_->default_chain, current_chains_.back());
}

LocalFilterChain* LocalListener::localChain(const std::shared_ptr<const FilterChain>& config,
                                            LocalFilterChain*& known) {
  if (known == nullptr) {
    auto made = std::make_unique<LocalFilterChain>(*this, config);
    known = made.get();
    chains_.emplace(config->id, std::move(made));
  }
  return known;
}

void LocalListener::log(const net::StreamInfo& info) const {
  for (const auto& logger : spec_->access_logs) {
    logger->log({info, access_log::LogType::NotSet});
  }
}

void LocalListener::releaseStats(StatsInUse& stats) {
  if (--stats.uses == 0 && &stats != &stats_in_use_.back()) {
    stats_in_use_.remove_if([&stats](const StatsInUse& other) { return &other == &stats; });
  }
}

void LocalListener::onChainDrained(LocalFilterChain& chain, std::function<void()> done) {
  // What is drained is no chain of the newest version, so nothing points at it.
  chains_.erase(chain.id());
  done();
}

void LocalListener::onConnectionDestroyed() {
  --connections_;
  checkDrained();
}

void LocalListener::checkDrained() {
  if (!draining_ || !pending_.empty() || connections_ > 0) {
    return;
  }
  draining_ = false;
  handler_.forget(id_, std::move(drained_));
}

}  // namespace sluice::listener
