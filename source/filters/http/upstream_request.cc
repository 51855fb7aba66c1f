#include "source/filters/http/upstream_request.h"

#include <string>

#include "source/net/connection.h"

namespace sluice::filters {
namespace {

namespace flag = net::response_flag;
using http::ResetReason;

AttemptEnd describeReset(ResetReason reason) {
  AttemptEnd end;
  switch (reason) {
    case ResetReason::Local:
    case ResetReason::LocalNoError:
      end.reason = "local reset";
      end.response_flag = flag::kLocalReset;
      break;
    case ResetReason::LocalRefused:
      end.reason = "local refused stream reset";
      end.response_flag = flag::kLocalReset;
      break;
    case ResetReason::Remote:
      end.reason = "remote reset";
      end.response_flag = flag::kUpstreamRemoteReset;
      break;
    case ResetReason::RemoteRefused:
      end.reason = "remote refused stream reset";
      end.response_flag = flag::kUpstreamRemoteReset;
      end.failure = AttemptFailure::RefusedStream;
      break;
    case ResetReason::ConnectionFailure:
      end.reason = "remote connection failure";
      end.response_flag = flag::kUpstreamConnectionFailure;
      end.failure = AttemptFailure::ConnectFailure;
      break;
    case ResetReason::ConnectionTimeout:
      end.reason = "connection timeout";
      end.response_flag = flag::kUpstreamConnectionFailure;
      end.failure = AttemptFailure::ConnectTimeout;
      break;
    case ResetReason::ConnectionTermination:
      end.reason = "connection termination";
      end.response_flag = flag::kUpstreamConnectionTermination;
      break;
    case ResetReason::Overflow:
      end.reason = "overflow";
      end.response_flag = flag::kUpstreamOverflow;
      end.failure = AttemptFailure::Overflow;
      end.overflow = true;
      break;
    case ResetReason::ProtocolError:
      end.reason = "protocol error";
      end.response_flag = flag::kUpstreamProtocolError;
      end.protocol_error = true;
      break;
  }
  return end;
}

AttemptEnd describeFailure(cluster::PoolFailure failure, absl::string_view details) {
  AttemptEnd end;
  switch (failure) {
    case cluster::PoolFailure::NoHealthyUpstream:
      end.no_healthy_upstream = true;
      end.response_flag = flag::kNoHealthyUpstream;
      end.reason = "no healthy upstream";
      return end;
    case cluster::PoolFailure::Overflow:
      return describeReset(ResetReason::Overflow);
    case cluster::PoolFailure::LocalConnectionFailure:
      end = describeReset(ResetReason::ConnectionFailure);
      end.reason = "local connection failure";
      break;
    case cluster::PoolFailure::RemoteConnectionFailure:
      end = describeReset(ResetReason::ConnectionFailure);
      break;
    case cluster::PoolFailure::ConnectTimeout:
      end = describeReset(ResetReason::ConnectionTimeout);
      break;
  }
  end.transport_reason = std::string(details);
  return end;
}

}  // namespace

UpstreamRequest::UpstreamRequest(UpstreamRequestOwner& owner, cluster::LocalCluster& cluster,
                                 const cluster::LoadBalancerContext& context, const cluster::HttpStreamOptions& options,
                                 const Timeouts& timeouts)
    : owner_(owner),
      cluster_(&cluster),
      cluster_info_(cluster.localInfo()),
      timeouts_(timeouts),
      tunnel_(options.exclusive),
      tcp_(options.tcp) {
  upstream_ = cluster.newHttpStream(*this, *this, context, options);
}

UpstreamRequest::~UpstreamRequest() { reset(); }

base::Arena& UpstreamRequest::arena() { return owner_.callbacks().arena(); }

http::StreamInfo& UpstreamRequest::info() { return owner_.callbacks().streamInfo(); }

event::Dispatcher& UpstreamRequest::dispatcher() { return owner_.callbacks().dispatcher(); }

void UpstreamRequest::sendHeaders(http::HeaderMap& headers, bool end_stream) {
  headers_ = &headers;
  headers_end_stream_ = end_stream;
  state_ = State::Waiting;
  if (timeouts_.max_stream_duration > std::chrono::milliseconds(0)) {
    dispatcher().deadlines().set(max_duration_, timeouts_.max_stream_duration);
  }
  // A connection that stands takes the request at once: nothing else may run in between.
  upstream_->start();
}

void UpstreamRequest::onPoolReady(const cluster::UpstreamStream& stream) {
  state_ = State::Streaming;
  sender_ = stream.sender;
  protocol_ = stream.protocol;
  http::StreamInfo& information = info();
  if (!tcp_) {
    information.upstream_protocol = protocol_;
  }
  describe();
  owner_.onUpstreamReady(*this);
  if (state_ != State::Streaming) {
    return;
  }
  observes_ = true;
  owner_.callbacks().addWatermarkObserver(*this);
  information.first_upstream_tx_byte = dispatcher().now();
  if (headers_end_stream_) {
    noteRequestEnd();
  }
  sender_->sendHeaders(*headers_, headers_end_stream_);
  if (state_ != State::Streaming) {
    return;
  }
  sendPending();
  if (state_ == State::Streaming && request_complete_) {
    startPerTryTimeout();
  }
}

void UpstreamRequest::sendPending() {
  if (!maySendBody()) {
    return;
  }
  if (!pending_.empty() || body_end_) {
    net::Buffer body;
    body.move(pending_);
    pending_above_ = false;
    updatePause();
    const bool ends = body_end_ && trailers_ == nullptr;
    if (ends) {
      noteRequestEnd();
    }
    sender_->sendData(body, ends);
  }
  if (maySendBody() && trailers_ != nullptr) {
    noteRequestEnd();
    sender_->sendTrailers(*trailers_);
  }
}

void UpstreamRequest::onPoolFailure(cluster::PoolFailure failure, absl::string_view details) {
  if (state_ != State::Waiting) {
    return;
  }
  describe();
  if (failure == cluster::PoolFailure::Overflow) {
    // Nobody has been asked.
    info().upstream->host = net::Address();
    info().upstream->host_name = nullptr;
  }
  AttemptEnd ended = describeFailure(failure, details);
  if (!ended.transport_reason.empty() && info().upstream != nullptr) {
    info().upstream->transport_failure_reason = ended.transport_reason;
  }
  end(State::Waiting, std::nullopt);
  owner_.onUpstreamEnd(*this, std::move(ended));
}

void UpstreamRequest::sendData(net::Buffer& data, bool end_stream) {
  if (state_ == State::Done) {
    data.clear();
    return;
  }
  if (!maySendBody()) {
    pending_.move(data);
    body_end_ = end_stream;
    const uint32_t limit = owner_.callbacks().bufferLimit();
    pending_above_ = limit != 0 && pending_.length() > limit;
    updatePause();
    return;
  }
  if (end_stream) {
    noteRequestEnd();
  }
  touchIdle();
  sender_->sendData(data, end_stream);
}

void UpstreamRequest::sendTrailers(http::HeaderMap& trailers) {
  if (state_ == State::Done) {
    return;
  }
  trailers_ = &trailers;
  if (maySendBody()) {
    noteRequestEnd();
    sender_->sendTrailers(trailers);
  }
}

void UpstreamRequest::noteRequestEnd() {
  request_end_sent_ = true;
  info().last_upstream_tx_byte = dispatcher().now();
}

void UpstreamRequest::onRequestComplete() {
  request_complete_ = true;
  if (state_ == State::Streaming) {
    startPerTryTimeout();
  }
}

void UpstreamRequest::startPerTryTimeout() {
  if (timeouts_.per_try > std::chrono::milliseconds(0) && !headers_received_) {
    dispatcher().deadlines().set(per_try_, timeouts_.per_try);
  }
  touchIdle();
}

void UpstreamRequest::touchIdle() {
  if (timeouts_.per_try_idle > std::chrono::milliseconds(0) && !response_end_) {
    dispatcher().deadlines().set(idle_, timeouts_.per_try_idle);
  }
}

void UpstreamRequest::onPerTryDeadline() { owner_.onPerTryTimeout(*this, false); }
void UpstreamRequest::onIdleDeadline() { owner_.onPerTryTimeout(*this, true); }
void UpstreamRequest::onMaxDurationDeadline() { owner_.onMaxStreamDuration(*this); }

void UpstreamRequest::onInterimHeaders(http::HeaderMap& headers) { owner_.onUpstreamInterimHeaders(*this, headers); }

void UpstreamRequest::onHeaders(http::HeaderMap& headers, bool end_stream) {
  headers_received_ = true;
  per_try_.cancel();
  touchIdle();
  http::StreamInfo& information = info();
  information.first_upstream_rx_byte = dispatcher().now();
  if (end_stream) {
    finish();
  } else if (tunnel_) {
    const absl::string_view status = headers.get(http::HeaderId::Status);
    tunnel_open_ = status == "101" ||
                   (status.size() == 3 && status[0] == '2' && headers_->get(http::HeaderId::Method) == "CONNECT");
  }
  owner_.onUpstreamHeaders(*this, headers, end_stream);
  if (tunnel_open_) {
    sendPending();
  }
}

void UpstreamRequest::onData(net::Buffer& data, bool end_stream) {
  touchIdle();
  if (end_stream) {
    finish();
  }
  owner_.onUpstreamData(*this, data, end_stream);
}

void UpstreamRequest::onTrailers(http::HeaderMap& trailers) {
  finish();
  owner_.onUpstreamTrailers(*this, trailers);
}

void UpstreamRequest::finish() {
  response_end_ = true;
  info().last_upstream_rx_byte = dispatcher().now();
  idle_.cancel();
  max_duration_.cancel();
  noteBytes();
  if (request_end_sent_) {
    end(State::Streaming, std::nullopt);
  }
}

void UpstreamRequest::onReset(ResetReason reason, absl::string_view details) {
  if (state_ != State::Streaming) {
    return;
  }
  static_cast<void>(details);
  noteBytes();
  end(State::Streaming, reason);
  owner_.onUpstreamEnd(*this, describeReset(reason));
}

void UpstreamRequest::reset(ResetReason reason) {
  if (state_ == State::Done) {
    return;
  }
  const State from = state_;
  noteBytes();
  leave();
  if (from != State::Idle) {
    upstream_->reset(reason);
  }
}

void UpstreamRequest::end(State from, std::optional<ResetReason> reset) {
  leave();
  if (from == State::Streaming) {
    upstream_->onStreamEnd(reset);
  }
}

void UpstreamRequest::leave() {
  state_ = State::Done;
  per_try_.cancel();
  idle_.cancel();
  max_duration_.cancel();
  pending_.clear();
  sender_ = nullptr;
  if (observes_) {
    observes_ = false;
    owner_.callbacks().removeWatermarkObserver(*this);
  }
  pending_above_ = sender_above_ = false;
  updatePause();
}

void UpstreamRequest::describe() {
  http::StreamInfo& information = info();
  if (information.upstream == nullptr) {
    information.upstream = std::make_unique<net::UpstreamInfo>();
  }
  upstream_->describe(*information.upstream);
  noteBytes();
}

void UpstreamRequest::noteBytes() {
  http::StreamInfo& information = info();
  if (sender_ != nullptr) {
    const Bytes now{sender_->wireBytesSent(), sender_->wireBytesReceived(), sender_->headerWireBytesSent(),
                    sender_->headerWireBytesReceived()};
    information.upstream_wire_bytes_sent += now.sent - noted_.sent;
    information.upstream_wire_bytes_received += now.received - noted_.received;
    information.upstream_header_bytes_sent += now.headers_sent - noted_.headers_sent;
    information.upstream_header_bytes_received += now.headers_received - noted_.headers_received;
    noted_ = now;
  }
}

void UpstreamRequest::updatePause() {
  const bool pause = pending_above_ || sender_above_;
  if (downstream_paused_ == pause) {
    return;
  }
  downstream_paused_ = pause;
  const cluster::ClusterStats& stats = (*cluster_info_)->stats;
  if (pause) {
    stats.upstream_flow_control_backed_up_total.inc();
    owner_.callbacks().onUpstreamAboveWriteBufferHighWatermark();
  } else {
    stats.upstream_flow_control_drained_total.inc();
    owner_.callbacks().onUpstreamBelowWriteBufferLowWatermark();
  }
}

void UpstreamRequest::onAboveWriteBufferHighWatermark() {
  sender_above_ = true;
  updatePause();
}

void UpstreamRequest::onBelowWriteBufferLowWatermark() {
  sender_above_ = false;
  updatePause();
}

void UpstreamRequest::onDownstreamAboveHighWatermark() {
  if (sender_ != nullptr) {
    (*cluster_info_)->stats.upstream_flow_control_paused_reading_total.inc();
    sender_->readDisable(true);
  }
}

void UpstreamRequest::onDownstreamBelowLowWatermark() {
  if (sender_ != nullptr) {
    (*cluster_info_)->stats.upstream_flow_control_resumed_reading_total.inc();
    sender_->readDisable(false);
  }
}

}  // namespace sluice::filters
