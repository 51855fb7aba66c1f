#pragma once

#include <string>
#include <vector>

#include "google/protobuf/any.pb.h"

namespace sluice::integration {

// Resources as a control plane would write them, in flow style so that they fit into each other. `extra` is further
// fields, such as "idle_timeout: 1s, max_connect_attempts: 2".

using Yamls = std::vector<std::string>;

std::string socketAddress(int port, const std::string& address = "127.0.0.1");
std::string endpoint(int port, const std::string& extra = "");

/** A ClusterLoadAssignment; each endpoint as endpoint() writes it. */
std::string assignment(const std::string& cluster, const Yamls& endpoints);
/** STATIC with one endpoint on 127.0.0.1. */
std::string cluster(const std::string& name, int port, const std::string& extra = "");
std::string clusterOf(const std::string& name, const Yamls& endpoints, const std::string& extra = "");
/** EDS over ADS. */
std::string edsCluster(const std::string& name, const std::string& extra = "");

std::string tcpProxy(const std::string& cluster, const std::string& extra = "");
std::string echo();
std::string directResponse(const std::string& text);
std::string directResponseOf(const std::string& file);
/** One access logger; `format` is a text format string. */
std::string fileAccessLog(const std::string& path, const std::string& format);

std::string chain(const std::string& name, const Yamls& filters, const std::string& extra = "");
std::string fromSource(const std::string& ip, int prefix_length = 32);
/** On a port of 127.0.0.1 that the system chooses. */
std::string listener(const std::string& name, const Yamls& chains, const std::string& extra = "");
std::string listenerAt(const std::string& address, const std::string& name, const Yamls& chains,
                       const std::string& extra = "");
/** One chain with one tcp_proxy. */
std::string forward(const std::string& name, const std::string& cluster, const std::string& extra = "");
/** The resource as a control plane sends it; fails the test if the YAML is no resource. */
google::protobuf::Any resource(const std::string& yaml);
/** One whose only filter has a type that nobody knows. */
google::protobuf::Any listenerOfUnknownFilter(const std::string& name);
std::vector<google::protobuf::Any> resources(const Yamls& yamls);

/** A bootstrap's static_resources. */
std::string staticResources(const Yamls& clusters, const Yamls& listeners, const std::string& extra = "");

}  // namespace sluice::integration
