#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "grpcpp/channel.h"
#include "grpcpp/security/credentials.h"

namespace envoy::config::core::v3 {
class GrpcService;
}

namespace sluice::xds {

/** Responses up to this size are taken. */
inline constexpr int kMaxResponseBytes = 256 * 1024 * 1024;

/**
 * Where a control plane is and how it is spoken to, as plain data: what a static cluster of the bootstrap says. Exactly
 * what gRPC has a setting for; the rest of a cluster's options do not apply to gRPC's own connections.
 */
struct ChannelTarget {
  struct Endpoint {
    enum class Kind { Ip, DnsName, UnixPath };
    Kind kind = Kind::Ip;
    /** A literal address, a name, or a path (an abstract one begins with '@'). */
    std::string host;
    /** Not for UnixPath. */
    uint32_t port = 0;
  };

  std::vector<Endpoint> endpoints;
  /** The :authority of requests; Envoy uses the cluster's name. */
  std::string authority;
  std::chrono::milliseconds connect_timeout{5000};
  /** HTTP/2 PINGs: Http2ProtocolOptions.connection_keepalive. */
  std::optional<std::chrono::milliseconds> keepalive_interval;
  std::optional<std::chrono::milliseconds> keepalive_timeout;
  /** Http2ProtocolOptions.initial_stream_window_size. */
  std::optional<uint32_t> initial_stream_window;
  int max_response_bytes = kMaxResponseBytes;
  /** Makes the credentials of each new channel; null is plaintext. */
  std::function<std::shared_ptr<::grpc::ChannelCredentials>()> credentials;
  /** What TLS calls the server; empty: the authority. */
  std::string tls_server_name;
};

/**
 * Makes channels to one target. A channel is made anew for each attempt: it remembers no failures, so that the stream's
 * back-off is the only one, and names are resolved again. With endpoints that gRPC cannot hold in one channel (names, Unix
 * sockets, both IP families) the attempts go around. Main thread.
 */
class ChannelMaker {
 public:
  /** Fails if there is no endpoint. */
  static absl::StatusOr<std::unique_ptr<ChannelMaker>> create(ChannelTarget target);

  std::shared_ptr<::grpc::Channel> make();
  /** gRPC's spelling: "ipv4:127.0.0.1:80,127.0.0.1:81", "dns:///cp.mesh:15010", "unix:/run/xds". */
  const std::vector<std::string>& uris() const { return uris_; }

 private:
  ChannelMaker(ChannelTarget target, std::vector<std::string> uris)
      : target_(std::move(target)), uris_(std::move(uris)) {}

  const ChannelTarget target_;
  const std::vector<std::string> uris_;
  size_t next_ = 0;
};

/** Given by whoever knows the clusters: a new channel to the one that the service names. */
using ChannelFactory = std::function<absl::StatusOr<std::shared_ptr<::grpc::Channel>>(
    const envoy::config::core::v3::GrpcService& service)>;

/** Has gRPC's own messages go to the log as id "grpc". Any thread, before gRPC is used. */
void sendGrpcLogToOurs();

}  // namespace sluice::xds
