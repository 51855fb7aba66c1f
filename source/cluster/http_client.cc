#include "source/cluster/http_client.h"

#include <algorithm>
#include <chrono>

#include "source/base/logging.h"
#include "source/cluster/connection_stats.h"
#include "source/cluster/http_pool.h"
#include "source/cluster/http_request.h"

namespace sluice::cluster {

namespace {

uint64_t millisecondsBetween(base::MonotonicTime from, base::MonotonicTime to) {
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(to - from).count());
}

}  // namespace

/** Hands the connection's bytes to the codec. */
class HttpClient::Reader final : public net::ReadFilter {
 public:
  explicit Reader(HttpClient& client) : client_(client) {}
  void initialize(net::ReadFilterCallbacks&) override {}
  net::FilterStatus onNewConnection() override { return net::FilterStatus::Continue; }
  net::FilterStatus onData(net::Buffer& data, bool end) override {
    client_.onData(data);
    if (end) {
      client_.onEndOfInput();
    }
    return net::FilterStatus::StopIteration;
  }

 private:
  HttpClient& client_;
};

HttpClient::HttpClient(HttpPool& pool, LocalCluster& cluster)
    : pool_(pool),
      cluster_(&cluster),
      info_(cluster.localInfo()),
      start_(cluster.dispatcher().now()),
      limit_(1),
      // What is yet to be found out is taken for the one that has room for less.
      protocol_(pool.protocol() == PoolProtocol::Http2 ? http::Protocol::Http2 : http::Protocol::Http11) {
  limit_ = mostStreams();
  event::Dispatcher& dispatcher = cluster.dispatcher();
  connection_ = pool.makeConnection();
  const ClusterStats& stats = info().stats;
  connection_->setStats(connectionStats(stats));
  connection_->setBufferLimit(info().buffer_limit_bytes);
  connection_->addCallbacks(*this);
  connection_->addReadFilter(std::make_unique<Reader>(*this));
  stats.upstream_cx_total.inc();
  stats.upstream_cx_active.inc();
  if (pool.protocol() != PoolProtocol::Auto) {
    countProtocol();
  }
  pool.endpoint().counts().cx_total.fetch_add(1, std::memory_order_relaxed);
  dispatcher.deadlines().set(*this, info().connect_timeout);
  connection_->connect();
  recount();
}

HttpClient::~HttpClient() {
  // Deferred: nothing of it is on the stack.
  codec_.reset();
  connection_.reset();
}

uint32_t HttpClient::mostStreams() const {
  return protocol_ == http::Protocol::Http2 ? std::max<uint32_t>(pool_.recipe().http.codecs->maxConcurrentStreams(), 1)
                                            : 1;
}

void HttpClient::countProtocol() {
  const ClusterStats& stats = info().stats;
  (protocol_ == http::Protocol::Http2 ? stats.upstream_cx_http2_total : stats.upstream_cx_http1_total).inc();
}

uint32_t HttpClient::room() const {
  if (state_ > State::Open || settling_) {
    return 0;
  }
  const uint32_t most = pool_.recipe().http.max_requests_per_connection;
  const uint32_t free = limit_ > active_ ? limit_ - active_ : 0;
  return most == 0 ? free : std::min(free, most - served_);
}

void HttpClient::recount() {
  const uint32_t before = std::exchange(counted_room_, room());
  const bool was_connecting = counted_connecting_;
  counted_connecting_ = connecting();
  pool_.place(*this, before, was_connecting);
}

void HttpClient::add(HttpRequest& request, bool last) {
  requests_.pushBack(request);
  ++active_;
  ++served_;
  const uint32_t most = pool_.recipe().http.max_requests_per_connection;
  if (most != 0 && served_ == most) {
    info().stats.upstream_cx_max_requests.inc();
    last = true;
  }
  if (last && state_ == State::Open) {
    state_ = State::Draining;
  }
  recount();
}

void HttpClient::remove(HttpRequest& request) {
  request.unlink();
  --active_;
  if (state_ == State::Closed) {
    return;
  }
  settling_ = protocol_ != http::Protocol::Http2;
  recount();
  cluster_->dispatcher().runAtUnwind(*this);
}

void HttpClient::run() {
  settling_ = false;
  if (state_ == State::Connecting || state_ == State::Closed) {
    return;
  }
  if (protocol_ != http::Protocol::Http2 && active_ == 0 && codec_->activeStreams() > 0) {
    // Its user is done with an exchange that is not complete: there is no telling where the next response begins.
    connection_->close(net::CloseType::NoFlush, "upstream_exchange_incomplete");
    return;
  }
  restOrGoOn();
}

void HttpClient::restOrGoOn() {
  if (state_ == State::Draining && active_ == 0) {
    connection_->close(net::CloseType::NoFlush, "upstream_drained");
    return;
  }
  if (active_ == 0) {
    idle_since_ = cluster_->dispatcher().now();
    armDeadline();
  }
  recount();
  pool_.onRoom();
}

void HttpClient::drain() {
  if (state_ == State::Connecting) {
    connection_->removeCallbacks(*this);
    state_ = State::Closed;
    cancel();
    countEnd(/*remote=*/false);
    connection_->close(net::CloseType::NoFlush, "upstream_drained");
    recount();
    pool_.onClosed(*this);
    return;
  }
  if (state_ != State::Open) {
    return;
  }
  state_ = State::Draining;
  recount();
  if (active_ > 0 || dispatching_ || settling_) {
    cluster_->dispatcher().runAtUnwind(*this);
  } else {
    connection_->close(net::CloseType::NoFlush, "upstream_drained");
  }
}

void HttpClient::armDeadline() {
  const HttpOptions& options = pool_.recipe().http;
  base::MonotonicTime due = base::MonotonicTime::max();
  if (options.max_connection_duration.has_value()) {
    due = connected_at_ + *options.max_connection_duration;
  }
  if (active_ == 0 && options.idle_timeout.count() > 0) {
    due = std::min(due, idle_since_ + options.idle_timeout);
  }
  // One that is due earlier finds out then that there is more time.
  if (due != base::MonotonicTime::max() && (!pending() || due < at())) {
    cluster_->dispatcher().deadlines().setAt(*this, due);
  }
}

void HttpClient::onDeadline() {
  const HttpOptions& options = pool_.recipe().http;
  const ClusterStats& stats = info().stats;
  const base::MonotonicTime now = cluster_->dispatcher().now();
  if (state_ == State::Connecting) {
    LOG_DEBUG(upstream, "cluster '{}': connecting to {} took longer than {} ms", *info().name, *pool_.endpoint().name(),
              info().connect_timeout.count());
    stats.upstream_cx_connect_timeout.inc();
    timed_out_ = true;
    connection_->close(net::CloseType::NoFlush, "connect_timeout");
    return;
  }
  if (state_ != State::Open) {
    return;
  }
  if (options.max_connection_duration.has_value() && now >= connected_at_ + *options.max_connection_duration) {
    stats.upstream_cx_max_duration_reached.inc();
    drain();
    return;
  }
  if (active_ == 0 && options.idle_timeout.count() > 0 && now >= idle_since_ + options.idle_timeout) {
    stats.upstream_cx_idle_timeout.inc();
    connection_->close(net::CloseType::NoFlush, "upstream_idle_timeout");
    return;
  }
  armDeadline();
}

void HttpClient::onData(net::Buffer& data) {
  if (codec_ == nullptr || state_ == State::Closed) {
    data.clear();
    return;
  }
  dispatching_ = true;
  const http::CodecStatus status = codec_->dispatch(data);
  dispatching_ = false;
  if (!status.ok() && state_ != State::Closed) {
    LOG_DEBUG(upstream, "cluster '{}': {} answers what is not HTTP: {}", *info().name, *pool_.endpoint().name(),
              status.details);
    info().stats.upstream_cx_protocol_error.inc();
    codec_->resetAllStreams(http::ResetReason::ProtocolError, status.details);
    if (state_ != State::Closed) {
      connection_->close(net::CloseType::NoFlush, status.details);
    }
  }
}

void HttpClient::onEndOfInput() {
  if (codec_ == nullptr || state_ == State::Closed) {
    return;
  }
  input_ended_ = true;
  state_ = State::Draining;
  recount();
  // A response of HTTP/1 may end with its connection.
  dispatching_ = true;
  const http::CodecStatus status = codec_->onEndOfInput();
  dispatching_ = false;
  if (!status.ok()) {
    info().stats.upstream_cx_protocol_error.inc();
  }
  closeAtEnd();
}

void HttpClient::closeAtEnd() {
  if (input_ended_ && state_ != State::Closed && !codec_->holdsInput()) {
    connection_->close(net::CloseType::NoFlush, "upstream_remote_close");
  }
}

void HttpClient::onGoAway(bool) {
  if (state_ == State::Open) {
    info().stats.upstream_cx_close_notify.inc();
    drain();
  }
}

void HttpClient::onMaxConcurrentStreams(uint32_t streams) {
  limit_ = std::min(streams, mostStreams());
  recount();
  if (room() > 0) {
    cluster_->dispatcher().runAtUnwind(*this);
  }
}

void HttpClient::onReadyForInput() {
  net::Buffer none;
  onData(none);
  closeAtEnd();
}

void HttpClient::onKeepaliveTimeout() {
  if (state_ != State::Closed) {
    connection_->close(net::CloseType::NoFlush, "http2_ping_timeout");
  }
}

void HttpClient::onConnected() {
  const base::MonotonicTime now = cluster_->dispatcher().now();
  cancel();
  state_ = State::Open;
  connected_at_ = idle_since_ = now;
  if (absl::StatusOr<net::Address> local = net::localAddress(connection_->socket()); local.ok()) {
    local_ = *std::move(local);
  }
  info().stats.upstream_cx_connect_ms.record(millisecondsBetween(start_, now));
  tls_ = connection_->transport().tlsInfo();
  if (pool_.protocol() == PoolProtocol::Auto) {
    protocol_ = connection_->transport().protocol() == "h2" ? http::Protocol::Http2 : http::Protocol::Http11;
    limit_ = mostStreams();
    countProtocol();
  }
  http::CodecCallbacks& callbacks = *this;
  codec_ = pool_.recipe().http.codecs->create(protocol_, *connection_, callbacks, info().codec_stats);
  // Else a peer that ends while its response's reader pauses would take with it what still waits in the socket.
  connection_->enableHalfClose(protocol_ != http::Protocol::Http2);
  restOrGoOn();
}

void HttpClient::onConnectFailure(PoolFailure failure, absl::string_view reason) {
  const ClusterStats& stats = info().stats;
  LOG_DEBUG(upstream, "cluster '{}': connecting to {} failed: {}", *info().name, *pool_.endpoint().name(), reason);
  stats.upstream_cx_connect_fail.inc();
  pool_.endpoint().counts().cx_connect_fail.fetch_add(1, std::memory_order_relaxed);
  recount();
  pool_.onConnectFailure(failure, reason);
  pool_.onClosed(*this);
}

void HttpClient::onEvent(net::ConnectionEvent event) {
  if (event == net::ConnectionEvent::Connected) {
    onConnected();
    return;
  }
  const bool remote = event == net::ConnectionEvent::RemoteClose || input_ended_;
  if (state_ == State::Closed) {
    return;
  }
  if (state_ == State::Connecting) {
    state_ = State::Closed;
    cancel();
    countEnd(remote);
    onConnectFailure(timed_out_ ? PoolFailure::ConnectTimeout
                     : remote   ? PoolFailure::RemoteConnectionFailure
                                : PoolFailure::LocalConnectionFailure,
                     timed_out_ ? absl::string_view() : connection_->failureReason());
    return;
  }
  state_ = State::Closed;
  cancel();
  event::IntrusiveTask::unlink();
  recount();
  if (remote && !input_ended_ && !connection_->endedByError()) {
    const http::CodecStatus status = codec_->onEndOfInput();
    if (!status.ok()) {
      info().stats.upstream_cx_protocol_error.inc();
    }
  }
  countEnd(remote);
  codec_->resetAllStreams(http::ResetReason::ConnectionTermination,
                          remote ? "upstream_remote_close" : "upstream_local_close");
  while (HttpRequest* left = requests_.front()) {
    left->onConnectionGone();
  }
  pool_.onClosed(*this);
}

void HttpClient::countEnd(bool remote) {
  const ClusterStats& stats = info().stats;
  pool_.endpoint().releaseConnection();
  info().breakers->of(pool_.highPriority()).connections.release();
  stats.upstream_cx_active.dec();
  stats.upstream_cx_destroy.inc();
  (remote ? stats.upstream_cx_destroy_remote : stats.upstream_cx_destroy_local).inc();
  if (active_ > 0) {
    stats.upstream_cx_destroy_with_active_rq.inc();
    (remote ? stats.upstream_cx_destroy_remote_with_active_rq : stats.upstream_cx_destroy_local_with_active_rq).inc();
  }
  stats.upstream_cx_length_ms.record(millisecondsBetween(start_, cluster_->dispatcher().now()));
  if (codec_ != nullptr) {
    stats.upstream_rq_per_cx.record(served_);
  }
}

void HttpClient::describe(net::UpstreamInfo& to) const {
  to.connection_id = connection_->id();
  to.connect_start = start_;
  if (codec_ == nullptr) {
    return;
  }
  to.connect_complete = connected_at_;
  to.local = local_;
  if (tls_ != to.tls) {
    to.tls = tls_;
  }
}

}  // namespace sluice::cluster
