#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "envoy/config/core/v3/grpc_service.pb.h"

#include "source/event/dispatcher.h"
#include "source/xds/grpc_channel.h"
#include "source/xds/transport.h"

namespace sluice::xds {

/**
 * Streams over gRPC. gRPC's threads do nothing but take a buffer and post it to main. Destroying the transport waits
 * until gRPC has let go of every stream, so that none of its threads touches anything of ours afterwards; the waiting is
 * short, as streams that still live are cancelled. Made, used and destroyed on main.
 */
class GrpcTransport : public Transport {
 public:
  GrpcTransport(event::Dispatcher& main, ChannelFactory channels, envoy::config::core::v3::GrpcService service,
                std::string method);
  ~GrpcTransport() override;

  absl::StatusOr<std::unique_ptr<Stream>> open(StreamEvents& events) override;

 private:
  class Call;
  class CallStream;
  struct LiveCalls;

  event::Dispatcher& main_;
  const ChannelFactory channels_;
  const envoy::config::core::v3::GrpcService service_;
  const std::string method_;
  const std::shared_ptr<LiveCalls> live_calls_;
};

}  // namespace sluice::xds
