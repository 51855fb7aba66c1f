#include "source/http/connection_manager.h"

#include <algorithm>
#include <utility>

#include "source/base/assert.h"
#include "source/base/logging.h"
#include "source/http/stream.h"
#include "source/net/drain.h"

namespace sluice::http {

using net::CloseType;
using net::ConnectionEvent;
using net::FilterStatus;
namespace flag = net::response_flag;

namespace {

/** What every HTTP/2 connection begins with (RFC 9113, section 3.4). */
constexpr absl::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/** So much of it tells it from any HTTP/1 request. */
constexpr size_t kTellingPreface = 12;
/** Looking more often whether the last answers have gone would only cost time. */
constexpr std::chrono::milliseconds kShortestLook{1000};

}  // namespace

ConnectionManagerConfig::ConnectionManagerConfig(ConnectionManagerSettings settings, config::ContentKey structural_key,
                                                 stats::ScopePtr scope, stats::ScopePtr listener_scope,
                                                 std::unique_ptr<const ServerCodecFactory> codecs,
                                                 std::shared_ptr<const RouteProvider> routes,
                                                 const ClusterDirectory* clusters)
    : settings_(std::move(settings)),
      structural_key_(structural_key),
      scope_(std::move(scope)),
      listener_scope_(std::move(listener_scope)),
      stats_(*scope_),
      status_stats_(*scope_),
      listener_stats_(*listener_scope_),
      codecs_(std::move(codecs)),
      routes_(std::move(routes)),
      clusters_(clusters) {}

void ConnectionManagerConfig::addTo(net::Connection& connection, net::LiveFilterConfig& live) const {
  connection.addReadFilter(std::make_unique<ConnectionManager>(live));
}

void ConnectionManagerConfig::countStatus(uint32_t status) const {
  status_stats_.count(status);
  listener_stats_.count(status);
}

ConnectionManager::ConnectionManager(net::LiveFilterConfig& live)
    : live_(live), config_(live.shared()), first_(static_cast<const ConnectionManagerConfig*>(config_.get())) {}

ConnectionManager::~ConnectionManager() {
  SLUICE_CHECK(streams_ == nullptr, "a connection went without a close event");
  while (ended_ != nullptr) {
    delete std::exchange(ended_, ended_->next_);
  }
}

void ConnectionManager::initialize(net::ReadFilterCallbacks& callbacks) {
  callbacks_ = &callbacks;
  net::Connection& conn = connection();
  conn.addCallbacks(*this);
  const ConnectionManagerStats& stats = first_->stats();
  net::ConnectionStats cells;
  cells.read_total = stats.downstream_cx_rx_bytes_total;
  cells.read_buffered = stats.downstream_cx_rx_bytes_buffered;
  cells.write_total = stats.downstream_cx_tx_bytes_total;
  cells.write_buffered = stats.downstream_cx_tx_bytes_buffered;
  cells.delayed_close_timeouts = stats.downstream_cx_delayed_close_timeout;
  conn.setStats(cells);
  conn.setDelayedCloseTimeout(first_->settings().delayed_close_timeout);
}

FilterStatus ConnectionManager::onNewConnection() {
  const ConnectionManagerStats& stats = first_->stats();
  stats.downstream_cx_total.inc();
  stats.downstream_cx_active.inc();
  counted_tls_ = !connection().transport().isRaw();
  if (counted_tls_) {
    stats.downstream_cx_ssl_total.inc();
    stats.downstream_cx_ssl_active.inc();
  }
  idle_since_ = dispatcher().now();
  armDeadline();
  return FilterStatus::Continue;
}

const std::shared_ptr<const net::NetworkFilterConfig>& ConnectionManager::newestConfig() {
  if (live_.shared() != config_) {
    if (undeleted_ == 0) {
      // Nothing goes by those in between any more; the first one stays for the connection's statistics and codec.
      earlier_.resize(std::min<size_t>(earlier_.size(), 1));
    }
    if (earlier_.empty() || config_.get() != first_) {
      earlier_.push_back(config_);
    }
    config_ = live_.shared();
  }
  return config_;
}

bool ConnectionManager::chooseProtocol(const net::Buffer& data, Protocol& protocol) const {
  switch (first_->settings().codec) {
    case CodecType::Http1:
      protocol = Protocol::Http11;
      return true;
    case CodecType::Http2:
      protocol = Protocol::Http2;
      return true;
    case CodecType::Auto:
      break;
  }
  // Bytes come after the handshake alone, which has settled it then.
  const absl::string_view negotiated = callbacks_->connection().transport().protocol();
  if (!negotiated.empty()) {
    protocol = negotiated == "h2" ? Protocol::Http2 : Protocol::Http11;
    return true;
  }
  char begin[kTellingPreface];
  const uint64_t seen = data.copyOut(0, kTellingPreface, begin);
  if (absl::string_view(begin, seen) != kPreface.substr(0, seen)) {
    protocol = Protocol::Http11;
    return true;
  }
  protocol = Protocol::Http2;
  return seen == kTellingPreface;
}

void ConnectionManager::makeCodec(Protocol protocol) {
  const ConnectionManagerStats& stats = first_->stats();
  counted_http2_ = protocol == Protocol::Http2;
  if (counted_http2_) {
    stats.downstream_cx_http2_total.inc();
    stats.downstream_cx_http2_active.inc();
  } else {
    stats.downstream_cx_http1_total.inc();
    stats.downstream_cx_http1_active.inc();
  }
  codec_ = first_->codecs().create(connection(), *this, protocol);
}

FilterStatus ConnectionManager::onData(net::Buffer& data, bool end_stream) {
  if (codec_ == nullptr && !data.empty()) {
    Protocol protocol = Protocol::Http11;
    if (!chooseProtocol(data, protocol) && !end_stream) {
      return FilterStatus::StopIteration;
    }
    makeCodec(protocol);
  }
  if (codec_ != nullptr) {
    take(data);
    if (end_stream && !closed_) {
      if (const CodecStatus status = codec_->onEndOfInput(); !status.ok()) {
        onCodecError(status);
      }
    }
  } else {
    data.clear();
  }
  return FilterStatus::StopIteration;
}

void ConnectionManager::take(net::Buffer& data) {
  dispatching_ = true;
  const CodecStatus status = codec_->dispatch(data);
  dispatching_ = false;
  if (closed_) {
    data.clear();
    return;
  }
  if (!status.ok()) {
    data.clear();
    onCodecError(status);
    return;
  }
  closeIfDone();
}

void ConnectionManager::onReadyForInput() {
  if (!closed_) {
    net::Buffer nothing;
    take(nothing);
  }
}

void ConnectionManager::onCodecError(const CodecStatus& status) {
  LOG_DEBUG(http, "connection {}: {}", connection().id(), status.details);
  first_->stats().downstream_cx_protocol_error.inc();
  drain_ = DrainState::Closing;
  if (!isHttp2() && stream_count_ > 0) {
    // The request that is wrong is still being answered; those that are not go on reading nothing.
    for (Stream* stream = streams_; stream != nullptr; stream = stream->next_) {
      stream->info_->response_flags |= flag::kDownstreamProtocolError;
    }
    return;
  }
  while (streams_ != nullptr) {
    streams_->abort(flag::kDownstreamProtocolError, status.details);
  }
  close(CloseType::FlushWriteAndDelay, status.details);
}

RequestReceiver& ConnectionManager::onNewStream(StreamSender& sender) {
  if (codec_ != nullptr) {
    ++requests_;
  }
  newestConfig();
  const auto& config = static_cast<const ConnectionManagerConfig&>(*config_);
  auto* stream = new Stream(*this, config, sender);
  stream->next_ = streams_;
  if (streams_ != nullptr) {
    streams_->previous_ = stream;
  }
  streams_ = stream;
  ++stream_count_;
  ++undeleted_;
  const uint32_t limit = config.settings().max_requests_per_connection;
  if (limit > 0 && requests_ >= limit) {
    if (requests_ == limit) {
      first_->stats().downstream_cx_max_requests_reached.inc();
    }
    if (!isHttp2()) {
      drain_ = DrainState::Closing;
    } else if (drain_ == DrainState::NotDraining) {
      startDrain();
    }
  }
  return *stream;
}

void ConnectionManager::onStreamEnd(Stream& stream) {
  (stream.previous_ == nullptr ? streams_ : stream.previous_->next_) = stream.next_;
  if (stream.next_ != nullptr) {
    stream.next_->previous_ = stream.previous_;
  }
  stream.previous_ = stream.next_ = nullptr;
  if (closed_) {
    stream.next_ = std::exchange(ended_, &stream);
  } else {
    dispatcher().deferredDelete(std::unique_ptr<event::DeferredDeletable>(&stream));
  }
  if (--stream_count_ == 0) {
    idle_since_ = dispatcher().now();
    armDeadline();
  }
  // The codec is not yet through with the stream.
  if (!closed_) {
    dispatcher().runAtUnwind(*this);
  }
}

void ConnectionManager::run() {
  if (!closed_) {
    closeIfDone();
  }
}

void ConnectionManager::closeIfDone() {
  if (codec_ == nullptr || dispatching_ || stream_count_ > 0 || requests_ == 0) {
    return;
  }
  if (!isHttp2() && codec_->closesAfterStream()) {
    drain_ = DrainState::Closing;
  }
  if (drain_ == DrainState::Closing && codec_->activeStreams() == 0 && !codec_->wantsToWrite()) {
    close(CloseType::FlushWriteAndDelay, "downstream_connection_drained");
  }
}

void ConnectionManager::close(CloseType type, const char* details) { connection().close(type, details); }

void ConnectionManager::onGoAway(bool) {
  // The client takes no streams of ours: there are none.
}

void ConnectionManager::onKeepaliveTimeout() { close(CloseType::NoFlush, "http2_ping_timeout"); }

void ConnectionManager::onEvent(ConnectionEvent event) {
  if (event == ConnectionEvent::Connected || closed_) {
    return;
  }
  closed_ = true;
  Deadline::cancel();
  const bool remote = event == ConnectionEvent::RemoteClose;
  const ConnectionManagerStats& stats = first_->stats();
  stats.downstream_cx_destroy.inc();
  (remote ? stats.downstream_cx_destroy_remote : stats.downstream_cx_destroy_local).inc();
  if (stream_count_ > 0) {
    stats.downstream_cx_destroy_active_rq.inc();
    (remote ? stats.downstream_cx_destroy_remote_active_rq : stats.downstream_cx_destroy_local_active_rq).inc();
  }
  stats.downstream_cx_active.dec();
  if (counted_tls_) {
    stats.downstream_cx_ssl_active.dec();
  }
  if (codec_ != nullptr) {
    (counted_http2_ ? stats.downstream_cx_http2_active : stats.downstream_cx_http1_active).dec();
  }
  stats.downstream_cx_length_ms.record(
      static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(
                                dispatcher().now() - connection().streamInfo().start_monotonic)
                                .count()));
  if (codec_ != nullptr) {
    codec_->resetAllStreams(ResetReason::ConnectionTermination,
                            remote ? "downstream_remote_disconnect" : "downstream_local_disconnect");
  }
  while (streams_ != nullptr) {
    streams_->abort(flag::kDownstreamConnectionTermination,
                    remote ? "downstream_remote_disconnect" : "downstream_local_disconnect");
  }
}

void ConnectionManager::onAboveWriteBufferHighWatermark() {
  if (codec_ != nullptr) {
    codec_->onConnectionAboveHighWatermark();
  }
}

void ConnectionManager::onBelowWriteBufferLowWatermark() {
  if (codec_ != nullptr) {
    codec_->onConnectionBelowLowWatermark();
  }
  if (!closed_ && closeWaits()) {
    // The last of an answer may be what has gone.
    dispatcher().runAtUnwind(*this);
  }
}

uint32_t ConnectionManager::streamBufferLimit(const ConnectionManagerConfig& config) {
  return isHttp2() ? config.settings().http2_stream_buffer_limit : connection().bufferLimit();
}

bool ConnectionManager::drainDue() {
  if (drain_ != DrainState::NotDraining) {
    return false;
  }
  const base::MonotonicTime now = dispatcher().now();
  return net::serverDrainsNow(now) ||
         (live_.drainingSince().has_value() && net::drainsNow(*live_.drainingSince(), now));
}

std::chrono::milliseconds ConnectionManager::drainTimeout() const {
  return static_cast<const ConnectionManagerConfig&>(*config_).settings().drain_timeout;
}

void ConnectionManager::startDrain() {
  drain_ = DrainState::Draining;
  codec_->shutdownNotice();
  drain_ends_ = dispatcher().now() + drainTimeout();
  armDeadline();
}

void ConnectionManager::armDeadline() {
  if (closed_) {
    return;
  }
  const ConnectionManagerSettings& settings = first_->settings();
  base::MonotonicTime next = base::MonotonicTime::max();
  if (drain_ == DrainState::Draining) {
    next = drain_ends_;
  } else if (closeWaits()) {
    next = idle_since_ + std::max(drainTimeout(), kShortestLook);
  } else if (drain_ == DrainState::NotDraining && stream_count_ == 0 && settings.idle_timeout.has_value()) {
    next = idle_since_ + *settings.idle_timeout;
  }
  if (settings.max_connection_duration.has_value() && !age_reached_) {
    next = std::min(next, connection().streamInfo().start_monotonic + *settings.max_connection_duration);
  }
  if (next == base::MonotonicTime::max()) {
    // Left as it is where a stream began: it looks again when it fires.
    return;
  }
  if (!Deadline::pending() || Deadline::at() > next) {
    dispatcher().deadlines().setAt(*this, next);
  }
}

void ConnectionManager::onDeadline() {
  const ConnectionManagerSettings& settings = first_->settings();
  const ConnectionManagerStats& stats = first_->stats();
  const base::MonotonicTime now = dispatcher().now();
  if (settings.max_connection_duration.has_value() && !age_reached_ &&
      connection().streamInfo().start_monotonic + *settings.max_connection_duration <= now) {
    age_reached_ = true;
    stats.downstream_cx_max_duration_reached.inc();
    if (codec_ == nullptr) {
      close(CloseType::FlushWrite, "max_connection_duration");
      return;
    }
    if (!isHttp2() && settings.http1_safe_max_connection_duration) {
      // The next answer says close; nothing is cut off between two requests.
      stats.downstream_cx_http1_soft_drain.inc();
      drain_ = DrainState::Closing;
    } else if (drain_ == DrainState::NotDraining) {
      startDrain();
    }
  }
  if (drain_ == DrainState::Draining && drain_ends_ <= now) {
    codec_->goAway();
    drain_ = DrainState::Closing;
    if (stream_count_ == 0) {
      if (!isHttp2() || codec_->activeStreams() == 0) {
        close(CloseType::FlushWriteAndDelay, "downstream_connection_drained");
        return;
      }
      idle_since_ = now;
    }
  }
  if (closeWaits() && idle_since_ + std::max(drainTimeout(), kShortestLook) <= now) {
    const uint64_t sent = connection().bytesSent();
    if (codec_->activeStreams() == 0 || sent == sent_at_look_) {
      close(CloseType::FlushWriteAndDelay, "downstream_connection_drained");
      return;
    }
    // A slow client that still takes some gets the whole of its answer.
    sent_at_look_ = sent;
    idle_since_ = now;
  }
  if (drain_ == DrainState::NotDraining && stream_count_ == 0 && settings.idle_timeout.has_value() &&
      idle_since_ + *settings.idle_timeout <= now) {
    stats.downstream_cx_idle_timeout.inc();
    if (codec_ == nullptr) {
      close(CloseType::FlushWrite, "on_idle_timeout");
      return;
    }
    startDrain();
  }
  armDeadline();
}

}  // namespace sluice::http
