#include "source/cluster/http_config.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "envoy/extensions/transport_sockets/proxy_protocol/v3/upstream_proxy_protocol.pb.h"
#include "envoy/extensions/transport_sockets/tls/v3/tls.pb.h"
#include "envoy/extensions/upstreams/http/v3/http_protocol_options.pb.h"

#include "source/cluster/http_codecs.h"
#include "source/config/duration.h"
#include "source/config/type_registry.h"
#include "source/http/protocol_options.h"

namespace sluice::cluster {

namespace {

namespace core = envoy::config::core::v3;
using config::FieldPath;
using config::Violations;
using envoy::extensions::upstreams::http::v3::HttpProtocolOptions;

constexpr absl::string_view kType = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

std::chrono::milliseconds toMilliseconds(const google::protobuf::Duration& duration) {
  return std::chrono::milliseconds(config::toMilliseconds(duration));
}

/** The options of each protocol, wherever they came from, with their paths. */
struct Sources {
  core::HttpProtocolOptions common;
  core::Http1ProtocolOptions http1;
  core::Http2ProtocolOptions http2;
  FieldPath common_path;
  FieldPath http1_path;
  FieldPath http2_path;
  HttpProtocolChoice choice = HttpProtocolChoice::Http1;
  core::UpstreamHttpProtocolOptions upstream;
};

/** explicit_http_config, use_downstream_protocol_config and auto_config have the same fields of protocols. */
template <class Config>
void takeProtocols(const Config& config, const FieldPath& at, Sources& sources) {
  sources.http1 = config.http_protocol_options();
  sources.http2 = config.http2_protocol_options();
  sources.http1_path = at.field("http_protocol_options");
  sources.http2_path = at.field("http2_protocol_options");
}

Sources fromOptions(const HttpProtocolOptions& options, const FieldPath& path) {
  Sources sources;
  sources.common = options.common_http_protocol_options();
  sources.common_path = path.field("common_http_protocol_options");
  sources.upstream = options.upstream_http_protocol_options();
  switch (options.upstream_protocol_options_case()) {
    case HttpProtocolOptions::kExplicitHttpConfig:
      takeProtocols(options.explicit_http_config(), path.field("explicit_http_config"), sources);
      sources.choice = options.explicit_http_config().has_http2_protocol_options() ? HttpProtocolChoice::Http2
                                                                                   : HttpProtocolChoice::Http1;
      break;
    case HttpProtocolOptions::kUseDownstreamProtocolConfig:
      takeProtocols(options.use_downstream_protocol_config(), path.field("use_downstream_protocol_config"), sources);
      sources.choice = HttpProtocolChoice::Downstream;
      break;
    case HttpProtocolOptions::kAutoConfig:
      takeProtocols(options.auto_config(), path.field("auto_config"), sources);
      sources.choice = HttpProtocolChoice::Auto;
      break;
    case HttpProtocolOptions::UPSTREAM_PROTOCOL_OPTIONS_NOT_SET:
      break;
  }
  return sources;
}

namespace transport_sockets = envoy::extensions::transport_sockets;

bool offersAlpn(const core::TransportSocket& socket) {
  using ProxyProtocol = transport_sockets::proxy_protocol::v3::ProxyProtocolUpstreamTransport;
  const std::string type = config::extensionTypeName(socket.typed_config());
  if (type == ProxyProtocol::descriptor()->full_name()) {
    ProxyProtocol around;
    return around.ParsePartialFromString(socket.typed_config().value()) && offersAlpn(around.transport_socket());
  }
  return type == transport_sockets::tls::v3::UpstreamTlsContext::descriptor()->full_name();
}

bool allOfferAlpn(const ClusterProto& proto) {
  const auto& matches = proto.transport_socket_matches();
  return offersAlpn(proto.transport_socket()) && std::all_of(matches.begin(), matches.end(), [](const auto& match) {
           return offersAlpn(match.transport_socket());
         });
}

Sources fromDeprecatedFields(const ClusterProto& proto, const FieldPath& path, Violations& violations) {
  Sources sources;
  sources.common = proto.common_http_protocol_options();
  sources.upstream = proto.upstream_http_protocol_options();
  sources.http1 = proto.http_protocol_options();
  sources.http2 = proto.http2_protocol_options();
  sources.common_path = path.field("common_http_protocol_options");
  sources.http1_path = path.field("http_protocol_options");
  sources.http2_path = path.field("http2_protocol_options");
  if (proto.protocol_selection() == ClusterProto::USE_DOWNSTREAM_PROTOCOL) {
    sources.choice = HttpProtocolChoice::Downstream;
  } else if (proto.has_http2_protocol_options()) {
    sources.choice = HttpProtocolChoice::Http2;
    if (proto.has_http_protocol_options()) {
      violations.add(sources.http1_path,
                     "cannot be together with http2_protocol_options unless protocol_selection says so");
    }
  }
  return sources;
}

}  // namespace

HttpOptions readHttpOptions(const ClusterProto& proto, const FieldPath& path, Violations& violations) {
  std::optional<Sources> sources;
  for (const auto& [name, any] : proto.typed_extension_protocol_options()) {
    const FieldPath at = path.field("typed_extension_protocol_options").key(name);
    const std::string type = config::extensionTypeName(any);
    if (type != kType) {
      violations.add(at, absl::StrCat("there are no protocol options of the type '", type, "', only ", kType));
      continue;
    }
    const std::unique_ptr<google::protobuf::Message> unpacked = config::unpackExtension(any, at, violations);
    if (unpacked != nullptr) {
      HttpProtocolOptions options;
      // Of a type that the registry made itself.
      options.ParsePartialFromString(unpacked->SerializePartialAsString());
      sources = fromOptions(options, at);
      if (options.has_auto_config() && !allOfferAlpn(proto)) {
        violations.add(at.field("auto_config"),
                       "ALPN chooses the protocol, and not every transport_socket of the cluster has TLS to offer it");
      }
    }
  }
  if (!sources.has_value()) {
    sources = fromDeprecatedFields(proto, path, violations);
  }
  HttpOptions read;
  read.protocol = sources->choice;
  read.auto_sni = sources->upstream.auto_sni();
  read.auto_sni_san_validation = sources->upstream.auto_san_validation();
  read.sni_header = absl::AsciiStrToLower(sources->upstream.override_auto_sni_header());
  const core::HttpProtocolOptions& common = sources->common;
  if (common.has_idle_timeout()) {
    read.idle_timeout = toMilliseconds(common.idle_timeout());
  }
  // As in Envoy, 0 is no limit.
  if (common.has_max_connection_duration() && toMilliseconds(common.max_connection_duration()).count() > 0) {
    read.max_connection_duration = toMilliseconds(common.max_connection_duration());
  }
  if (common.has_max_stream_duration() && toMilliseconds(common.max_stream_duration()).count() > 0) {
    read.max_stream_duration = toMilliseconds(common.max_stream_duration());
  }
  if (common.has_max_requests_per_connection()) {
    read.max_requests_per_connection = common.max_requests_per_connection().value();
  }
  if (proto.has_max_requests_per_connection()) {
    if (common.has_max_requests_per_connection()) {
      violations.add(path.field("max_requests_per_connection"),
                     "cannot be together with max_requests_per_connection of the HTTP protocol options");
    }
    read.max_requests_per_connection = proto.max_requests_per_connection().value();
  }
  read.codecs = std::make_shared<const HttpCodecs>(
      http::toHttp1Settings(sources->http1, common, sources->http1_path, violations),
      http::toHttp2Settings(sources->http2, common, sources->http2_path, violations));
  return read;
}

HttpCodecStats makeCodecStats(const HttpOptions& options, stats::Scope& scope) {
  HttpCodecStats stats;
  if (options.protocol != HttpProtocolChoice::Http2) {
    stats.http1.dropped_headers_with_underscores = scope.counter("http1.dropped_headers_with_underscores");
    stats.http1.requests_rejected_with_underscores_in_headers =
        scope.counter("http1.requests_rejected_with_underscores_in_headers");
    stats.http1.metadata_not_supported_error = scope.counter("http1.metadata_not_supported_error");
    stats.http1.response_flood = scope.counter("http1.response_flood");
  }
  if (options.protocol != HttpProtocolChoice::Http1) {
    stats.http2 = http::Http2Stats::make(scope);
  }
  return stats;
}

}  // namespace sluice::cluster
