#pragma once

#include <memory>

#include "source/cluster/connection_options.h"
#include "source/cluster/local_clusters.h"
#include "source/cluster/tcp_upstream.h"
#include "source/event/deadline.h"
#include "source/net/connection.h"

namespace sluice::cluster {

/**
 * The TcpUpstream that LocalCluster::connectTcp() makes: holds a connection's places in the circuit breaker and at its
 * endpoint, and counts its life. TCP connections are not pooled: each serves one downstream connection. Worker thread;
 * owned by who asked for it, who may delete it in any callback.
 *
 *   Connecting --Connected--> Up --close event--> Ended
 *       '---failure, deadline, deleted---------->---'
 */
class TcpConnection final : public TcpUpstream, private net::ConnectionCallbacks, private event::Deadline {
 public:
  /**
   * The caller has taken a place among the cluster's connections, the endpoint's and the pending ones, which this gives
   * back. `options` may be null.
   */
  TcpConnection(LocalCluster& cluster, const EndpointSet::Entry& entry, TcpUpstreamCallbacks& callbacks,
                const ConnectionOptions* options);
  ~TcpConnection() override;

  net::Connection& connection() override { return *connection_; }
  const std::shared_ptr<Endpoint>& endpoint() const override { return endpoint_; }
  void describe(net::UpstreamInfo& info) const override;
  void pauseReading() override;
  void resumeReading() override;
  void countAttemptsExceeded() override;

 private:
  enum class State : uint8_t { Connecting, Up, Ended };
  enum class End : uint8_t { Remote, Local, Abandoned };

  void onEvent(net::ConnectionEvent event) override;
  void onDeadline() override;
  /** Gives all places back. An attempt that its owner abandons has not failed. */
  void end(End how);
  const ClusterInfo& info() const { return **info_; }

  // The pin goes last: it may delete the cluster.
  const LocalClusterRef cluster_;
  const LocalInfo info_;
  const std::shared_ptr<Endpoint> endpoint_;
  /** As Envoy has it, a connection that is up is a request; LEAST_REQUEST looks at them. */
  EndpointRequests& requests_;
  TcpUpstreamCallbacks& callbacks_;
  std::unique_ptr<net::Connection> connection_;
  const base::MonotonicTime start_;
  base::MonotonicTime connected_at_;
  State state_ = State::Connecting;
};

}  // namespace sluice::cluster
