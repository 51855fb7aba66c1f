#include "source/xds/ads_options.h"

#include <utility>

#include "absl/strings/str_cat.h"

#include "source/config/duration.h"

namespace sluice::xds {
namespace {

using envoy::config::core::v3::ApiConfigSource;

absl::Status readBackOff(const envoy::config::core::v3::BackoffStrategy& strategy, AdsStream::Options& options) {
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

}  // namespace

absl::StatusOr<AdsConfig> readAdsConfig(const ApiConfigSource& ads_config, envoy::config::core::v3::Node node) {
  switch (ads_config.api_type()) {
    case ApiConfigSource::GRPC:
      break;
    case ApiConfigSource::DELTA_GRPC:
      return absl::UnimplementedError("api_type: DELTA_GRPC is not supported yet; use GRPC (state of the world)");
    default:
      return absl::UnimplementedError(absl::StrCat("api_type: ", ApiConfigSource::ApiType_Name(ads_config.api_type()),
                                                   " is not supported for ADS; use GRPC"));
  }
  if (ads_config.transport_api_version() != envoy::config::core::v3::V3) {
    return absl::InvalidArgumentError("transport_api_version: must be V3, the only version that is spoken");
  }
  if (ads_config.grpc_services_size() != 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("grpc_services: there must be one, not ", ads_config.grpc_services_size()));
  }
  const auto& service = ads_config.grpc_services(0);
  if (!service.has_envoy_grpc()) {
    return absl::UnimplementedError("grpc_services[0]: only envoy_grpc is supported");
  }
  AdsConfig config;
  config.service = service;
  config.options.node = std::move(node);
  config.options.set_node_on_first_message_only = ads_config.set_node_on_first_message_only();
  const auto& retry = service.envoy_grpc().retry_policy();
  if (retry.has_retry_back_off()) {
    if (absl::Status status = readBackOff(retry.retry_back_off(), config.options.stream); !status.ok()) {
      return status;
    }
  }
  if (ads_config.has_rate_limit_settings()) {
    const auto& settings = ads_config.rate_limit_settings();
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
