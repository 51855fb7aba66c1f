#pragma once

#include <chrono>
#include <memory>
#include <optional>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"

#include "source/cluster/http_upstream.h"
#include "source/cluster/local_clusters.h"
#include "source/event/deadline.h"
#include "source/filters/http/retry_state.h"
#include "source/http/filter.h"
#include "source/net/buffer.h"

namespace sluice::filters {

class UpstreamRequest;

/** How an attempt ended without the end of a response. */
struct AttemptEnd {
  AttemptFailure failure = AttemptFailure::Reset;
  /** As bodies and details print it: "connection termination". */
  absl::string_view reason;
  /** The transport's, where there is one: "delayed connect error: Connection refused". */
  std::string transport_reason;
  uint64_t response_flag = 0;
  bool overflow = false;
  bool no_healthy_upstream = false;
  /** The upstream's bytes were not HTTP: 502. */
  bool protocol_error = false;
};

/** The router, as one attempt sees it. Any of these may end the attempt, which stays until its stream's arena goes. */
class UpstreamRequestOwner {
 public:
  virtual ~UpstreamRequestOwner() = default;
  virtual http::DecoderFilterCallbacks& callbacks() = 0;
  /** What goes upstream may still be changed for the endpoint that was picked (auto_host_rewrite). */
  virtual void onUpstreamReady(UpstreamRequest& request) = 0;
  virtual void onUpstreamInterimHeaders(UpstreamRequest& request, http::HeaderMap& headers) = 0;
  virtual void onUpstreamHeaders(UpstreamRequest& request, http::HeaderMap& headers, bool end_stream) = 0;
  virtual void onUpstreamData(UpstreamRequest& request, net::Buffer& data, bool end_stream) = 0;
  virtual void onUpstreamTrailers(UpstreamRequest& request, http::HeaderMap& trailers) = 0;
  virtual void onUpstreamEnd(UpstreamRequest& request, AttemptEnd end) = 0;
  virtual void onPerTryTimeout(UpstreamRequest& request, bool idle) = 0;
  virtual void onMaxStreamDuration(UpstreamRequest& request) = 0;
};

/**
 * One attempt to have a request answered: waits for a stream of a pool, sends headers, body and trailers on it, and hands
 * the response to the router. In the stream's arena; worker thread.
 *
 *   Idle --start()--> Waiting --onPoolReady()--> Streaming --both ends, onReset(), reset()--> Done
 *                        '----onPoolFailure(), reset()-------------------------------->---------'
 */
class UpstreamRequest final : public http::StreamReceiver,
                              private cluster::HttpUpstreamCallbacks,
                              private http::DecoderFilterCallbacks::WatermarkObserver {
 public:
  struct Timeouts {
    std::chrono::milliseconds per_try{0};
    std::chrono::milliseconds per_try_idle{0};
    std::chrono::milliseconds max_stream_duration{0};
  };

  UpstreamRequest(UpstreamRequestOwner& owner, cluster::LocalCluster& cluster,
                  const cluster::LoadBalancerContext& context, const cluster::HttpStreamOptions& options,
                  const Timeouts& timeouts);
  ~UpstreamRequest() override;

  // The request. Headers and trailers stay where they are until the stream's end.
  void sendHeaders(http::HeaderMap& headers, bool end_stream);
  /** Takes all of `data`. */
  void sendData(net::Buffer& data, bool end_stream);
  void sendTrailers(http::HeaderMap& trailers);
  /** The client's request is complete: the time for this attempt begins. */
  void onRequestComplete();

  /** Ends the attempt; nothing of it is heard any more. */
  void reset(http::ResetReason reason = http::ResetReason::Local);
  bool done() const { return state_ == State::Done; }

  const std::shared_ptr<cluster::Endpoint>& endpoint() const { return upstream_->endpoint(); }
  const cluster::EndpointSet::Entry* entry() const { return upstream_->entry(); }
  cluster::EndpointRequests& requests() const { return upstream_->requests(); }
  http::Protocol protocol() const { return protocol_; }
  http::HeaderMap* requestHeaders() { return headers_; }
  /** The last byte of the request has been given to the codec. */
  bool requestSent() const { return request_end_sent_; }
  /** Something of it has. */
  bool requestStarted() const { return state_ != State::Waiting && state_ != State::Idle; }
  bool headersReceived() const { return headers_received_; }
  /** A hedged request's time passed; it goes on beside another. */
  bool timedOut() const { return timed_out_; }
  void setTimedOut() { timed_out_ = true; }
  /** Writes what is known into the stream's upstream information. */
  void describe();

 private:
  enum class State : uint8_t { Idle, Waiting, Streaming, Done };

  // cluster::HttpUpstreamCallbacks
  void onPoolReady(const cluster::UpstreamStream& stream) override;
  void onPoolFailure(cluster::PoolFailure failure, absl::string_view details) override;

  // http::StreamReceiver
  base::Arena& arena() override;
  void onHeaders(http::HeaderMap& headers, bool end_stream) override;
  void onInterimHeaders(http::HeaderMap& headers) override;
  void onData(net::Buffer& data, bool end_stream) override;
  void onTrailers(http::HeaderMap& trailers) override;
  void onReset(http::ResetReason reason, absl::string_view details) override;
  void onAboveWriteBufferHighWatermark() override;
  void onBelowWriteBufferLowWatermark() override;

  // http::DecoderFilterCallbacks::WatermarkObserver: the client reads too slowly.
  void onDownstreamAboveHighWatermark() override;
  void onDownstreamBelowLowWatermark() override;

  http::StreamInfo& info();
  event::Dispatcher& dispatcher();
  void updatePause();
  bool maySendBody() const { return state_ == State::Streaming && (!tunnel_ || tunnel_open_); }
  void sendPending();
  /** Adds what has passed since the last time: the stream's counts are of all its attempts. */
  void noteBytes();
  void noteRequestEnd();
  /** The response's end has come: the pool gets its connection back if the request has gone out whole. */
  void finish();
  void leave();
  void end(State from, std::optional<http::ResetReason> reset);
  void startPerTryTimeout();
  void touchIdle();
  void onPerTryDeadline();
  void onIdleDeadline();
  void onMaxDurationDeadline();

  UpstreamRequestOwner& owner_;
  cluster::LocalClusterRef cluster_;
  const cluster::LocalInfo cluster_info_;
  const Timeouts timeouts_;
  std::unique_ptr<cluster::HttpUpstream> upstream_;
  http::StreamSender* sender_ = nullptr;
  http::HeaderMap* headers_ = nullptr;
  http::HeaderMap* trailers_ = nullptr;
  /** The body while there is no stream to send it on. */
  net::Buffer pending_;
  event::MemberDeadline<UpstreamRequest, &UpstreamRequest::onPerTryDeadline> per_try_{*this};
  event::MemberDeadline<UpstreamRequest, &UpstreamRequest::onIdleDeadline> idle_{*this};
  event::MemberDeadline<UpstreamRequest, &UpstreamRequest::onMaxDurationDeadline> max_duration_{*this};
  State state_ = State::Idle;
  http::Protocol protocol_ = http::Protocol::Http11;
  /** What noteBytes() has added. */
  struct Bytes {
    uint64_t sent = 0;
    uint64_t received = 0;
    uint64_t headers_sent = 0;
    uint64_t headers_received = 0;
  };
  Bytes noted_;
  /** An upgrade or CONNECT, whose bytes wait until the upstream has agreed: before that they could be a request. */
  const bool tunnel_;
  /** It is answered by a TCP connection. */
  const bool tcp_;
  bool tunnel_open_ : 1 = false;
  bool headers_end_stream_ : 1 = false;
  bool body_end_ : 1 = false;
  bool request_end_sent_ : 1 = false;
  bool headers_received_ : 1 = false;
  bool response_end_ : 1 = false;
  // The client is not read from while either is set.
  bool pending_above_ : 1 = false;
  bool sender_above_ : 1 = false;
  bool downstream_paused_ : 1 = false;
  bool observes_ : 1 = false;
  bool request_complete_ : 1 = false;
  bool timed_out_ : 1 = false;
};

}  // namespace sluice::filters
