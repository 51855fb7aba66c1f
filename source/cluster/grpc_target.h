#pragma once

#include "absl/status/statusor.h"
#include "envoy/config/cluster/v3/cluster.pb.h"

#include "source/xds/grpc_channel.h"

namespace sluice::cluster {

/**
 * Where the control plane is that a cluster of the bootstrap describes (envoy_grpc.cluster_name). gRPC makes these
 * connections itself, so that the cluster must be STATIC or STRICT_DNS. Pure; any thread.
 */
absl::StatusOr<xds::ChannelTarget> grpcTarget(const envoy::config::cluster::v3::Cluster& cluster);

}  // namespace sluice::cluster
