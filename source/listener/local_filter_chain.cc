#include "source/listener/local_filter_chain.h"

#include <utility>

#include "source/base/assert.h"
#include "source/base/logging.h"
#include "source/event/deadline.h"
#include "source/listener/local_listener.h"

namespace sluice::listener {

class ActiveConnection::HandshakeLimit final : public event::Deadline {
 public:
  explicit HandshakeLimit(ActiveConnection& connection) : connection_(connection) {}

 private:
  void onDeadline() override {
    connection_.stats_.stats->cx_transport_socket_connect_timeout.inc();
    net::Connection& connection = connection_.connection();
    connection.streamInfo().connection_termination_details = "transport socket timeout was reached";
    connection.close(net::CloseType::NoFlush, "transport_socket_timeout");
  }
  ActiveConnection& connection_;
};

ActiveConnection::ActiveConnection(LocalFilterChain& chain, StatsInUse& stats,
                                   std::unique_ptr<net::Connection> connection)
    : chain_(chain), stats_(stats), connection_(std::move(connection)) {
  const ListenerStats& counted = *stats_.stats;
  const ListenerStats::PerWorker& worker = counted.workers[chain_.listener().workerIndex()];
  counted.cx_total.inc();
  counted.cx_active.inc();
  worker.cx_total.inc();
  worker.cx_active.inc();
  ++stats_.uses;
  ++chain_.alive_;
  chain_.listener().onConnectionMade();
  // Before the filters', which may close the connection while they are set up.
  connection_->addCallbacks(*this);
}

ActiveConnection::~ActiveConnection() {
  chain_.listener().log(connection_->streamInfo());
  // The filters go now: they refer to the chain's configurations, and the chain may go with its last connection.
  connection_.reset();
  chain_.listener().releaseStats(stats_);
  chain_.onConnectionDestroyed();
}

void ActiveConnection::onEvent(net::ConnectionEvent event) {
  handshake_limit_.reset();
  if (event == net::ConnectionEvent::Connected) {
    return;
  }
  event::Dispatcher& dispatcher = connection_->dispatcher();
  net::StreamInfo& info = connection_->streamInfo();
  if (!info.end_monotonic) {
    info.end_monotonic = dispatcher.now();
  }
  const ListenerStats& counted = *stats_.stats;
  const ListenerStats::PerWorker& worker = counted.workers[chain_.listener().workerIndex()];
  counted.cx_active.dec();
  counted.cx_destroy.inc();
  worker.cx_active.dec();
  counted.cx_length_ms.record(static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(*info.end_monotonic - info.start_monotonic).count()));
  chain_.listener().releasePlace();
  connection_->removeCallbacks(*this);
  unlink();
  dispatcher.deferredDelete(std::unique_ptr<event::DeferredDeletable>(this));
}

void ActiveConnection::limitHandshake(std::chrono::milliseconds limit) {
  handshake_limit_ = std::make_unique<HandshakeLimit>(*this);
  connection_->dispatcher().deadlines().set(*handshake_limit_, limit);
}

LocalFilterChain::LocalFilterChain(LocalListener& listener, std::shared_ptr<const FilterChain> config)
    : listener_(listener), config_(std::move(config)), name_(std::make_shared<const std::string>(*config_->name)) {
  for (const auto& filter : config_->filters) {
    live_.emplace_back(filter);
  }
}

LocalFilterChain::~LocalFilterChain() { SLUICE_CHECK(alive_ == 0, "a filter chain outlives its connections"); }

void LocalFilterChain::update(std::shared_ptr<const FilterChain> config) {
  // A version that has the chain again takes it out of its draining.
  if (drained_ != nullptr) {
    for (net::LiveFilterConfig& live : live_) {
      live.setDraining(std::nullopt);
    }
    std::exchange(drained_, nullptr)();
  }
  if (config == config_) {
    return;
  }
  SLUICE_CHECK(config->id == id() && config->filters.size() == live_.size(), "a chain keeps its structure");
  config_ = std::move(config);
  if (*name_ != *config_->name) {
    name_ = std::make_shared<const std::string>(*config_->name);
  }
  for (size_t i = 0; i < live_.size(); ++i) {
    live_[i].replace(config_->filters[i]);
  }
}

void LocalFilterChain::start(net::Socket socket, net::StreamInfo info, StatsInUse& stats) {
  info.filter_chain_name = name_;
  std::unique_ptr<net::Connection> made = net::Connection::server(listener_.dispatcher(), std::move(socket),
                                                                  config_->transport->create({}), std::move(info));
  net::Connection& connection = *made;
  // It is in the list, or about to be deleted, until its connection closes; nothing else owns it.
  auto* active = new ActiveConnection(*this, stats, std::move(made));
  connections_.pushBack(*active);

  if (live_.empty()) {
    stats.stats->network_extension_config_missing.inc();
    LOG_DEBUG(conn_handler, "closing connection {} from {}: its filter chain has no filters", connection.id(),
              connection.streamInfo().downstream_remote.toString());
    connection.close(net::CloseType::NoFlush, "no_network_filters");
    return;
  }
  // What can send at once waits for no handshake.
  if (config_->connect_timeout.count() > 0 && !connection.transport().canFlush()) {
    active->limitHandshake(config_->connect_timeout);
  }
  connection.setBufferLimit(listener_.spec().per_connection_buffer_limit);
  for (size_t i = 0; i < live_.size(); ++i) {
    config_->filters[i]->addTo(connection, live_[i]);
  }
  if (connection.state() == net::Connection::State::Open) {
    connection.initializeReadFilters();
  }
}

void LocalFilterChain::askToGo() {
  for (net::LiveFilterConfig& live : live_) {
    live.setDraining(listener_.dispatcher().now());
  }
}

void LocalFilterChain::drain(std::function<void()> done) {
  drained_ = std::move(done);
  askToGo();
  if (alive_ == 0) {
    listener_.onChainDrained(*this, std::move(drained_));
  }
}

void LocalFilterChain::onConnectionDestroyed() {
  --alive_;
  LocalListener& listener = listener_;
  if (alive_ == 0 && drained_ != nullptr) {
    listener.onChainDrained(*this, std::move(drained_));
  }
  listener.onConnectionDestroyed();
}

}  // namespace sluice::listener
