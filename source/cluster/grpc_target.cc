#include "source/cluster/grpc_target.h"

#include "absl/strings/str_cat.h"
#include "envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer.pb.h"
#include "envoy/extensions/upstreams/http/v3/http_protocol_options.pb.h"

#include "source/base/logging.h"
#include "source/cluster/cluster_config.h"
#include "source/cluster/grpc_tls.h"
#include "source/config/duration.h"
#include "source/config/type_registry.h"

namespace sluice::cluster {

namespace {

using envoy::config::core::v3::Http2ProtocolOptions;
using envoy::extensions::upstreams::http::v3::HttpProtocolOptions;

void applyHttp2(const Http2ProtocolOptions& options, xds::ChannelTarget& target) {
  if (options.has_connection_keepalive()) {
    const auto& keepalive = options.connection_keepalive();
    if (keepalive.has_interval()) {
      target.keepalive_interval = std::chrono::milliseconds(config::toMilliseconds(keepalive.interval()));
    }
    if (keepalive.has_timeout()) {
      target.keepalive_timeout = std::chrono::milliseconds(config::toMilliseconds(keepalive.timeout()));
    }
  }
  if (options.has_initial_stream_window_size()) {
    target.initial_stream_window = options.initial_stream_window_size().value();
  }
}

/** Null for plaintext. */
std::shared_ptr<GrpcTls> readTls(const ClusterProto& cluster, config::Violations& violations) {
  if (!cluster.has_transport_socket()) {
    return nullptr;
  }
  const config::FieldPath path = config::FieldPath("transport_socket").field("typed_config");
  const auto& any = cluster.transport_socket().typed_config();
  const std::string type = config::extensionTypeName(any);
  if (type == GrpcTls::UpstreamTlsContext::descriptor()->full_name()) {
    GrpcTls::UpstreamTlsContext context;
    return config::unpackTo(any, context, path, violations) ? GrpcTls::create(context, path, violations) : nullptr;
  }
  if (type != envoy::extensions::transport_sockets::raw_buffer::v3::RawBuffer::descriptor()->full_name() &&
      cluster.transport_socket().name() != "envoy.transport_sockets.raw_buffer") {
    violations.add(path,
                   absl::StrCat("a control plane is spoken to in plaintext or over TLS, not through '", type, "'"));
  }
  return nullptr;
}

}  // namespace

absl::StatusOr<xds::ChannelTarget> grpcTarget(const ClusterProto& cluster) {
  if (cluster.type() == ClusterProto::EDS) {
    return absl::InvalidArgumentError(absl::StrCat(
        "cluster '", cluster.name(), "' cannot lead to a control plane: its type must be STATIC or STRICT_DNS"));
  }
  config::Violations violations;
  auto plain = std::make_shared<ClusterProto>(cluster);
  plain->clear_transport_socket();
  const ClusterParts parts = takeApart(std::move(plain), runtime::Snapshot(), config::FieldPath(), violations);
  const std::shared_ptr<GrpcTls> tls = readTls(cluster, violations);
  if (!parts.transports.matches.empty()) {
    violations.add(config::FieldPath("transport_socket_matches"),
                   "all endpoints of a control plane are reached in one way: name it in transport_socket");
  }
  if (!violations.empty()) {
    return violations.toStatus(absl::StrCat("cluster '", cluster.name(), "'"));
  }
  using Endpoint = xds::ChannelTarget::Endpoint;
  xds::ChannelTarget target;
  target.authority = cluster.name();
  target.connect_timeout = parts.connect_timeout;
  if (tls != nullptr) {
    target.credentials = [tls] { return tls->credentials(); };
    target.tls_server_name = tls->serverName();
  }
  for (const EndpointSpec& spec : parts.assignment.endpoints) {
    Endpoint endpoint;
    if (spec.address.kind() == net::Address::Kind::Pipe) {
      endpoint = {Endpoint::Kind::UnixPath, spec.address.path(), 0};
    } else if (spec.address.isIp()) {
      endpoint = {Endpoint::Kind::Ip, spec.address.ipString(), spec.address.port()};
    } else if (net::Address::ip(spec.dns_name, spec.dns_port).ok()) {
      endpoint = {Endpoint::Kind::Ip, spec.dns_name, spec.dns_port};
    } else {
      endpoint = {Endpoint::Kind::DnsName, spec.dns_name, spec.dns_port};
    }
    target.endpoints.push_back(std::move(endpoint));
  }
  if (target.endpoints.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("cluster '", cluster.name(), "' has no endpoints"));
  }
  if (cluster.upstream_connection_options().has_tcp_keepalive()) {
    // Bootstraps of Istio ask for it, and gRPC's API cannot set it.
    LOG_WARNING(
        config,
        "cluster '{}': upstream_connection_options.tcp_keepalive is ignored on the way to a control plane, since "
        "gRPC makes that connection and does not set it; http2_protocol_options.connection_keepalive does the "
        "same job there",
        cluster.name());
  }
  if (cluster.has_http2_protocol_options()) {
    applyHttp2(cluster.http2_protocol_options(), target);
  }
  for (const auto& [name, any] : cluster.typed_extension_protocol_options()) {
    HttpProtocolOptions options;
    if (any.UnpackTo(&options)) {
      applyHttp2(options.explicit_http_config().http2_protocol_options(), target);
    }
  }
  return target;
}

}  // namespace sluice::cluster
