#include "source/server/control_planes.h"

#include <utility>

#include "absl/strings/str_cat.h"

#include "source/cluster/grpc_target.h"
#include "source/xds/grpc_transport.h"

namespace sluice::server {

using envoy::config::core::v3::GrpcService;

absl::StatusOr<std::unique_ptr<xds::Transport>> ControlPlanes::transport(const GrpcService& service,
                                                                         const std::string& method) {
  const auto channels = channelsTo(service.envoy_grpc().cluster_name());
  if (!channels.ok()) {
    return channels.status();
  }
  return std::make_unique<xds::GrpcTransport>(
      main_, grpc_, [maker = *channels](const GrpcService&) { return maker->make(); }, service, method);
}

absl::StatusOr<xds::ChannelMaker*> ControlPlanes::channelsTo(const std::string& name) {
  const auto known = channels_.find(name);
  if (known != channels_.end()) {
    return known->second.get();
  }
  for (const auto& cluster : resources_.clusters()) {
    if (cluster.name() != name) {
      continue;
    }
    auto target = cluster::grpcTarget(cluster);
    auto channels = target.ok() ? xds::ChannelMaker::create(*std::move(target)) : target.status();
    if (!channels.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("cluster '", name, "': ", channels.status().message()));
    }
    xds::sendGrpcLogToOurs();
    return (channels_[name] = *std::move(channels)).get();
  }
  return absl::InvalidArgumentError(absl::StrCat("static_resources has no cluster '", name, "'"));
}

}  // namespace sluice::server
