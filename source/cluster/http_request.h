#pragma once

#include <cstddef>

#include "source/base/intrusive_list.h"
#include "source/cluster/connection_options.h"
#include "source/cluster/http_upstream.h"
#include "source/cluster/local_clusters.h"

namespace sluice::cluster {

class HttpClient;
class HttpPool;

/**
 * The HttpUpstream that LocalCluster::newHttpStream() makes. While it waits it is in its pool's queue, while it streams
 * among its client's requests. Worker thread; its user's, who may delete it in any callback.
 */
class HttpRequest final : public HttpUpstream, public base::ListHook {
 public:
  HttpRequest(LocalCluster& cluster, const PickedEndpoint& picked, http::StreamReceiver& receiver,
              HttpUpstreamCallbacks& callbacks, const HttpStreamOptions& options,
              LocalConnectionOptions connection_options);
  ~HttpRequest() override;

  void start() override;
  const std::shared_ptr<Endpoint>& endpoint() const override;
  const EndpointSet::Entry* entry() const override { return entry_; }
  EndpointRequests& requests() const override;
  void describe(net::UpstreamInfo& info) const override;
  void onStreamEnd(std::optional<http::ResetReason> reset) override;
  void reset(http::ResetReason reason) override;

  // For the pool and its clients.

  CircuitBreakers::Limits& limits() const { return info().breakers->of(high_priority_); }
  const ClusterInfo& info() const { return **info_; }
  /** Stands in the pool's queue from now on. */
  void beginWaiting();
  /** No stream comes: tells the user so, who may delete this. */
  void fail(PoolFailure failure, absl::string_view details);
  /** Opens the stream on the client, or fails when the breaker does not let it; the user may delete this meanwhile. */
  void begin(HttpClient& client);
  /** The client's connection has gone, and the user has not said that the stream ended. */
  void onConnectionGone();

  static void* operator new(size_t size);
  static void operator delete(void* memory);

 private:
  enum class State : uint8_t { Idle, Waiting, Streaming, Ended };

  void endWaiting();
  void endStream();

  // The pin goes last: it may delete the cluster.
  const LocalClusterRef cluster_;
  const LocalInfo info_;
  const LocalEndpoints endpoints_;
  const EndpointSet::Entry* const entry_;
  http::StreamReceiver& receiver_;
  HttpUpstreamCallbacks& callbacks_;
  HttpPool* pool_ = nullptr;
  HttpClient* client_ = nullptr;
  http::StreamSender* sender_ = nullptr;
  mutable EndpointRequests* requests_ = nullptr;
  const LocalConnectionOptions connection_options_;
  const http::Protocol downstream_protocol_;
  const bool high_priority_;
  const bool exclusive_;
  State state_ = State::Idle;
};

}  // namespace sluice::cluster
