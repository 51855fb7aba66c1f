#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "envoy/config/core/v3/grpc_service.pb.h"

#include "source/event/dispatcher.h"
#include "source/xds/grpc_channel.h"
#include "source/xds/grpc_thread.h"
#include "source/xds/transport.h"

namespace sluice::xds {

/** Streams over gRPC, whose thread does nothing but take a buffer and post it to main. Main thread. */
class GrpcTransport : public Transport {
 public:
  /** `main` and `thread` outlive the transport. */
  GrpcTransport(event::Dispatcher& main, GrpcThread& thread, ChannelFactory channels,
                envoy::config::core::v3::GrpcService service, std::string method);

  absl::StatusOr<std::unique_ptr<Stream>> open(StreamEvents& events) override;

 private:
  class Call;
  class CallStream;

  event::Dispatcher& main_;
  GrpcThread& thread_;
  const ChannelFactory channels_;
  const envoy::config::core::v3::GrpcService service_;
  const std::string method_;
};

}  // namespace sluice::xds
