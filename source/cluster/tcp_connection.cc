#include "source/cluster/tcp_connection.h"

#include <chrono>

#include "source/base/logging.h"
#include "source/cluster/connection_stats.h"

namespace sluice::cluster {

namespace {

uint64_t millisecondsBetween(base::MonotonicTime from, base::MonotonicTime to) {
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(to - from).count());
}

}  // namespace

TcpConnection::TcpConnection(LocalCluster& cluster, const EndpointSet::Entry& entry, TcpUpstreamCallbacks& callbacks,
                             const ConnectionOptions* options)
    : cluster_(&cluster),
      info_(cluster.localInfo()),
      endpoint_(entry.endpoint),
      requests_(endpoint_->requestsOf(&cluster.dispatcher())),
      callbacks_(callbacks),
      start_(cluster.dispatcher().now()) {
  const ConnectionRecipe& recipe = *info().recipeOf(entry);
  net::TransportSocketTarget target{nullptr, endpoint_->hostname()};
  if (options != nullptr && (recipe.reads_options || recipe.reads_addresses)) {
    target.options = std::make_shared<const net::TransportSocketOptions>(options->transport);
  }
  const bool bound = options != nullptr && options->source.isIp();
  connection_ = net::Connection::client(cluster.dispatcher(), endpoint_->address(), recipe.transport->create(target),
                                        bound ? socketOptions(recipe, options) : recipe.socket);
  const ClusterStats& stats = info().stats;
  connection_->setStats(connectionStats(stats));
  connection_->setBufferLimit(info().buffer_limit_bytes);
  connection_->enableHalfClose(true);
  connection_->addCallbacks(*this);
  stats.upstream_cx_total.inc();
  stats.upstream_cx_active.inc();
  stats.upstream_rq_pending_total.inc();
  stats.upstream_rq_pending_active.inc();
  endpoint_->counts().cx_total.fetch_add(1, std::memory_order_relaxed);
  cluster.dispatcher().deadlines().set(*this, info().connect_timeout);
  connection_->connect();
}

TcpConnection::~TcpConnection() {
  cancel();
  connection_->removeCallbacks(*this);
  end(End::Abandoned);
  if (connection_->state() != net::Connection::State::Closed) {
    connection_->close(net::CloseType::NoFlush);
  }
  // Its frames may be on the stack.
  event::Dispatcher& dispatcher = connection_->dispatcher();
  dispatcher.deferredDelete(std::move(connection_));
}

void TcpConnection::describe(net::UpstreamInfo& to) const {
  to.cluster_name = info().name;
  to.cluster_alt_stat_name = info().observability_name;
  to.cluster_metadata = info().metadata;
  to.host_name = endpoint_->logName();
  to.host = endpoint_->address();
  to.connection_id = connection_->id();
  to.connect_start = start_;
  if (state_ != State::Connecting && connected_at_ != base::MonotonicTime()) {
    to.connect_complete = connected_at_;
    if (to.local.kind() == net::Address::Kind::None && connection_->socket().isOpen()) {
      absl::StatusOr<net::Address> local = net::localAddress(connection_->socket());
      if (local.ok()) {
        to.local = *std::move(local);
      }
    }
  }
  // As late as it can be asked: it may have begun long after the connection.
  if (auto tls = connection_->transport().tlsInfo(); tls != nullptr) {
    to.tls = std::move(tls);
  }
  to.bytes_sent = connection_->bytesSent();
  to.bytes_received = connection_->bytesReceived();
}

void TcpConnection::pauseReading() {
  info().stats.upstream_flow_control_paused_reading_total.inc();
  connection_->readDisable(true);
}

void TcpConnection::resumeReading() {
  info().stats.upstream_flow_control_resumed_reading_total.inc();
  connection_->readDisable(false);
}

void TcpConnection::countAttemptsExceeded() { info().stats.upstream_cx_connect_attempts_exceeded.inc(); }

void TcpConnection::onEvent(net::ConnectionEvent event) {
  const ClusterStats& stats = info().stats;
  if (event == net::ConnectionEvent::Connected) {
    if (state_ != State::Connecting) {
      // It was up in the clear before it began TLS.
      return;
    }
    cancel();
    state_ = State::Up;
    connected_at_ = cluster_->dispatcher().now();
    info().breakers->pending().release();
    stats.upstream_rq_pending_active.dec();
    stats.upstream_rq_total.inc();
    stats.upstream_rq_active.inc();
    requests_.countTotal();
    requests_.addActive(1);
    stats.upstream_cx_connect_ms.record(millisecondsBetween(start_, connected_at_));
    callbacks_.onUpstreamConnected();
    return;
  }
  const End how = event == net::ConnectionEvent::RemoteClose ? End::Remote : End::Local;
  if (state_ != State::Connecting) {
    end(how);
    return;
  }
  LOG_DEBUG(upstream, "cluster '{}': connecting to {} failed: {}", *info().name, *endpoint_->name(),
            connection_->failureReason());
  end(how);
  // Last: it may delete this.
  callbacks_.onUpstreamFailure(TcpFailure::ConnectFailure, connection_->failureReason());
}

void TcpConnection::onDeadline() {
  LOG_DEBUG(upstream, "cluster '{}': connecting to {} took longer than {} ms", *info().name, *endpoint_->name(),
            info().connect_timeout.count());
  info().stats.upstream_cx_connect_timeout.inc();
  connection_->removeCallbacks(*this);
  end(End::Local);
  connection_->close(net::CloseType::NoFlush);
  callbacks_.onUpstreamFailure(TcpFailure::ConnectTimeout, "connection timeout");
}

void TcpConnection::end(End how) {
  if (state_ == State::Ended) {
    return;
  }
  const bool remote = how == End::Remote;
  const bool was_up = state_ == State::Up;
  state_ = State::Ended;
  cancel();
  const ClusterStats& stats = info().stats;
  endpoint_->releaseConnection();
  info().breakers->connections().release();
  stats.upstream_cx_active.dec();
  stats.upstream_cx_destroy.inc();
  (remote ? stats.upstream_cx_destroy_remote : stats.upstream_cx_destroy_local).inc();
  stats.upstream_cx_length_ms.record(millisecondsBetween(start_, cluster_->dispatcher().now()));
  if (was_up) {
    stats.upstream_rq_active.dec();
    requests_.addActive(-1);
    stats.upstream_cx_destroy_with_active_rq.inc();
    (remote ? stats.upstream_cx_destroy_remote_with_active_rq : stats.upstream_cx_destroy_local_with_active_rq).inc();
    return;
  }
  info().breakers->pending().release();
  stats.upstream_rq_pending_active.dec();
  if (how != End::Abandoned) {
    stats.upstream_rq_pending_failure_eject.inc();
    stats.upstream_cx_connect_fail.inc();
    endpoint_->counts().cx_connect_fail.fetch_add(1, std::memory_order_relaxed);
  }
}

}  // namespace sluice::cluster
