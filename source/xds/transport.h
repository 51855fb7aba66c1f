#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "grpcpp/support/byte_buffer.h"

namespace envoy::config::core::v3 {
class GrpcService;
}

namespace sluice::xds {

/** What is told of one stream to the control plane; all on main. */
class StreamEvents {
 public:
  virtual ~StreamEvents() = default;
  /** The connection is there, and requests are on their way. The server may still refuse the stream. */
  virtual void onConnected() = 0;
  /** One message, whatever its bytes. At most as many come as allowRead() has allowed. */
  virtual void onMessage(::grpc::ByteBuffer message) = 0;
  /** The stream is over, or could not be made; the last call. It may destroy the stream. */
  virtual void onClosed(absl::Status status) = 0;
};

/** One stream to the control plane. Destroying it ends it, and then nothing more is told. Main thread. */
class Stream {
 public:
  virtual ~Stream() = default;
  /** Messages go out in order; before the connection is there they wait. */
  virtual void send(std::string message) = 0;
  /** Allows one more message to come in, so that a server that sends without end fills no memory. */
  virtual void allowRead() = 0;
};

/** The wire: gRPC in production (grpc_transport.h), a script in tests. Main thread; outlives its streams. */
class Transport {
 public:
  virtual ~Transport() = default;
  /** Begins a stream. `events` outlives it. A failure that is known at once is returned; others come by onClosed(). */
  virtual absl::StatusOr<std::unique_ptr<Stream>> open(StreamEvents& events) = 0;
};

/**
 * The wire to the control plane that a service names, for calls of one method ("/package.Service/Method"); fails where
 * there is none.
 */
using TransportFactory = std::function<absl::StatusOr<std::unique_ptr<Transport>>(
    const envoy::config::core::v3::GrpcService& service, const std::string& method)>;

}  // namespace sluice::xds
