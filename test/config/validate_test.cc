#include "source/config/validate.h"

#include <thread>

#include "envoy/config/bootstrap/v3/bootstrap.pb.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/endpoint/v3/endpoint.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/extensions/transport_sockets/tls/v3/common.pb.h"
#include "envoy/extensions/transport_sockets/tls/v3/tls_spiffe_validator_config.pb.h"
#include "gtest/gtest.h"

#include "source/config/loader.h"

namespace sluice::config {
namespace {

using envoy::config::bootstrap::v3::Bootstrap;
using envoy::config::cluster::v3::Cluster;
using envoy::config::endpoint::v3::ClusterLoadAssignment;
using envoy::config::listener::v3::FilterChain;
using envoy::config::listener::v3::Listener;

template <typename Message>
Message parse(absl::string_view yaml) {
  Message out;
  Violations violations;
  EXPECT_TRUE(parseYaml(yaml, out, {}, nullptr, violations)) << violations.toString();
  return out;
}

template <typename Message>
Report validate(absl::string_view yaml, absl::string_view root = "") {
  Report report;
  validateMessage(parse<Message>(yaml), FieldPath(root), report);
  return report;
}

template <typename Message>
std::string mistakes(absl::string_view yaml) {
  return validate<Message>(yaml).violations.toString();
}

constexpr char kFilter[] =
    "{name: f, typed_config: {'@type': type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, "
    "stat_prefix: p, cluster: c}}";

std::string listenerWith(absl::string_view filter, absl::string_view rest = "") {
  return absl::StrCat("name: l\naddress: {socket_address: {address: 127.0.0.1, port_value: 80}}\n",
                      "filter_chains: [{filters: [", filter, "]}]\n", rest);
}

TEST(ValidateMessage, TrustBundlesMayStandInForTrustDomains) {
  EXPECT_EQ("", mistakes<envoy::extensions::transport_sockets::tls::v3::SPIFFECertValidatorConfig>(
                    "trust_bundles: {inline_string: '{}'}"));
}

TEST(ValidateMessage, WhatIsNotRequiredMayBeSaid) {
  EXPECT_EQ("", mistakes<envoy::extensions::transport_sockets::tls::v3::CertificateValidationContext>(
                    "require_signed_certificate_timestamp: false"));
}

TEST(ValidateMessage, AcceptsABootstrapWithAllThatIsSupported) {
  const Report report = validate<Bootstrap>(R"yaml(
node: {id: n, cluster: c, metadata: {a: 1}, locality: {zone: z}}
admin: {address: {socket_address: {address: 127.0.0.1, port_value: 0}}}
layered_runtime:
  layers:
  - {name: static, static_layer: {a: {b: 1}}}
  - {name: admin, admin_layer: {}}
stats_config: {use_all_default_tags: false, stats_tags: [{tag_name: t, regex: "(x)"}],
               stats_matcher: {inclusion_list: {patterns: [{prefix: a}, {safe_regex: {regex: b}}]}}}
watchdogs: {main_thread_watchdog: {miss_timeout: 1s, kill_timeout: 0s}}
dynamic_resources:
  ads_config:
    api_type: GRPC
    transport_api_version: V3
    grpc_services: [{envoy_grpc: {cluster_name: ads}}]
  lds_config: {ads: {}, resource_api_version: V3, initial_fetch_timeout: 0s}
  cds_config: {path_config_source: {path: /x}, resource_api_version: V3}
static_resources:
  clusters:
  - name: ads
    type: STATIC
    connect_timeout: 2s
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {http2_protocol_options: {initial_stream_window_size: 65536}}
    circuit_breakers: {thresholds: [{priority: DEFAULT, max_connections: 1, max_requests: 2}, {priority: HIGH}]}
    load_assignment:
      cluster_name: ads
      endpoints: [{lb_endpoints: [{endpoint: {address: {pipe: {path: ./ads}}}, load_balancing_weight: 3}]}]
)yaml");
  EXPECT_EQ(report.violations.toString(), "");
  EXPECT_TRUE(report.ignored.empty()) << report.ignored[0];
  EXPECT_TRUE(report.unknown.empty());
  EXPECT_EQ(mistakes<Listener>(listenerWith(kFilter)), "");
}

TEST(ValidateMessage, BrokenRulesHavePaths) {
  EXPECT_EQ(mistakes<Cluster>("{}"), "name: must not be empty\n");
  EXPECT_EQ(mistakes<Cluster>("name: x\nconnect_timeout: 0s\n"), "connect_timeout: must be greater than 0, is 0\n");
  EXPECT_EQ(mistakes<Listener>("address: {socket_address: {address: ''}}"),
            "address.socket_address.address: must not be empty\n"
            "address.socket_address: one of port_value, named_port is required\n");
  const Report report = validate<ClusterLoadAssignment>("endpoints: [{}, {priority: 129}]", "resources[2]");
  EXPECT_EQ(report.violations.list()[0].path, "resources[2].cluster_name");
}

TEST(ValidateMessage, UnsupportedFieldsAreRefusedWithTheirPathAndReason) {
  EXPECT_EQ(mistakes<Cluster>("name: x\nhealth_checks: [{}]\ncluster_type: {name: y}\nconnect_timeout: 1s\n"),
            "cluster_type: is not supported by Sluice: use type\n"
            "health_checks: is not supported by Sluice: there is no active health checking\n");
  EXPECT_EQ(mistakes<Cluster>("name: x\nupstream_config: {name: y}\n"),
            "upstream_config: is not supported by Sluice\n");
}

TEST(ValidateMessage, OnlyListedValuesAreTaken) {
  EXPECT_EQ(mistakes<Cluster>("name: x\ntype: LOGICAL_DNS\n"),
            "type: LOGICAL_DNS is not supported by Sluice, only STATIC, STRICT_DNS, EDS, ORIGINAL_DST\n");
  EXPECT_EQ(mistakes<FilterChain>("use_proxy_proto: false\n"), "");
  EXPECT_EQ(mistakes<FilterChain>("use_proxy_proto: true\n"),
            "use_proxy_proto: true is not supported by Sluice, only false\n");
  EXPECT_EQ(mistakes<Cluster>("name: x\nround_robin_lb_config: {}\n"), "");
}

TEST(ValidateMessage, IgnoredFieldsAreListedOnce) {
  const Report report =
      validate<ClusterLoadAssignment>("cluster_name: x\nendpoints: [{proximity: 1}, {proximity: 2}]\n");
  EXPECT_EQ(report.violations.toString(), "");
  EXPECT_EQ(report.ignored, std::vector<std::string>{"envoy.config.endpoint.v3.LocalityLbEndpoints.proximity"});
}

TEST(ValidateMessage, RulesHoldInsideWhatIsIgnoredToo) {
  EXPECT_EQ(mistakes<ClusterLoadAssignment>("cluster_name: x\nendpoints: [{load_balancing_weight: 0}]\n"),
            "endpoints[0].load_balancing_weight: must be at least 1, is 0\n");
  // preconnect_policy is ignored, and not listed.
  EXPECT_EQ(mistakes<Cluster>("name: x\npreconnect_policy: {per_upstream_preconnect_ratio: 9}\n"),
            "preconnect_policy.per_upstream_preconnect_ratio: must be at least 1 and at most 3, is 9\n");
}

TEST(ValidateMessage, LooksIntoAnys) {
  EXPECT_EQ(
      mistakes<Listener>(listenerWith("{name: f, typed_config: {'@type': "
                                      "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, "
                                      "cluster: c, tunneling_config: {hostname: x}}}")),
      "filter_chains[0].filters[0].typed_config.stat_prefix: must not be empty\n"
      "filter_chains[0].filters[0].typed_config.tunneling_config: is not supported by Sluice: connections are not "
      "tunnelled over HTTP\n");
}

TEST(ValidateMessage, RefusesKnownExtensionsThatAreNotListed) {
  EXPECT_EQ(
      mistakes<Listener>(
          listenerWith("{name: f, typed_config: {'@type': "
                       "type.googleapis.com/envoy.extensions.filters.network.redis_proxy.v3.RedisProxy}}")),
      "filter_chains[0].filters[0].typed_config: envoy.extensions.filters.network.redis_proxy.v3.RedisProxy is not "
      "supported by Sluice\n");
}

TEST(ValidateMessage, LooksIntoTypedStructs) {
  EXPECT_EQ(mistakes<Listener>(listenerWith(
                "{name: f, typed_config: {'@type': type.googleapis.com/udpa.type.v1.TypedStruct, type_url: "
                "x/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, value: {stat_prefix: p, on_demand: {}}}}")),
            "filter_chains[0].filters[0].typed_config.value.on_demand: is not supported by Sluice: clusters come over "
            "CDS\n"
            "filter_chains[0].filters[0].typed_config.value: one of cluster, weighted_clusters is required\n");
}

TEST(ValidateMessage, LeavesAnysOfUnknownTypesToTheCaller) {
  Listener listener = parse<Listener>(listenerWith(kFilter));
  auto& config = *listener.mutable_filter_chains(0)->mutable_filters(0)->mutable_typed_config();
  config.set_type_url("type.googleapis.com/no.such.v3.Filter");
  Report report;
  validateMessage(listener, FieldPath(), report);
  EXPECT_TRUE(report.violations.empty()) << report.violations.toString();
}

TEST(ValidateMessage, RefusesAnysWithBrokenBytes) {
  Listener listener = parse<Listener>(listenerWith(kFilter));
  listener.mutable_filter_chains(0)->mutable_filters(0)->mutable_typed_config()->set_value("\xFF");
  Report report;
  validateMessage(listener, FieldPath("listener"), report);
  EXPECT_EQ(report.violations.toString(),
            "listener.filter_chains[0].filters[0].typed_config: its bytes are no valid "
            "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy\n");
}

TEST(ValidateMessage, PassesOverAlternativesThatSluiceDoesNotHave) {
  const auto policies = [](absl::string_view first, absl::string_view second) {
    return absl::StrCat(
        "name: x\nload_balancing_policy:\n  policies:\n  - typed_extension_config: {name: a, typed_config: {", first,
        "}}\n  - typed_extension_config: {name: b, typed_config: {", second, "}}\n");
  };
  const char* other =
      "'@type': type.googleapis.com/envoy.extensions.load_balancing_policies.least_request.v3.LeastRequest";
  const char* ours = "'@type': type.googleapis.com/envoy.extensions.load_balancing_policies.round_robin.v3.RoundRobin";
  EXPECT_EQ(mistakes<Cluster>(policies(other, ours)), "");
  EXPECT_EQ(
      mistakes<Cluster>(policies(other, absl::StrCat(ours, ", slow_start_config: {}"))),
      "load_balancing_policy.policies[1].typed_extension_config.typed_config.slow_start_config: is not supported by "
      "Sluice: there is no slow start\n");
  // Its rules hold all the same.
  EXPECT_EQ(
      mistakes<Cluster>(policies(absl::StrCat(other, ", choice_count: 1"), ours)),
      "load_balancing_policy.policies[0].typed_extension_config.typed_config.choice_count: must be at least 2, is "
      "1\n");
}

TEST(ValidateMessage, OpaqueMetadataMayHoldAnything) {
  EXPECT_EQ(mistakes<Cluster>("name: x\nmetadata: {typed_filter_metadata: {k: {'@type': "
                              "type.googleapis.com/envoy.extensions.filters.network.redis_proxy.v3.RedisProxy, "
                              "stat_prefix: p, settings: {op_timeout: 1s}}}}\n"),
            "");
}

TEST(ValidateMessage, CollectsUnknownFieldNumbers) {
  Listener listener = parse<Listener>(listenerWith(kFilter));
  listener.GetReflection()->MutableUnknownFields(&listener)->AddVarint(9999, 1);
  auto& chain = *listener.mutable_filter_chains(0);
  chain.GetReflection()->MutableUnknownFields(&chain)->AddVarint(8888, 1);
  Report report;
  validateMessage(listener, FieldPath(), report);
  EXPECT_TRUE(report.violations.empty());
  EXPECT_EQ(report.unknown, (std::vector<std::string>{"(field 9999)", "filter_chains[0] (field 8888)"}));
}

TEST(ValidateMessage, RefusesDurationsThatAreNone) {
  Cluster cluster = parse<Cluster>("name: x\nconnect_timeout: 1s\n");
  cluster.mutable_connect_timeout()->set_nanos(-1);
  Report report;
  validateMessage(cluster, FieldPath(), report);
  EXPECT_EQ(report.violations.toString(), "connect_timeout: is no valid duration: 1 seconds and -1 nanoseconds\n");
}

TEST(ValidateMessage, RefusesNegativeDurationsWithoutARule) {
  EXPECT_EQ(mistakes<envoy::config::core::v3::ConfigSource>("{ads: {}, initial_fetch_timeout: -0.5s}"),
            "initial_fetch_timeout: must not be negative\n");
}

TEST(ValidateMessage, TakesMessagesThatAreNotListedForUnsupported) {
  EXPECT_EQ(mistakes<envoy::config::core::v3::HealthCheck>("{}"),
            "envoy.config.core.v3.HealthCheck is not supported by Sluice\n");
}

TEST(ValidateMessage, MayRunOnManyThreadsAtOnce) {
  const Cluster cluster = parse<Cluster>("name: x\ntype: LOGICAL_DNS\nload_assignment: {cluster_name: x}\n");
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&cluster] {
      for (int round = 0; round < 100; ++round) {
        Report report;
        validateMessage(cluster, FieldPath(), report);
        EXPECT_EQ(report.violations.size(), 1);
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
}

}  // namespace
}  // namespace sluice::config
