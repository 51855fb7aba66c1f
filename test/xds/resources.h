#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/endpoint/v3/endpoint.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/service/discovery/v3/discovery.pb.h"

#include "source/xds/resource_name.h"
#include "source/xds/subscription.h"

namespace sluice::test {

inline envoy::config::cluster::v3::Cluster cluster(const std::string& name, int connect_timeout_seconds = 1) {
  envoy::config::cluster::v3::Cluster made;
  made.set_name(name);
  made.mutable_connect_timeout()->set_seconds(connect_timeout_seconds);
  return made;
}

/** Breaks the rule that a timeout is above zero. */
inline envoy::config::cluster::v3::Cluster badCluster(const std::string& name) { return cluster(name, 0); }

inline envoy::config::endpoint::v3::ClusterLoadAssignment assignment(const std::string& name, int port = 80) {
  envoy::config::endpoint::v3::ClusterLoadAssignment made;
  made.set_cluster_name(name);
  auto* address = made.add_endpoints()->add_lb_endpoints()->mutable_endpoint()->mutable_address();
  address->mutable_socket_address()->set_address("127.0.0.1");
  address->mutable_socket_address()->set_port_value(static_cast<uint32_t>(port));
  return made;
}

inline envoy::config::listener::v3::Listener listener(const std::string& name, int port = 80) {
  envoy::config::listener::v3::Listener made;
  made.set_name(name);
  made.mutable_address()->mutable_socket_address()->set_address("127.0.0.1");
  made.mutable_address()->mutable_socket_address()->set_port_value(static_cast<uint32_t>(port));
  return made;
}

template <class Message>
envoy::service::discovery::v3::DiscoveryResponse response(const std::string& version, const std::string& nonce,
                                                          const std::vector<Message>& resources) {
  envoy::service::discovery::v3::DiscoveryResponse made;
  made.set_type_url("type.googleapis.com/" + Message::descriptor()->full_name());
  made.set_version_info(version);
  made.set_nonce(nonce);
  for (const Message& resource : resources) {
    made.add_resources()->PackFrom(resource);
  }
  return made;
}

/** Each resource of the same version; `name` is what the resource calls itself. */
template <class Message>
envoy::service::discovery::v3::DeltaDiscoveryResponse delta(const std::string& version, const std::string& nonce,
                                                            const std::vector<Message>& resources,
                                                            const std::vector<std::string>& removed = {}) {
  envoy::service::discovery::v3::DeltaDiscoveryResponse made;
  made.set_type_url("type.googleapis.com/" + Message::descriptor()->full_name());
  made.set_system_version_info(version);
  made.set_nonce(nonce);
  for (const Message& resource : resources) {
    auto* added = made.add_resources();
    added->set_name(xds::resourceName(resource));
    added->set_version(version);
    added->mutable_resource()->PackFrom(resource);
  }
  for (const std::string& name : removed) {
    made.add_removed_resources(name);
  }
  return made;
}

}  // namespace sluice::test
