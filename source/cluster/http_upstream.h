#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"

#include "source/cluster/endpoint.h"
#include "source/cluster/load_balancer.h"
#include "source/http/codec.h"
#include "source/net/stream_info.h"

namespace sluice::cluster {

enum class PoolFailure : uint8_t {
  /** The balancer has no endpoint to give: 503 UH. */
  NoHealthyUpstream,
  /** A circuit breaker (pending requests, requests, connections): 503 UO. */
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
  /** Upgrades and CONNECT: the connection is not used again. */
  bool exclusive = false;
  /** The host that is picked is given to this first; true has the balancer pick another, for a bounded number of times. */
  absl::FunctionRef<bool(const EndpointSet::Entry&)>* reject = nullptr;
  uint32_t max_host_picks = 1;
};

/** An upstream stream that stands: what the router holds of it while its messages pass. */
struct UpstreamStream {
  http::StreamSender* sender = nullptr;
  /** The upstream connection, for its addresses and TLS. */
  net::Connection* connection = nullptr;
  http::Protocol protocol = http::Protocol::Http11;
};

/**
 * What the user of a pool hears. After onPoolReady() the stream's own StreamReceiver hears the rest. Called from a later
 * turn or inside LocalCluster::newHttpStream().
 */
class HttpUpstreamCallbacks {
 public:
  virtual ~HttpUpstreamCallbacks() = default;
  /** `info` is to be filled into the stream's upstream information by HttpUpstream::describe(). */
  virtual void onPoolReady(const UpstreamStream& stream) = 0;
  /** `details` lives during the call: the transport's reason ("delayed connect error: Connection refused"). */
  virtual void onPoolFailure(PoolFailure failure, absl::string_view details) = 0;
};

/**
 * One request's place in a pool: first waiting for a connection, then a stream on it. Owned by who asked (in an arena or a
 * member): destroying it while it waits cancels it; destroying it with the stream unfinished resets the stream. Gives its
 * places in the circuit breakers back and counts cluster.<name>.upstream_rq_*. Worker thread.
 */
class HttpUpstream {
 public:
  virtual ~HttpUpstream() = default;
  /** The endpoint that was picked; set before onPoolReady() and onPoolFailure(), null with NoHealthyUpstream. */
  virtual const std::shared_ptr<Endpoint>& endpoint() const = 0;
  virtual const EndpointSet::Entry* entry() const = 0;
  /** Cluster, host, addresses, connection id, connect times; bytes on the wire so far. */
  virtual void describe(net::UpstreamInfo& info) const = 0;
  /** The stream's messages have both ended, or it was reset: the pool takes its connection back. */
  virtual void onStreamEnd() = 0;
};

}  // namespace sluice::cluster
