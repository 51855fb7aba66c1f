#pragma once

#include <memory>
#include <optional>

#include "source/cluster/http_upstream.h"
#include "source/cluster/load_balancer.h"
#include "source/cluster/local_clusters.h"
#include "source/cluster/tcp_upstream.h"
#include "source/event/dispatcher.h"
#include "source/net/connection.h"

namespace sluice::cluster {

/**
 * The HttpUpstream of a CONNECT that ends here (connect_config): the request's body is a TCP connection's bytes, and its
 * answer a 200 of our own with what comes back. Worker thread; its user's, who may delete it in any HttpUpstreamCallbacks,
 * but not before its receiver's calls have returned.
 *
 *   Idle --start()--> Connecting --onUpstreamConnected()--> Streaming --close, onStreamEnd(), reset()--> Ended
 *                        '------onUpstreamFailure()------------------------------------------------>---'
 */
class TcpTunnel final : public HttpUpstream,
                        private http::StreamSender,
                        private TcpUpstreamCallbacks,
                        private net::ConnectionCallbacks,
                        private event::IntrusiveTask {
 public:
  /** What `context` points at lives until start() has returned. */
  TcpTunnel(LocalCluster& cluster, http::StreamReceiver& receiver, HttpUpstreamCallbacks& callbacks,
            const LoadBalancerContext& context);
  ~TcpTunnel() override;

  // HttpUpstream: the endpoint is known from start() on.
  void start() override;
  const std::shared_ptr<Endpoint>& endpoint() const override;
  const EndpointSet::Entry* entry() const override { return nullptr; }
  EndpointRequests& requests() const override;
  void describe(net::UpstreamInfo& info) const override;
  void onStreamEnd(std::optional<http::ResetReason> reset) override;
  void reset(http::ResetReason reason) override;

 private:
  class Reader;
  enum class State : uint8_t { Idle, Connecting, Streaming, Ended };

  // http::StreamSender
  void sendHeaders(const http::HeaderMap& headers, bool end_stream) override;
  void sendInterimHeaders(const http::HeaderMap&) override {}
  void sendData(net::Buffer& data, bool end_stream) override;
  void sendTrailers(const http::HeaderMap& trailers) override;
  void readDisable(bool disable) override;
  uint64_t bufferedBytes() const override { return 0; }
  uint64_t wireBytesSent() const override;
  uint64_t wireBytesReceived() const override;
  uint64_t headerWireBytesSent() const override { return 0; }
  uint64_t headerWireBytesReceived() const override { return 0; }
  uint32_t streamId() const override { return 0; }

  // TcpUpstreamCallbacks
  void onUpstreamConnected() override;
  void onUpstreamFailure(TcpFailure failure, absl::string_view details) override;

  // net::ConnectionCallbacks
  void onEvent(net::ConnectionEvent event) override;
  void onAboveWriteBufferHighWatermark() override;
  void onBelowWriteBufferLowWatermark() override;

  /** Answers the request, once it has been sent. */
  void run() override;
  void leave();

  // The pin goes last: it may delete the cluster.
  const LocalClusterRef cluster_;
  const LocalInfo info_;
  http::StreamReceiver& receiver_;
  HttpUpstreamCallbacks& callbacks_;
  const LoadBalancerContext context_;
  std::unique_ptr<TcpUpstream> upstream_;
  /** The upstream connection's; null while there is none. */
  Reader* reader_ = nullptr;
  State state_ = State::Idle;
};

}  // namespace sluice::cluster
