#pragma once

#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "envoy/config/bootstrap/v3/bootstrap.pb.h"
#include "envoy/config/core/v3/grpc_service.pb.h"

#include "source/event/dispatcher.h"
#include "source/xds/grpc_channel.h"
#include "source/xds/grpc_thread.h"
#include "source/xds/transport.h"

namespace sluice::server {

/**
 * The control planes that the bootstrap's static clusters describe: gRPC makes these connections itself, and they must be
 * there before any cluster comes over xDS. Main thread; owned by the server; outlives all transports and their streams.
 */
class ControlPlanes {
 public:
  using StaticResources = envoy::config::bootstrap::v3::Bootstrap::StaticResources;

  /** Both outlive this. */
  ControlPlanes(event::Dispatcher& main, const StaticResources& resources) : main_(main), resources_(resources) {}

  /** As xds::TransportFactory. */
  absl::StatusOr<std::unique_ptr<xds::Transport>> transport(const envoy::config::core::v3::GrpcService& service,
                                                            const std::string& method);

 private:
  absl::StatusOr<xds::ChannelMaker*> channelsTo(const std::string& cluster);

  event::Dispatcher& main_;
  const StaticResources& resources_;
  /** By cluster. */
  std::map<std::string, std::unique_ptr<xds::ChannelMaker>> channels_;
  xds::GrpcThread grpc_;
};

}  // namespace sluice::server
