#include "source/xds/grpc_channel.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "grpc/support/log.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/support/channel_arguments.h"

#include "source/base/logging.h"

namespace sluice::xds {
namespace {

int clampToInt(int64_t value) { return static_cast<int>(std::clamp<int64_t>(value, 1, INT32_MAX)); }

bool isIpv6(const ChannelTarget::Endpoint& endpoint) { return absl::StrContains(endpoint.host, ':'); }

/** All literal addresses of one family share a channel; each name and each Unix socket has its own. */
std::vector<std::string> urisOf(const ChannelTarget& target) {
  std::vector<std::string> uris, ipv4, ipv6;
  for (const ChannelTarget::Endpoint& endpoint : target.endpoints) {
    switch (endpoint.kind) {
      case ChannelTarget::Endpoint::Kind::Ip:
        if (isIpv6(endpoint)) {
          ipv6.push_back(absl::StrCat("[", endpoint.host, "]:", endpoint.port));
        } else {
          ipv4.push_back(absl::StrCat(endpoint.host, ":", endpoint.port));
        }
        break;
      case ChannelTarget::Endpoint::Kind::DnsName:
        uris.push_back(absl::StrCat("dns:///", endpoint.host, ":", endpoint.port));
        break;
      case ChannelTarget::Endpoint::Kind::UnixPath:
        uris.push_back(absl::StartsWith(endpoint.host, "@")
                           ? absl::StrCat("unix-abstract:", absl::string_view(endpoint.host).substr(1))
                           : absl::StrCat("unix:", endpoint.host));
        break;
    }
  }
  if (!ipv6.empty()) {
    uris.insert(uris.begin(), absl::StrCat("ipv6:", absl::StrJoin(ipv6, ",")));
  }
  if (!ipv4.empty()) {
    uris.insert(uris.begin(), absl::StrCat("ipv4:", absl::StrJoin(ipv4, ",")));
  }
  return uris;
}

}  // namespace

absl::StatusOr<std::unique_ptr<ChannelMaker>> ChannelMaker::create(ChannelTarget target) {
  std::vector<std::string> uris = urisOf(target);
  if (uris.empty()) {
    return absl::InvalidArgumentError("the control plane's cluster has no endpoint");
  }
  return std::unique_ptr<ChannelMaker>(new ChannelMaker(std::move(target), std::move(uris)));
}

std::shared_ptr<grpc::Channel> ChannelMaker::make() {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(target_.max_response_bytes);
  arguments.SetMaxSendMessageSize(-1);
  // The environment's proxy is for the operator's shell, not for the mesh's control plane.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  // Channels are not to find each other's connections and their back-offs.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  // gRPC's name for how long one attempt to connect may take.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, clampToInt(target_.connect_timeout.count()));
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_DNS_MIN_TIME_BETWEEN_RESOLUTIONS_MS, 100);
  arguments.SetInt(GRPC_ARG_CLIENT_IDLE_TIMEOUT_MS, INT32_MAX);
  arguments.SetUserAgentPrefix("sluice");
  if (!target_.authority.empty()) {
    arguments.SetString(GRPC_ARG_DEFAULT_AUTHORITY, target_.authority);
  }
  if (target_.keepalive_interval.has_value()) {
    arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, clampToInt(target_.keepalive_interval->count()));
    // A stream that is silent for hours is what xDS looks like when nothing changes.
    arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  }
  if (target_.keepalive_timeout.has_value()) {
    arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, clampToInt(target_.keepalive_timeout->count()));
  }
  if (target_.initial_stream_window.has_value()) {
    arguments.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, clampToInt(*target_.initial_stream_window));
  }
  if (!target_.tls_server_name.empty()) {
    arguments.SetString(GRPC_SSL_TARGET_NAME_OVERRIDE_ARG, target_.tls_server_name);
  }
  const std::string& uri = uris_[next_++ % uris_.size()];
  // Of several addresses whichever answers first; none is better than another.
  arguments.SetLoadBalancingPolicyName(absl::StrContains(uri, ',') ? "round_robin" : "pick_first");
  return grpc::CreateCustomChannel(
      uri, target_.credentials != nullptr ? target_.credentials() : grpc::InsecureChannelCredentials(), arguments);
}

void sendGrpcLogToOurs() {
  gpr_set_log_function([](gpr_log_func_args* args) {
    // What gRPC calls an error here is a control plane that is away, which our own lines tell in context.
    if (args->severity == GPR_LOG_SEVERITY_ERROR) {
      LOG_INFO(grpc, "{}", args->message);
    } else {
      LOG_DEBUG(grpc, "{}", args->message);
    }
  });
}

}  // namespace sluice::xds
