#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "envoy/config/core/v3/base.pb.h"
#include "envoy/config/core/v3/config_source.pb.h"
#include "envoy/config/core/v3/grpc_service.pb.h"

#include "source/xds/mux.h"

namespace sluice::xds {

/** An ApiConfigSource, read: the bootstrap's dynamic_resources.ads_config, or where one type of resources comes from. */
struct ControlPlaneConfig {
  /** With envoy_grpc; who makes channels looks up its cluster. */
  envoy::config::core::v3::GrpcService service;
  Mux::Options options;
};

/** Refuses, with the field's path below the message, what there is no support for, such as REST and google_grpc. */
absl::StatusOr<ControlPlaneConfig> readApiConfigSource(const envoy::config::core::v3::ApiConfigSource& source,
                                                       envoy::config::core::v3::Node node);

/**
 * The method of the discovery service that has a type to itself, such as
 * "/envoy.service.secret.v3.SecretDiscoveryService/DeltaSecrets"; fails for a type that has none.
 */
absl::StatusOr<std::string> discoveryMethod(absl::string_view type_url, Variant variant);
/** That of the service for all types. */
std::string aggregatedMethod(Variant variant);

}  // namespace sluice::xds
