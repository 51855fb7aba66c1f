#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "envoy/config/core/v3/base.pb.h"
#include "envoy/config/core/v3/config_source.pb.h"
#include "envoy/config/core/v3/grpc_service.pb.h"

#include "source/xds/ads_mux.h"

namespace sluice::xds {

/** The bootstrap's dynamic_resources.ads_config, read. */
struct AdsConfig {
  /** With envoy_grpc; who makes channels looks up its cluster. */
  envoy::config::core::v3::GrpcService service;
  AdsMux::Options options;
};

/** Refuses, with the field's path below ads_config, what there is no support for: delta, REST, google_grpc. */
absl::StatusOr<AdsConfig> readAdsConfig(const envoy::config::core::v3::ApiConfigSource& ads_config,
                                        envoy::config::core::v3::Node node);

}  // namespace sluice::xds
