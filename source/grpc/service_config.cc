#include "source/grpc/service_config.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "envoy/config/core/v3/base.pb.h"
#include "envoy/config/core/v3/grpc_service.pb.h"

#include "source/config/duration.h"

namespace sluice::grpc {
namespace {

using http::HeaderId;

/** This host's first address that is not a loopback's, as Envoy tells it to services that it calls. */
const std::string& localAddress() {
  static const std::string address = [] {
    std::string found = "127.0.0.1";
    ifaddrs* all = nullptr;
    if (getifaddrs(&all) != 0) {
      return found;
    }
    for (const ifaddrs* each = all; each != nullptr; each = each->ifa_next) {
      if (each->ifa_addr != nullptr && each->ifa_addr->sa_family == AF_INET && (each->ifa_flags & IFF_LOOPBACK) == 0) {
        char text[INET_ADDRSTRLEN];
        inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(each->ifa_addr)->sin_addr, text, sizeof(text));
        found = text;
        break;
      }
    }
    freeifaddrs(all);
    return found;
  }();
  return address;
}

/** gRPC: at most eight digits and a unit. */
std::string timeoutText(std::chrono::milliseconds timeout) {
  int64_t value = timeout.count();
  if (value < 100'000'000) {
    return absl::StrCat(value, "m");
  }
  value /= 1000;
  if (value < 100'000'000) {
    return absl::StrCat(value, "S");
  }
  return absl::StrCat(std::min<int64_t>(value / 60, 99'999'999), "M");
}

}  // namespace

RetrySettings RetrySettings::create(const envoy::config::core::v3::RetryPolicy& config, const config::FieldPath& path,
                                    config::Violations& violations) {
  RetrySettings out;
  out.max_retries = config.has_num_retries() ? config.num_retries().value() : 1;
  for (const absl::string_view word : absl::StrSplit(config.retry_on(), ',', absl::SkipWhitespace())) {
    const absl::string_view name = absl::StripAsciiWhitespace(word);
    if (name == "5xx") {
      out.on_5xx = out.on_reset = out.on_connect_failure = out.on_refused_stream = true;
    } else if (name == "gateway-error") {
      out.on_gateway_error = true;
    } else if (name == "reset") {
      out.on_reset = true;
    } else if (name == "connect-failure") {
      out.on_connect_failure = true;
    } else if (name == "refused-stream") {
      out.on_refused_stream = true;
    } else if (name == "cancelled") {
      out.on_grpc_codes |= 1u << 1;
    } else if (name == "deadline-exceeded") {
      out.on_grpc_codes |= 1u << 4;
    } else if (name == "resource-exhausted") {
      out.on_grpc_codes |= 1u << 8;
    } else if (name == "internal") {
      out.on_grpc_codes |= 1u << 13;
    } else if (name == "unavailable") {
      out.on_grpc_codes |= 1u << 14;
    } else {
      violations.add(path.field("retry_on"), absl::StrCat("\"", name, "\" is no condition that a call is retried on"));
    }
  }
  if (config.retry_on().empty()) {
    // Envoy's defaults for what it fetches of itself.
    out.on_5xx = out.on_gateway_error = out.on_connect_failure = out.on_reset = true;
  }
  if (config.has_retry_back_off()) {
    const auto& back_off = config.retry_back_off();
    out.base = std::chrono::milliseconds(std::max<int64_t>(1, config::toMilliseconds(back_off.base_interval())));
    out.max = std::chrono::milliseconds(
        config::durationOr(back_off.has_max_interval(), back_off.max_interval(), out.base.count() * 10));
    if (out.max < out.base) {
      violations.add(path.field("retry_back_off").field("max_interval"), "must not be shorter than base_interval");
    }
  }
  return out;
}

std::optional<ServiceConfig> ServiceConfig::create(const envoy::config::core::v3::GrpcService& config,
                                                   const access_log::OperatorTable& operators,
                                                   const config::FieldPath& path, config::Violations& violations) {
  const size_t mistakes = violations.size();
  if (config.has_google_grpc()) {
    violations.add(path.field("google_grpc"), "calls go over a cluster's connections: name it in envoy_grpc");
    return std::nullopt;
  }
  if (!config.has_envoy_grpc() || config.envoy_grpc().cluster_name().empty()) {
    violations.add(path.field("envoy_grpc").field("cluster_name"), "must name a cluster");
    return std::nullopt;
  }
  ServiceConfig out;
  const auto& target = config.envoy_grpc();
  out.cluster = target.cluster_name();
  out.authority = target.authority().empty() ? target.cluster_name() : target.authority();
  if (config.has_timeout() && config::toMilliseconds(config.timeout()) > 0) {
    out.timeout = std::chrono::milliseconds(config::toMilliseconds(config.timeout()));
  }
  if (target.has_max_receive_message_length() && target.max_receive_message_length().value() > 0) {
    out.max_message_bytes = target.max_receive_message_length().value();
  }
  out.envoy_headers = !target.skip_envoy_headers();
  if (config.has_retry_policy()) {
    out.retry = RetrySettings::create(config.retry_policy(), path.field("retry_policy"), violations);
  } else if (target.has_retry_policy()) {
    out.retry =
        RetrySettings::create(target.retry_policy(), path.field("envoy_grpc").field("retry_policy"), violations);
  }
  const config::FieldPath metadata = path.field("initial_metadata");
  for (int i = 0; i < config.initial_metadata_size(); ++i) {
    const auto& header = config.initial_metadata(i);
    auto value = access_log::Format::parse(header.raw_value().empty() ? header.value() : header.raw_value(), operators,
                                           /*omit_empty_values=*/true);
    if (!value.ok()) {
      violations.add(metadata.index(static_cast<size_t>(i)).field("value"), std::string(value.status().message()));
      continue;
    }
    out.initial_metadata.push_back({absl::AsciiStrToLower(header.key()), std::move(*value)});
  }
  if (violations.size() != mistakes) {
    return std::nullopt;
  }
  return out;
}

void ServiceConfig::fillHeaders(absl::string_view path, const access_log::LogContext* parent,
                                http::HeaderMap& headers) const {
  headers.addView(HeaderId::Method, "POST");
  headers.addView(HeaderId::Scheme, "http");
  headers.add(HeaderId::Path, path);
  headers.add(HeaderId::Authority, authority);
  headers.addView(HeaderId::Te, "trailers");
  if (timeout.has_value()) {
    headers.add(HeaderId::GrpcTimeout, timeoutText(*timeout));
  }
  headers.addView(HeaderId::ContentType, "application/grpc");
  if (envoy_headers) {
    headers.addView(HeaderId::EnvoyInternalRequest, "true");
    headers.add(HeaderId::ForwardedFor, localAddress());
  }
  static const net::StreamInfo nothing;
  const access_log::LogContext none{nothing};
  std::string value;
  for (const Metadata& each : initial_metadata) {
    value.clear();
    each.value.append(parent == nullptr ? none : *parent, value);
    headers.add(each.name, value);
  }
}

}  // namespace sluice::grpc
