#pragma once

#include <cstdint>
#include <memory>

#include "source/base/intrusive_list.h"
#include "source/cluster/http_upstream.h"
#include "source/cluster/local_clusters.h"
#include "source/event/deadline.h"
#include "source/event/deferred_delete.h"
#include "source/http/codec.h"
#include "source/net/connection.h"

namespace sluice::cluster {

class HttpPool;
class HttpRequest;

/**
 * One upstream HTTP connection with its codec, and the requests that are on it. Counts its life in the cluster's
 * statistics and circuit breaker, and pins the cluster. Worker thread; its pool's, which is told of its end and outlives
 * it; goes by deferred deletion, so that no callback of the codec or the connection deletes it.
 *
 *   Connecting --Connected--> Open --drain()--> Draining --last request ended--> Closed
 *       |                      '--idle, end of the connection, error-------------->'
 *       '---failure, connect timeout---------------------------------------------->'
 */
class HttpClient final : public event::DeferredDeletable,
                         public base::ListHook,
                         private net::ConnectionCallbacks,
                         private http::CodecCallbacks,
                         private event::Deadline,
                         private event::IntrusiveTask {
 public:
  /** Begins to connect. The caller has taken a place among the cluster's connections and the endpoint's. */
  HttpClient(HttpPool& pool, LocalCluster& cluster);
  ~HttpClient() override;

  bool connecting() const { return state_ == State::Connecting; }
  /** How many more requests it may be given; of one that connects, that it may be given then. */
  uint32_t room() const;
  uint32_t activeRequests() const { return active_; }
  net::Connection& connection() { return *connection_; }
  http::ClientCodec& codec() { return *codec_; }
  /** Of one that connects and is to find out: HTTP/1.1. */
  http::Protocol protocol() const { return protocol_; }

  /** A request begins on it; `last` has it be the last one. */
  void add(HttpRequest& request, bool last);
  /** A request of it is over. */
  void remove(HttpRequest& request);

  /** No new requests; closes once those under way are over. One that still connects closes at once. */
  void drain();
  void describe(net::UpstreamInfo& info) const;

 private:
  enum class State : uint8_t { Connecting, Open, Draining, Closed };
  class Reader;

  // net::ConnectionCallbacks
  void onEvent(net::ConnectionEvent event) override;
  void onAboveWriteBufferHighWatermark() override { codec_->onConnectionAboveHighWatermark(); }
  void onBelowWriteBufferLowWatermark() override { codec_->onConnectionBelowLowWatermark(); }
  // http::CodecCallbacks
  void onGoAway(bool no_error) override;
  void onMaxConcurrentStreams(uint32_t streams) override;
  void onReadyForInput() override;
  void onKeepaliveTimeout() override;
  // event::Deadline
  void onDeadline() override;
  // event::IntrusiveTask: what there is to do once the codec's calls have unwound.
  void run() override;

  void onData(net::Buffer& data);
  /** HTTP/1: the peer sends no more. What its response's reader has not taken yet keeps the connection until it has. */
  void onEndOfInput();
  void closeAtEnd();
  void onConnected();
  void onConnectFailure(PoolFailure failure, absl::string_view reason);
  /** Tells the pool when the room changed, which has it in the list that fits. */
  void recount();
  uint32_t mostStreams() const;
  void countProtocol();
  void restOrGoOn();
  void armDeadline();
  void countEnd(bool remote);
  const ClusterInfo& info() const { return **info_; }

  HttpPool& pool_;
  // The pin goes last: it may delete the cluster.
  const LocalClusterRef cluster_;
  const LocalInfo info_;
  std::unique_ptr<net::Connection> connection_;
  std::unique_ptr<http::ClientCodec> codec_;
  base::IntrusiveList<HttpRequest> requests_;
  const base::MonotonicTime start_;
  base::MonotonicTime connected_at_;
  base::MonotonicTime idle_since_;
  net::Address local_;
  std::shared_ptr<const net::TlsInfo> tls_;
  uint32_t active_ = 0;
  uint32_t served_ = 0;
  /** Of requests at once. */
  uint32_t limit_;
  /** What recount() told the pool last. */
  uint32_t counted_room_ = 0;
  http::Protocol protocol_;
  State state_ = State::Connecting;
  /** The codec is parsing, so nothing of it may be ended. */
  bool dispatching_ : 1 = false;
  /** HTTP/1: a request is over, its codec perhaps not yet. */
  bool settling_ : 1 = false;
  bool timed_out_ : 1 = false;
  /** The peer's end was given to the codec: whichever close comes now is its doing. */
  bool input_ended_ : 1 = false;
  bool counted_connecting_ : 1 = false;
};

}  // namespace sluice::cluster
