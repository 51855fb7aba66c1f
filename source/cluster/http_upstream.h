#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"

#include "source/cluster/endpoint.h"
#include "source/http/codec.h"
#include "source/net/stream_info.h"

namespace sluice::net {
class Connection;
}

namespace sluice::cluster {

enum class PoolFailure : uint8_t {
  /** The balancer has no endpoint to give: 503 UH. */
  NoHealthyUpstream,
  /** A circuit breaker (pending requests, requests): 503 UO. */
  Overflow,
  /** The connection could not be made, or was refused locally: UF. */
  LocalConnectionFailure,
  RemoteConnectionFailure,
  ConnectTimeout,
};

/** What a request wants of the connection it goes over. */
struct HttpStreamOptions {
  /** Of the request as it came in, for clusters that use the downstream's protocol. */
  http::Protocol downstream_protocol = http::Protocol::Http11;
  bool high_priority = false;
  /** Upgrades and CONNECT: an HTTP/1 connection is not used again. */
  bool exclusive = false;
  /** A CONNECT that ends here: what follows are the bytes of a TCP connection (tcp_tunnel.h). */
  bool tcp = false;
  /**
   * The endpoint that is picked is given to this first; true has the balancer pick another, up to `max_host_picks` picks
   * in all, the last of which is taken as it is. Called inside newHttpStream() alone.
   */
  absl::FunctionRef<bool(const EndpointSet::Entry&)>* reject = nullptr;
  uint32_t max_host_picks = 1;
};

/** An upstream stream that stands: what the router holds of it while its messages pass. */
struct UpstreamStream {
  /** Until onStreamEnd() (see http::StreamSender for when it goes). */
  http::StreamSender* sender = nullptr;
  /** The upstream connection, for its addresses and TLS. */
  net::Connection* connection = nullptr;
  http::Protocol protocol = http::Protocol::Http11;
};

/** What the user of a pool hears: one of these, once, inside HttpUpstream::start() or from a later turn. */
class HttpUpstreamCallbacks {
 public:
  virtual ~HttpUpstreamCallbacks() = default;
  /** After this the stream's own StreamReceiver hears the rest. The HttpUpstream may be destroyed in this. */
  virtual void onPoolReady(const UpstreamStream& stream) = 0;
  /**
   * `details` lives during the call: the transport's reason ("delayed connect error: Connection refused"). The
   * HttpUpstream may be destroyed in this, and is good for nothing else afterwards.
   */
  virtual void onPoolFailure(PoolFailure failure, absl::string_view details) = 0;
};

/**
 * One request's place in a pool: first waiting for a connection, then a stream on it. Owned by who asked
 * (LocalCluster::newHttpStream()); from the thread's free list. Destroying it while it waits cancels it; destroying it
 * with the stream unfinished resets the stream. Gives its places in the circuit breakers back and counts
 * cluster.<name>.upstream_rq_{total,active,pending_*,cancelled,rx_reset,tx_reset} and the endpoint's rq_total, rq_active;
 * the rest of upstream_rq_* is its user's to count. Pins the version of the cluster that it began with. Worker thread.
 *
 *   Idle --start()--> Waiting --onPoolReady--> Streaming --onStreamEnd(), reset()--> Ended
 *                        '------onPoolFailure------------------------------------>---'
 */
class HttpUpstream {
 public:
  virtual ~HttpUpstream() = default;

  /** Once. Apart from newHttpStream(), so that whoever is called back holds the pointer already. */
  virtual void start() = 0;

  /** The endpoint that was picked, known before start(); null where there is none (NoHealthyUpstream). */
  virtual const std::shared_ptr<Endpoint>& endpoint() const = 0;
  /** Its place in the set of endpoints (weight, health, canary, metadata); lives as long as this. Null as endpoint(). */
  virtual const EndpointSet::Entry* entry() const = 0;
  /** This worker's counts of the endpoint, for rq_success, rq_error and rq_timeout. Only where there is an endpoint. */
  virtual EndpointRequests& requests() const = 0;

  /** Cluster, host, and once it streams addresses, connection id, connect times and bytes on the wire so far. */
  virtual void describe(net::UpstreamInfo& info) const = 0;

  /**
   * To be called once both messages of the stream have ended, or from (or after) StreamReceiver::onReset() with its
   * reason: the pool takes its connection back. The sender is no more to be used.
   */
  virtual void onStreamEnd(std::optional<http::ResetReason> reset = std::nullopt) = 0;
  /** Gives an unfinished stream up; its receiver hears nothing more. Does nothing where none is under way. */
  virtual void reset(http::ResetReason reason) = 0;
};

}  // namespace sluice::cluster
