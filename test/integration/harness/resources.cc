#include "test/integration/harness/resources.h"

#include "envoy/config/listener/v3/listener.pb.h"
#include "gtest/gtest.h"

#include "source/config/loader.h"

namespace sluice::integration {
namespace {

std::string list(const Yamls& items) {
  std::string out = "[";
  for (const std::string& item : items) {
    out += (out.size() > 1 ? ", " : "") + item;
  }
  return out + "]";
}

std::string with(const std::string& extra) { return extra.empty() ? "" : ", " + extra; }

std::string typed(const std::string& type, const std::string& fields) {
  return "{\"@type\": type.googleapis.com/" + type + with(fields) + "}";
}

std::string filter(const std::string& name, const std::string& type, const std::string& fields) {
  return "{name: " + name + ", typed_config: " + typed("envoy.extensions.filters.network." + type, fields) + "}";
}

/** Resources are given with their "@type", which the bootstrap's lists do not want. */
std::string withoutType(const std::string& yaml) { return "{" + yaml.substr(yaml.find(", ") + 2); }

}  // namespace

std::string socketAddress(int port, const std::string& address) {
  return "{socket_address: {address: \"" + address + "\", port_value: " + std::to_string(port) + "}}";
}

std::string endpoint(int port, const std::string& extra) {
  return "{endpoint: {address: " + socketAddress(port) + "}" + with(extra) + "}";
}

std::string assignment(const std::string& cluster, const Yamls& endpoints) {
  return typed("envoy.config.endpoint.v3.ClusterLoadAssignment",
               "cluster_name: " + cluster + ", endpoints: [{lb_endpoints: " + list(endpoints) + "}]");
}

std::string cluster(const std::string& name, int port, const std::string& extra) {
  return clusterOf(name, {endpoint(port)}, extra);
}

std::string clusterOf(const std::string& name, const Yamls& endpoints, const std::string& extra) {
  return typed("envoy.config.cluster.v3.Cluster",
               "name: " + name + ", type: STATIC, load_assignment: {cluster_name: " + name +
                   ", endpoints: [{lb_endpoints: " + list(endpoints) + "}]}" + with(extra));
}

std::string edsCluster(const std::string& name, const std::string& extra) {
  return typed("envoy.config.cluster.v3.Cluster",
               "name: " + name + ", type: EDS, eds_cluster_config: {eds_config: {ads: {}, resource_api_version: V3}}" +
                   with(extra));
}

std::string tcpProxy(const std::string& cluster, const std::string& extra) {
  const std::string prefix = extra.find("stat_prefix") == std::string::npos ? "stat_prefix: t, " : "";
  return filter("tcp", "tcp_proxy.v3.TcpProxy", prefix + "cluster: " + cluster + with(extra));
}

std::string echo() { return filter("echo", "echo.v3.Echo", ""); }

std::string directResponse(const std::string& text) {
  return filter("direct", "direct_response.v3.Config", "response: {inline_string: \"" + text + "\"}");
}

std::string directResponseOf(const std::string& file) {
  return filter("direct", "direct_response.v3.Config", "response: {filename: \"" + file + "\"}");
}

std::string fileAccessLog(const std::string& path, const std::string& format) {
  return "{name: file, typed_config: " +
         typed("envoy.extensions.access_loggers.file.v3.FileAccessLog",
               "path: \"" + path + "\", log_format: {text_format_source: {inline_string: \"" + format + "\\n\"}}") +
         "}";
}

std::string chain(const std::string& name, const Yamls& filters, const std::string& extra) {
  return "{name: " + name + ", filters: " + list(filters) + with(extra) + "}";
}

std::string fromSource(const std::string& ip, int prefix_length) {
  return "filter_chain_match: {source_prefix_ranges: [{address_prefix: \"" + ip +
         "\", prefix_len: " + std::to_string(prefix_length) + "}]}";
}

std::string listener(const std::string& name, const Yamls& chains, const std::string& extra) {
  return listenerAt(socketAddress(0), name, chains, extra);
}

std::string listenerAt(const std::string& address, const std::string& name, const Yamls& chains,
                       const std::string& extra) {
  return typed("envoy.config.listener.v3.Listener",
               "name: " + name + ", address: " + address + ", filter_chains: " + list(chains) + with(extra));
}

std::string forward(const std::string& name, const std::string& cluster, const std::string& extra) {
  return listener(name, {chain("all", {tcpProxy(cluster)})}, extra);
}

google::protobuf::Any resource(const std::string& yaml) {
  google::protobuf::Any any;
  config::Violations violations;
  EXPECT_TRUE(config::parseYaml(yaml, any, {}, nullptr, violations)) << yaml << "\n" << violations.toString();
  return any;
}

google::protobuf::Any listenerOfUnknownFilter(const std::string& name) {
  // A type that is nowhere has no JSON form, so it is put in afterwards.
  google::protobuf::Any any = resource(forward(name, "any"));
  envoy::config::listener::v3::Listener listener;
  any.UnpackTo(&listener);
  listener.mutable_filter_chains(0)->mutable_filters(0)->mutable_typed_config()->set_type_url(
      "type.googleapis.com/no.such.v3.Filter");
  any.PackFrom(listener);
  return any;
}

std::vector<google::protobuf::Any> resources(const Yamls& yamls) {
  std::vector<google::protobuf::Any> all;
  for (const std::string& yaml : yamls) {
    all.push_back(resource(yaml));
  }
  return all;
}

std::string staticResources(const Yamls& clusters, const Yamls& listeners, const std::string& extra) {
  Yamls plain_clusters;
  Yamls plain_listeners;
  for (const std::string& yaml : clusters) {
    plain_clusters.push_back(withoutType(yaml));
  }
  for (const std::string& yaml : listeners) {
    plain_listeners.push_back(withoutType(yaml));
  }
  return "static_resources: {clusters: " + list(plain_clusters) + ", listeners: " + list(plain_listeners) +
         with(extra) + "}\n";
}

}  // namespace sluice::integration
