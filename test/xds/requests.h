#pragma once

#include <map>
#include <string>
#include <vector>

#include "envoy/service/discovery/v3/discovery.pb.h"
#include "google/rpc/status.pb.h"

namespace sluice::test {

using Names = std::vector<std::string>;
using Versions = std::map<std::string, std::string>;

inline Names names(const envoy::service::discovery::v3::DiscoveryRequest& request) {
  return {request.resource_names().begin(), request.resource_names().end()};
}
inline Names subscribed(const envoy::service::discovery::v3::DeltaDiscoveryRequest& request) {
  return {request.resource_names_subscribe().begin(), request.resource_names_subscribe().end()};
}
inline Names unsubscribed(const envoy::service::discovery::v3::DeltaDiscoveryRequest& request) {
  return {request.resource_names_unsubscribe().begin(), request.resource_names_unsubscribe().end()};
}
/** What the first request of a delta stream says is there already. */
inline Versions versions(const envoy::service::discovery::v3::DeltaDiscoveryRequest& request) {
  return {request.initial_resource_versions().begin(), request.initial_resource_versions().end()};
}

inline google::rpc::Status error(const std::string& message) {
  google::rpc::Status status;
  status.set_code(13);
  status.set_message(message);
  return status;
}

}  // namespace sluice::test
