#include "source/cluster/cluster_config.h"

#include <map>

#include "absl/strings/str_cat.h"
#include <gtest/gtest.h>

#include "source/cluster/http_codecs.h"
#include "source/cluster/http_config.h"
#include "source/config/loader.h"
#include "source/config/support.h"
#include "test/cluster/fixtures.h"

namespace sluice::cluster {
namespace {

struct Taken {
  ClusterParts parts;
  std::string violations;
};

Taken take(absl::string_view text, const runtime::Snapshot& runtime = runtime::Snapshot()) {
  config::Violations violations;
  Taken taken;
  taken.parts = takeApart(test::clusterYaml(text), runtime, config::FieldPath("clusters[3]"), violations);
  taken.violations = violations.toString();
  return taken;
}

TEST(ClusterConfigTest, DefaultsAreEnvoys) {
  const ClusterParts parts = take("{name: be}").parts;
  EXPECT_EQ("be", parts.observability_name);
  EXPECT_EQ(Discovery::Static, parts.discovery);
  EXPECT_EQ(5000, parts.connect_timeout.count());
  EXPECT_EQ(1024u * 1024u, parts.buffer_limit_bytes);
  EXPECT_EQ(LbPolicy::RoundRobin, parts.lb.policy);
  EXPECT_EQ(50, parts.health_rules.panic_percent);
  EXPECT_EQ((Thresholds{1024, 1024, 1024, 3, std::nullopt, std::nullopt, false}), parts.normal_thresholds);
  EXPECT_TRUE(parts.wait_for_warm_on_init);
}

TEST(ClusterConfigTest, ReadsTheRest) {
  const ClusterParts parts = take(R"(
name: be
alt_stat_name: other
connect_timeout: 0.25s
per_connection_buffer_limit_bytes: 4096
lb_policy: RANDOM
wait_for_warm_on_init: false
common_lb_config: {healthy_panic_threshold: {value: 12.9}}
circuit_breakers:
  thresholds:
  - {max_connections: 1, max_pending_requests: 2, max_requests: 3, max_retries: 4, max_connection_pools: 5, track_remaining: true}
  - {priority: HIGH, max_connections: 6}
  - {max_connections: 99}
  per_host_thresholds: [{max_connections: 8}]
)")
                                 .parts;
  EXPECT_EQ("other", parts.observability_name);
  EXPECT_EQ(250, parts.connect_timeout.count());
  EXPECT_EQ(4096u, parts.buffer_limit_bytes);
  EXPECT_EQ(LbPolicy::Random, parts.lb.policy);
  EXPECT_EQ(12, parts.health_rules.panic_percent);
  EXPECT_EQ((Thresholds{1, 2, 3, 4, 5, std::nullopt, true}), parts.normal_thresholds)
      << "the first of a priority counts";
  EXPECT_EQ(6u, parts.high_thresholds.max_connections);
  EXPECT_EQ(8u, parts.max_connections_per_endpoint);
  EXPECT_FALSE(parts.wait_for_warm_on_init);
}

TEST(ClusterConfigTest, ReadsHowConnectionsAreMade) {
  const ClusterParts parts = take(R"(
name: be
upstream_connection_options: {tcp_keepalive: {keepalive_time: 300, keepalive_probes: 4}}
upstream_bind_config:
  source_address: {address: 127.0.0.9, port_value: 0}
  freebind: true
  socket_options: [{level: 1, name: 2, int_value: 3}]
transport_socket:
  name: raw
  typed_config: {"@type": type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer}
typed_extension_protocol_options:
  envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
    "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
    explicit_http_config: {http2_protocol_options: {}}
)")
                                 .parts;
  const net::ClientSocketOptions& socket = parts.recipe->socket;
  EXPECT_EQ("127.0.0.9:0", socket.source->toString());
  EXPECT_TRUE(socket.freebind);
  EXPECT_EQ(300u, socket.keepalive->time_seconds);
  EXPECT_EQ(4u, socket.keepalive->probes);
  ASSERT_EQ(1u, socket.options.size());
  EXPECT_EQ(2, socket.options[0].name);
}

constexpr absl::string_view kHttp = R"(
name: be
typed_extension_protocol_options:
  envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
    "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
)";

HttpOptions takeHttp(absl::string_view lines) {
  const Taken taken = take(absl::StrCat(kHttp, lines));
  EXPECT_EQ("", taken.violations) << lines;
  return taken.parts.recipe->http;
}

TEST(ClusterConfigTest, AlpnChoosesOnlyWhereTlsOffersIt) {
  const auto read = [](absl::string_view transports) {
    envoy::config::cluster::v3::Cluster proto;
    config::Violations violations;
    EXPECT_TRUE(config::parseYaml(absl::StrCat(kHttp, "    auto_config: {http2_protocol_options: {}}\n", transports),
                                  proto, {}, nullptr, violations));
    const HttpOptions options = readHttpOptions(proto, config::FieldPath(), violations);
    EXPECT_EQ(HttpProtocolChoice::Auto, options.protocol);
    return violations.empty() ? "" : violations.toString();
  };
  const auto socket = [](absl::string_view type, absl::string_view more = "") {
    return absl::StrCat("{name: x, typed_config: {'@type': type.googleapis.com/envoy.extensions.transport_sockets.",
                        type, more, "}}");
  };
  const std::string tls = socket("tls.v3.UpstreamTlsContext");
  const std::string plain = socket("raw_buffer.v3.RawBuffer");
  const std::string around = "proxy_protocol.v3.ProxyProtocolUpstreamTransport";
  EXPECT_EQ(read("transport_socket: " + tls), "");
  EXPECT_EQ(read("transport_socket: " + socket(around, ", transport_socket: " + tls)), "");
  for (const std::string& transports :
       {std::string(), "transport_socket: " + plain,
        "transport_socket: " + socket(around, ", transport_socket: " + plain),
        "transport_socket: " + tls + "\ntransport_socket_matches: [{name: p, transport_socket: " + plain + "}]"}) {
    EXPECT_NE(read(transports).find("auto_config: ALPN chooses"), std::string::npos) << transports;
  }
}

const HttpCodecs& codecsOf(const HttpOptions& options) { return static_cast<const HttpCodecs&>(*options.codecs); }

TEST(ClusterConfigTest, HttpIsHttp1UnlessTheClusterSaysOtherwise) {
  const HttpOptions plain = take("{name: be}").parts.recipe->http;
  EXPECT_EQ(HttpProtocolChoice::Http1, plain.protocol);
  EXPECT_EQ(std::chrono::hours(1), plain.idle_timeout);
  EXPECT_FALSE(plain.max_connection_duration.has_value());
  EXPECT_EQ(0u, plain.max_requests_per_connection);
  EXPECT_EQ(1024u, plain.codecs->maxConcurrentStreams());
  EXPECT_EQ(HttpProtocolChoice::Http1, takeHttp("    explicit_http_config: {http_protocol_options: {}}").protocol);
  EXPECT_EQ(HttpProtocolChoice::Http2, takeHttp("    explicit_http_config: {http2_protocol_options: {}}").protocol);
  EXPECT_EQ(HttpProtocolChoice::Downstream, takeHttp("    use_downstream_protocol_config: {}").protocol);
  EXPECT_EQ(HttpProtocolChoice::Http2, take("{name: be, http2_protocol_options: {}}").parts.recipe->http.protocol);
  EXPECT_EQ(HttpProtocolChoice::Downstream,
            take("{name: be, protocol_selection: USE_DOWNSTREAM_PROTOCOL, http2_protocol_options: {}, "
                 "http_protocol_options: {}}")
                .parts.recipe->http.protocol);
}

TEST(ClusterConfigTest, ReadsHowHttpIsSpoken) {
  const HttpOptions options = takeHttp(R"(
    common_http_protocol_options:
      idle_timeout: 7s
      max_connection_duration: 8s
      max_stream_duration: 9s
      max_requests_per_connection: 10
      max_headers_count: 11
      max_response_headers_kb: 12
      headers_with_underscores_action: DROP_HEADER
    use_downstream_protocol_config:
      http_protocol_options: {enable_trailers: true, header_key_format: {proper_case_words: {}}}
      http2_protocol_options:
        max_concurrent_streams: 13
        initial_stream_window_size: 65536
        connection_keepalive: {interval: 5s, timeout: 1s}
        custom_settings_parameters: [{identifier: 9, value: 14}])");
  EXPECT_EQ(std::chrono::seconds(7), options.idle_timeout);
  EXPECT_EQ(std::chrono::seconds(8), options.max_connection_duration);
  EXPECT_EQ(std::chrono::seconds(9), options.max_stream_duration);
  EXPECT_EQ(10u, options.max_requests_per_connection);
  const http::Http1Settings& http1 = codecsOf(options).http1();
  EXPECT_TRUE(http1.enable_trailers);
  EXPECT_EQ(http::HeaderCase::Proper, http1.header_case);
  EXPECT_EQ(11u, http1.max_headers_count);
  EXPECT_EQ(12u, http1.max_headers_kb);
  EXPECT_EQ(http::UnderscoreAction::Drop, http1.underscores);
  const http::Http2Settings& http2 = codecsOf(options).http2();
  EXPECT_EQ(13u, http2.max_concurrent_streams);
  EXPECT_EQ(13u, options.codecs->maxConcurrentStreams());
  EXPECT_EQ(65536u, http2.initial_stream_window);
  EXPECT_EQ(std::chrono::seconds(5), http2.keepalive_interval);
  EXPECT_EQ(std::chrono::seconds(1), http2.keepalive_timeout);
  ASSERT_EQ(1u, http2.custom_settings.size());
  EXPECT_EQ(14u, http2.custom_settings[0].second);
  EXPECT_EQ(http::UnderscorePolicy::DropHeader, http2.underscores);
  EXPECT_EQ(0, takeHttp("    common_http_protocol_options: {idle_timeout: 0s}").idle_timeout.count());
}

TEST(ClusterConfigTest, MistakesOfHttpNameTheirField) {
  EXPECT_EQ(
      "clusters[3].http_protocol_options: cannot be together with http2_protocol_options unless "
      "protocol_selection says so\n",
      take("{name: be, http_protocol_options: {}, http2_protocol_options: {}}").violations);
  EXPECT_EQ(
      "clusters[3].max_requests_per_connection: cannot be together with max_requests_per_connection of the HTTP "
      "protocol options\n",
      take(absl::StrCat(kHttp, "    common_http_protocol_options: {max_requests_per_connection: 1}\n",
                        "max_requests_per_connection: 2"))
          .violations);
  EXPECT_EQ(
      "clusters[3].typed_extension_protocol_options[\"x\"]: there are no protocol options of the type "
      "'envoy.config.core.v3.Node', only envoy.extensions.upstreams.http.v3.HttpProtocolOptions\n",
      take("{name: be, typed_extension_protocol_options: {x: {\"@type\": "
           "type.googleapis.com/envoy.config.core.v3.Node}}}")
          .violations);
}

TEST(ClusterConfigTest, ReadsPreconnectingAndRetryBudgets) {
  const ClusterParts parts = take(R"(
name: be
preconnect_policy: {per_upstream_preconnect_ratio: 1.5, predictive_preconnect_ratio: 2}
close_connections_on_host_health_failure: true
circuit_breakers: {thresholds: [{retry_budget: {budget_percent: {value: 25}, min_retry_concurrency: 5}}]}
)")
                                 .parts;
  EXPECT_EQ(1.5, parts.preconnect.per_endpoint);
  EXPECT_EQ(2, parts.preconnect.predictive);
  EXPECT_TRUE(parts.close_connections_on_health_failure);
  EXPECT_EQ((RetryBudget{25, 5}), parts.normal_thresholds.retry_budget);
}

TEST(ClusterConfigTest, ADefaultThatIsWrittenOutIsNoDifference) {
  EXPECT_EQ(take("{name: be}").parts.recipe->key,
            take("{name: be, transport_socket: {name: envoy.transport_sockets.raw_buffer}}").parts.recipe->key);
  EXPECT_EQ(endpointsBytes(*test::clusterYaml("{name: be, type: EDS, eds_cluster_config: {eds_config: {ads: {}}}}")),
            endpointsBytes(*test::clusterYaml(
                "{name: be, type: EDS, eds_cluster_config: {service_name: be, eds_config: {ads: {}}}}")));
}

TEST(ClusterConfigTest, MistakesNameTheirField) {
  const std::pair<const char*, const char*> cases[] = {
      {"{name: be, type: EDS}", "clusters[3].eds_cluster_config: is required by the type EDS\n"},
      {"{name: be, type: EDS, eds_cluster_config: {}}",
       "clusters[3].eds_cluster_config.eds_config: is required by the type EDS\n"},
      {"{name: be, eds_cluster_config: {eds_config: {ads: {}}}}",
       "clusters[3].eds_cluster_config: is for clusters of type EDS only\n"},
      {"{name: be, type: LOGICAL_DNS}",
       "clusters[3].type: LOGICAL_DNS is not supported by Sluice, only STATIC, STRICT_DNS, EDS, ORIGINAL_DST\n"},
      {"{name: be, cluster_type: {name: envoy.clusters.aggregate}}",
       "clusters[3].cluster_type: 'envoy.clusters.aggregate' is not supported by Sluice; use type\n"},
      {"{name: be, lb_policy: CLUSTER_PROVIDED}",
       "clusters[3].lb_policy: CLUSTER_PROVIDED is for clusters of type ORIGINAL_DST only\n"},
      {"{name: be, type: ORIGINAL_DST, lb_policy: CLUSTER_PROVIDED}", ""},
      {"{name: be, type: ORIGINAL_DST}",
       "clusters[3].lb_policy: ROUND_ROBIN does not go with the type ORIGINAL_DST, which needs CLUSTER_PROVIDED\n"},
      {"{name: be, type: ORIGINAL_DST, lb_policy: CLUSTER_PROVIDED, load_assignment: {}, original_dst_lb_config: "
       "{http_header_name: x, upstream_port_override: 65536}, cleanup_interval: 0s}",
       "clusters[3].load_assignment: cannot be: a cluster of type ORIGINAL_DST finds its endpoints itself\n"
       "clusters[3].original_dst_lb_config.http_header_name: has no effect without use_http_header: true\n"
       "clusters[3].original_dst_lb_config.upstream_port_override: 65536 is above 65535\n"
       "clusters[3].cleanup_interval: must be at least 1ms\n"},
      {"{name: be, original_dst_lb_config: {}}",
       "clusters[3].original_dst_lb_config: is for clusters of type ORIGINAL_DST only\n"},
      {"{name: be, lb_policy: MAGLEV, maglev_lb_config: {table_size: 65539}}", ""},
      {"{name: be, lb_policy: MAGLEV, maglev_lb_config: {table_size: 65538}}",
       "clusters[3].maglev_lb_config.table_size: 65538 is not a prime number\n"},
      {"{name: be, lb_policy: RING_HASH, ring_hash_lb_config: {minimum_ring_size: 5, maximum_ring_size: 4}}",
       "clusters[3].ring_hash_lb_config.maximum_ring_size: 4 is below the minimum_ring_size of 5\n"},
      {"{name: be, lb_policy: LEAST_REQUEST, least_request_lb_config: {active_request_bias: {default_value: -1}}}",
       "clusters[3].least_request_lb_config.active_request_bias.default_value: must be at least 0\n"},
      {"{name: be, lb_policy: LOAD_BALANCING_POLICY_CONFIG}",
       "clusters[3].load_balancing_policy: is required by the lb_policy LOAD_BALANCING_POLICY_CONFIG\n"},
      {"{name: be, connect_timeout: 0s}", "clusters[3].connect_timeout: must be at least 1ms\n"},
      {"{name: be, circuit_breakers: {per_host_thresholds: [{max_requests: 1}]}}",
       "clusters[3].circuit_breakers.per_host_thresholds[0]: only max_connections counts for each endpoint\n"},
      {"{name: be, transport_socket: {name: envoy.transport_sockets.tls}}",
       "clusters[3].transport_socket.typed_config: is required by the transport socket "
       "'envoy.transport_sockets.tls'\n"},
      {"{name: be, type: STRICT_DNS, dns_failure_refresh_rate: {base_interval: 3s, max_interval: 2s}}",
       "clusters[3].dns_failure_refresh_rate.max_interval: must be greater than or equal to base_interval\n"},
      {"{}", "clusters[3].name: is required\n"},
      {"{name: be, load_assignment: {endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: "
       "a.test, port_value: 1}}}}]}]}}",
       "clusters[3].load_assignment.endpoints[0].lb_endpoints[0].endpoint.address.socket_address.address: 'a.test' is "
       "no IP address; only clusters of type STRICT_DNS resolve names\n"},
  };
  for (const auto& [text, violations] : cases) {
    EXPECT_EQ(violations, take(text).violations) << text;
  }
}

TEST(ClusterConfigTest, TheFirstSupportedPolicyOfAListIsUsed) {
  const auto policies = [](absl::string_view list) {
    return take(absl::StrCat("{name: be, load_balancing_policy: {policies: [", list, "]}}"));
  };
  const std::string unknown =
      R"({typed_extension_config: {name: x, typed_config: {"@type": type.googleapis.com/envoy.extensions.load_balancing_policies.maglev.v3.Maglev}}})";
  const std::string random =
      R"({typed_extension_config: {name: x, typed_config: {"@type": type.googleapis.com/envoy.extensions.load_balancing_policies.random.v3.Random}}})";
  EXPECT_EQ(LbPolicy::Random, policies(absl::StrCat(unknown, ", ", random)).parts.lb.policy);
  EXPECT_NE(std::string::npos, policies(unknown).violations.find("maglev.v3.Maglev"));
  EXPECT_EQ(
      "clusters[3].load_balancing_policy.policies[0].typed_extension_config.typed_config.slow_start_config: is not "
      "supported by Sluice\n",
      policies(R"({typed_extension_config: {name: x, typed_config: {
        "@type": type.googleapis.com/envoy.extensions.load_balancing_policies.round_robin.v3.RoundRobin,
        slow_start_config: {slow_start_window: 1s}}}})")
          .violations);
}

/** What changing one field does to the parts. */
struct Change {
  const char* text;
  bool endpoints = false;
  bool connections = false;
};

constexpr char kStaticBase[] = "{name: be}";
constexpr char kDnsBase[] = "{name: be, type: STRICT_DNS}";
constexpr char kOriginalBase[] = "{name: be, type: ORIGINAL_DST, lb_policy: CLUSTER_PROVIDED}";
constexpr char kEdsBase[] = "{name: be, type: EDS, eds_cluster_config: {eds_config: {ads: {}}}}";

/**
 * Every field of Cluster that is not refused has a line here: which parts it belongs to decides what a change of it
 * costs.
 */
const std::map<std::string, Change> kChanges = {
    {"name", {.text = ""}},  // A cluster of another name is another cluster.
    {"alt_stat_name", {.text = "x"}},
    {"type", {.text = "STRICT_DNS", .endpoints = true}},
    {"eds_cluster_config", {.text = "{service_name: other, eds_config: {ads: {}}}", .endpoints = true}},
    {"load_assignment",
     {.text = "{endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 1.2.3.4, port_value: "
              "5}}}}]}]}",
      .endpoints = true}},
    {"dns_refresh_rate", {.text = "7s", .endpoints = true}},
    {"dns_failure_refresh_rate", {.text = "{base_interval: 1s}", .endpoints = true}},
    {"dns_jitter", {.text = "1s", .endpoints = true}},
    {"respect_dns_ttl", {.text = "true", .endpoints = true}},
    {"dns_lookup_family", {.text = "V4_ONLY", .endpoints = true}},
    {"transport_socket", {.text = "{name: envoy.transport_sockets.raw_buffer}"}},
    {"upstream_bind_config", {.text = "{source_address: {address: 127.0.0.2, port_value: 0}}", .connections = true}},
    {"upstream_connection_options", {.text = "{tcp_keepalive: {keepalive_time: 5}}", .connections = true}},
    {"typed_extension_protocol_options",
     {.text = R"({x: {"@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions,
                 explicit_http_config: {http2_protocol_options: {}}}})",
      .connections = true}},
    {"connect_timeout", {.text = "9s"}},
    {"per_connection_buffer_limit_bytes", {.text = "5"}},
    {"lb_policy", {.text = "RANDOM"}},
    {"load_balancing_policy", {.text = R"({policies: [{typed_extension_config: {name: r, typed_config:
               {"@type": type.googleapis.com/envoy.extensions.load_balancing_policies.random.v3.Random}}}]})"}},
    {"common_lb_config", {.text = "{healthy_panic_threshold: {value: 5}}"}},
    {"circuit_breakers", {.text = "{thresholds: [{max_connections: 5}]}"}},
    {"metadata", {.text = "{filter_metadata: {a: {b: c}}}"}},
    {"wait_for_warm_on_init", {.text = "false"}},
    {"round_robin_lb_config", {.text = "{}"}},
    {"least_request_lb_config", {.text = "{choice_count: 3}"}},
    {"ring_hash_lb_config", {.text = "{minimum_ring_size: 3}"}},
    {"maglev_lb_config", {.text = "{table_size: 7}"}},
    {"close_connections_on_host_health_failure", {.text = "true"}},
    {"ignore_health_on_host_removal", {.text = "true"}},
    {"cleanup_interval", {.text = "5s"}},
    {"http_protocol_options", {.text = "{enable_trailers: true}", .connections = true}},
    {"http2_protocol_options", {.text = "{}", .connections = true}},
    {"common_http_protocol_options", {.text = "{idle_timeout: 7s}", .connections = true}},
    {"upstream_http_protocol_options", {.text = "{auto_sni: true}", .connections = true}},
    // Which transport sockets there are is told by themselves, once main has made them.
    {"transport_socket_matches", {.text = "[{name: x, match: {}}]"}},
    {"original_dst_lb_config", {.text = "{use_http_header: true}"}},
    {"max_requests_per_connection", {.text = "5", .connections = true}},
    {"protocol_selection", {.text = "USE_DOWNSTREAM_PROTOCOL", .connections = true}},
    {"track_timeout_budgets", {.text = "true"}},
    {"preconnect_policy", {.text = "{predictive_preconnect_ratio: 2}"}},
};

TEST(ClusterConfigTest, EachFieldBelongsToItsParts) {
  const config::MessageSupport* support = config::SupportTable::builtin().find(ClusterProto::descriptor()->full_name());
  ASSERT_NE(nullptr, support);
  for (int i = 0; i < ClusterProto::descriptor()->field_count(); ++i) {
    const std::string name = ClusterProto::descriptor()->field(i)->name();
    const bool refused = support->field(name).support == config::Support::Refused;
    const auto found = kChanges.find(name);
    ASSERT_EQ(!refused, found != kChanges.end()) << name;
    if (refused || *found->second.text == '\0') {
      continue;
    }
    const Change& change = found->second;
    const absl::string_view base = name == "eds_cluster_config"            ? kEdsBase
                                   : name == "original_dst_lb_config"      ? kOriginalBase
                                   : name.find("dns") == std::string::npos ? kStaticBase
                                                                           : kDnsBase;
    const auto before = test::clusterYaml(base);
    auto after = test::clusterYaml(base);
    after->GetReflection()->ClearField(after.get(), ClusterProto::descriptor()->field(i));
    after->MergeFrom(*test::clusterYaml(absl::StrCat("{", name, ": ", change.text, "}")));
    config::Violations violations;
    const ClusterParts parts_before = takeApart(before, runtime::Snapshot(), config::FieldPath(), violations);
    const ClusterParts parts_after = takeApart(after, runtime::Snapshot(), config::FieldPath(), violations);
    EXPECT_TRUE(violations.empty()) << name << ": " << violations.toString();
    EXPECT_NE(before->SerializeAsString(), after->SerializeAsString()) << name;
    EXPECT_EQ(change.endpoints, endpointsBytes(*before) != endpointsBytes(*after)) << name;
    EXPECT_EQ(change.connections, parts_before.recipe->key != parts_after.recipe->key) << name;
  }
}

TEST(ClusterConfigTest, TheBiasOfRequestsMayBeTheRuntimes) {
  config::Violations violations;
  const auto runtime =
      runtime::Snapshot::create(*test::yaml<envoy::config::bootstrap::v3::LayeredRuntime>(
                                    "{layers: [{name: base, static_layer: {lb: {bias: 0.5, below: -1}}}]}"),
                                config::FieldPath(), violations);
  const auto biased = [&](absl::string_view bias) {
    return take(absl::StrCat(
                    "{name: be, lb_policy: LEAST_REQUEST, least_request_lb_config: {active_request_bias: ", bias, "}}"),
                *runtime);
  };
  EXPECT_EQ(0.5, biased("{default_value: 2, runtime_key: lb.bias}").parts.lb.active_request_bias);
  EXPECT_EQ(2, biased("{default_value: 2, runtime_key: lb.other}").parts.lb.active_request_bias);
  EXPECT_EQ(
      biased("{default_value: 2, runtime_key: lb.below}").violations,
      "clusters[3].least_request_lb_config.active_request_bias.runtime_key: the runtime's value must be at least 0, "
      "but is -1\n");
}

TEST(ClusterConfigTest, WhatOtherTypesReadOfEndpointsIsNotReadHere) {
  // DNS settings of an EDS cluster change nothing about its endpoints.
  auto eds = test::clusterYaml(kEdsBase);
  const std::string before = endpointsBytes(*eds);
  eds->set_dns_lookup_family(ClusterProto::V4_ONLY);
  eds->mutable_load_assignment()->set_cluster_name("x");
  EXPECT_EQ(before, endpointsBytes(*eds));
}

// Assignments.

struct Read {
  EndpointList list;
  std::string violations;
};

Read read(absl::string_view text, const AssignmentRules& rules = {}) {
  config::Violations violations;
  Read result;
  result.list = readAssignment(test::assignmentYaml(text), rules, config::FieldPath(), violations);
  result.violations = violations.toString();
  return result;
}

std::string socketEndpoint(absl::string_view address, int port) {
  return absl::StrCat("endpoint: {address: {socket_address: {address: \"", address, "\", port_value: ", port, "}}}");
}

TEST(AssignmentTest, ReadsEndpoints) {
  const Read result =
      read(absl::StrCat(R"(
endpoints:
- locality: {region: r, zone: z, sub_zone: s}
  lb_endpoints:
  - {)",
                        socketEndpoint("10.0.0.1", 80), R"(, load_balancing_weight: 7, health_status: DEGRADED}
  - {endpoint: {hostname: h, address: {pipe: {path: /run/x}}}}
- lb_endpoints: [{endpoint_name: named}]
- locality: {region: r, zone: z, sub_zone: s}
  lb_endpoints: [{)",
                        socketEndpoint("::1", 81), R"(}]
named_endpoints: {named: {address: {socket_address: {address: 10.0.0.2, port_value: 82}}}}
policy: {overprovisioning_factor: 200, weighted_priority_health: true}
)"));
  EXPECT_EQ("", result.violations);
  const auto& endpoints = result.list.endpoints;
  ASSERT_EQ(4u, endpoints.size());
  EXPECT_EQ("10.0.0.1:80", endpoints[0].address.toString());
  EXPECT_EQ(7u, endpoints[0].weight);
  EXPECT_EQ(EdsHealth::Degraded, endpoints[0].health);
  EXPECT_EQ("/run/x", endpoints[1].address.toString());
  EXPECT_EQ("h", endpoints[1].hostname);
  EXPECT_EQ(1u, endpoints[1].weight);
  EXPECT_EQ("10.0.0.2:82", endpoints[2].address.toString());
  EXPECT_EQ("[::1]:81", endpoints[3].address.toString());
  ASSERT_EQ(2u, result.list.localities.size()) << "equal localities are one";
  EXPECT_EQ((Locality{"r", "z", "s"}), result.list.localities[endpoints[3].locality]);
  EXPECT_EQ(2u, endpoints[3].group_index);
  EXPECT_EQ(200u, result.list.overprovisioning_percent);
  EXPECT_TRUE(result.list.weighted_priority_health);
}

TEST(AssignmentTest, OfOneAddressTwiceEdsTakesTheFirst) {
  const std::string text = absl::StrCat("endpoints: [{lb_endpoints: [{", socketEndpoint("10.0.0.1", 80),
                                        ", load_balancing_weight: 2}, {", socketEndpoint("10.0.0.1", 80), "}]}]");
  EXPECT_EQ(2u, read(text).list.endpoints.size());
  const Read unique = read(text, {.unique = true});
  ASSERT_EQ(1u, unique.list.endpoints.size());
  EXPECT_EQ(2u, unique.list.endpoints[0].weight);
}

TEST(AssignmentTest, NamesAreKeptForDns) {
  const Read result =
      read(absl::StrCat("endpoints: [{lb_endpoints: [{", socketEndpoint("a.test", 80), "}]}]"), {.names = true});
  ASSERT_EQ(1u, result.list.endpoints.size());
  EXPECT_EQ("a.test", result.list.endpoints[0].dns_name);
  EXPECT_EQ("a.test", result.list.endpoints[0].hostname);
  EXPECT_EQ(80, result.list.endpoints[0].dns_port);
}

TEST(AssignmentTest, MistakesNameTheirField) {
  const std::string good = socketEndpoint("10.0.0.1", 80);
  const std::pair<std::string, std::string> cases[] = {
      {"endpoints: [{locality: {zone: a}, load_balancing_weight: 4294967295}, {locality: {zone: b}, "
       "load_balancing_weight: 1}]",
       "endpoints[1].load_balancing_weight: the weights of the localities of priority 0 add up to more than "
       "4294967295\n"},
      {"endpoints: [{}, {priority: 129}]", "endpoints[1].priority: 129 is above the limit of 128\n"},
      {absl::StrCat("endpoints: [{lb_endpoints: [{", socketEndpoint("x.test", 80), "}]}]"),
       "endpoints[0].lb_endpoints[0].endpoint.address.socket_address.address: 'x.test' is no IP address; only clusters "
       "of type STRICT_DNS resolve names\n"},
      {"endpoints: [{lb_endpoints: [{endpoint_name: x}]}]",
       "endpoints[0].lb_endpoints[0].endpoint_name: named_endpoints has no endpoint 'x'\n"},
      {absl::StrCat("endpoints: [{lb_endpoints: [{", good, ", load_balancing_weight: 4294967295}, {",
                    socketEndpoint("10.0.0.2", 80), "}]}]"),
       "endpoints[0].lb_endpoints: the weights of the locality's endpoints add up to more than 4294967295\n"},
      {"endpoints: [{lb_endpoints: [{endpoint: {}}]}]",
       "endpoints[0].lb_endpoints[0].endpoint.address: needs socket_address or pipe\n"},
  };
  for (const auto& [text, violations] : cases) {
    EXPECT_EQ(violations, read(text).violations) << text;
  }
}

}  // namespace
}  // namespace sluice::cluster
