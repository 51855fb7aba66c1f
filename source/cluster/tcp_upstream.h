#pragma once

#include <memory>
#include <variant>

#include "absl/strings/string_view.h"

#include "source/net/connection.h"

namespace sluice::cluster {

class Endpoint;
class LocalCluster;

enum class TcpFailure : uint8_t {
  /** The balancer has no endpoint to give. */
  NoHealthyUpstream,
  /** The circuit breaker's connections are used up. */
  Overflow,
  ConnectFailure,
  ConnectTimeout,
};

/** What the user of an upstream connection hears of it; the connection's own callbacks tell what comes after. */
class TcpUpstreamCallbacks {
 public:
  virtual ~TcpUpstreamCallbacks() = default;
  virtual void onUpstreamConnected() = 0;
  /** The attempt failed; the TcpUpstream is to be destroyed by its owner, now or later. `details` is a static text. */
  virtual void onUpstreamFailure(TcpFailure failure, absl::string_view details) = 0;
};

/**
 * One upstream TCP connection with its endpoint, its connect timeout and its place in the cluster's statistics and
 * circuit breaker. Owned by who asked for it; destroying it closes the connection (deferred, safe inside callbacks) and
 * gives the place back. Worker thread.
 */
class TcpUpstream {
 public:
  virtual ~TcpUpstream() = default;
  /** Connecting until onUpstreamConnected(); half-close is enabled, reading not disabled. */
  virtual net::Connection& connection() = 0;
  virtual const std::shared_ptr<Endpoint>& endpoint() const = 0;
  /** Filled for access logs: cluster, host, addresses, connection id, bytes so far. */
  virtual void describe(net::UpstreamInfo& info) const = 0;
  /** readDisable() of the connection, counted as the cluster's upstream_flow_control_*_reading_total. */
  virtual void pauseReading() = 0;
  virtual void resumeReading() = 0;
  /** Counts upstream_cx_connect_attempts_exceeded: the user makes no further attempt. */
  virtual void countAttemptsExceeded() = 0;
};

/** Either the attempt under way, or why none was begun. */
using TcpConnectResult = std::variant<std::unique_ptr<TcpUpstream>, TcpFailure>;

}  // namespace sluice::cluster
