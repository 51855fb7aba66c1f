#include "source/xds/api_config_source.h"

#include <utility>

#include "absl/strings/str_cat.h"

#include "source/config/duration.h"

namespace sluice::xds {
namespace {

using envoy::config::core::v3::ApiConfigSource;

absl::Status readBackOff(const envoy::config::core::v3::BackoffStrategy& strategy, DiscoveryStream::Options& options) {
  const absl::string_view path = "grpc_services[0].envoy_grpc.retry_policy.retry_back_off";
  const int64_t base = config::toMilliseconds(strategy.base_interval());
  if (base < 1) {
    return absl::InvalidArgumentError(absl::StrCat(path, ".base_interval: must be at least 1ms"));
  }
  const int64_t max = config::durationOr(strategy.has_max_interval(), strategy.max_interval(), base * 10);
  if (max < base) {
    return absl::InvalidArgumentError(absl::StrCat(path, ".max_interval: must not be below base_interval"));
  }
  options.back_off_base = std::chrono::milliseconds(base);
  options.back_off_max = std::chrono::milliseconds(max);
  return absl::OkStatus();
}

/** "<package>.<Name>DiscoveryService", with "Stream<plural>" and "Delta<plural>". */
struct DiscoveryService {
  absl::string_view type_url;
  absl::string_view service;
  absl::string_view plural;
};
constexpr DiscoveryService kServices[] = {
    {kListenerType, "envoy.service.listener.v3.ListenerDiscoveryService", "Listeners"},
    {kClusterType, "envoy.service.cluster.v3.ClusterDiscoveryService", "Clusters"},
    {kRouteType, "envoy.service.route.v3.RouteDiscoveryService", "Routes"},
    {kEndpointType, "envoy.service.endpoint.v3.EndpointDiscoveryService", "Endpoints"},
    {kSecretType, "envoy.service.secret.v3.SecretDiscoveryService", "Secrets"},
};
constexpr DiscoveryService kAggregated = {"", "envoy.service.discovery.v3.AggregatedDiscoveryService",
                                          "AggregatedResources"};

std::string methodOf(const DiscoveryService& service, Variant variant) {
  return absl::StrCat("/", service.service, variant == Variant::Delta ? "/Delta" : "/Stream", service.plural);
}

}  // namespace

absl::StatusOr<std::string> discoveryMethod(absl::string_view type_url, Variant variant) {
  for (const DiscoveryService& service : kServices) {
    if (service.type_url == type_url) {
      return methodOf(service, variant);
    }
  }
  return absl::UnimplementedError(
      absl::StrCat("api_type: '", type_url, "' has no discovery service of its own; it comes over ADS or from files"));
}

std::string aggregatedMethod(Variant variant) { return methodOf(kAggregated, variant); }

absl::StatusOr<ControlPlaneConfig> readApiConfigSource(const ApiConfigSource& source,
                                                       envoy::config::core::v3::Node node) {
  ControlPlaneConfig config;
  switch (source.api_type()) {
    case ApiConfigSource::GRPC:
      break;
    case ApiConfigSource::DELTA_GRPC:
      config.options.variant = Variant::Delta;
      break;
    case ApiConfigSource::AGGREGATED_GRPC:
    case ApiConfigSource::AGGREGATED_DELTA_GRPC:
      return absl::UnimplementedError(
          absl::StrCat("api_type: ", ApiConfigSource::ApiType_Name(source.api_type()),
                       " is not supported; for the stream of dynamic_resources.ads_config say 'ads: {}' instead"));
    default:
      return absl::UnimplementedError(absl::StrCat("api_type: ", ApiConfigSource::ApiType_Name(source.api_type()),
                                                   " is not supported; use GRPC or DELTA_GRPC"));
  }
  if (source.transport_api_version() != envoy::config::core::v3::V3) {
    return absl::InvalidArgumentError("transport_api_version: must be V3, the only version that is spoken");
  }
  if (source.grpc_services_size() != 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("grpc_services: there must be one, not ", source.grpc_services_size()));
  }
  const auto& service = source.grpc_services(0);
  if (!service.has_envoy_grpc()) {
    return absl::UnimplementedError("grpc_services[0]: only envoy_grpc is supported");
  }
  config.service = service;
  config.options.node = std::move(node);
  config.options.set_node_on_first_message_only = source.set_node_on_first_message_only();
  const auto& retry = service.envoy_grpc().retry_policy();
  if (retry.has_retry_back_off()) {
    if (absl::Status status = readBackOff(retry.retry_back_off(), config.options.stream); !status.ok()) {
      return status;
    }
  }
  if (source.has_rate_limit_settings()) {
    const auto& settings = source.rate_limit_settings();
    RateLimit limit;
    if (settings.has_max_tokens()) {
      limit.max_tokens = settings.max_tokens().value();
    }
    if (settings.has_fill_rate()) {
      limit.tokens_per_second = settings.fill_rate().value();
    }
    if (limit.max_tokens < 1 || limit.tokens_per_second <= 0) {
      return absl::InvalidArgumentError("rate_limit_settings: would never let a request out");
    }
    config.options.stream.rate_limit = limit;
  }
  return config;
}

}  // namespace sluice::xds
