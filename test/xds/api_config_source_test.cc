#include "source/xds/api_config_source.h"

#include "gtest/gtest.h"

#include "source/config/loader.h"

namespace sluice::xds {
namespace {

using std::chrono::milliseconds;

absl::StatusOr<ControlPlaneConfig> read(const std::string& yaml) {
  envoy::config::core::v3::ApiConfigSource source;
  config::Violations violations;
  EXPECT_TRUE(config::parseYaml(yaml, source, {}, nullptr, violations)) << violations.toString();
  envoy::config::core::v3::Node node;
  node.set_id("me");
  return readApiConfigSource(source, node);
}

std::string refusal(const std::string& yaml) { return std::string(read(yaml).status().message()); }

TEST(ApiConfigSource, HasEnvoysDefaults) {
  const auto config = read(R"(
api_type: GRPC
transport_api_version: V3
grpc_services: [{envoy_grpc: {cluster_name: xds}}]
)");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->service.envoy_grpc().cluster_name(), "xds");
  EXPECT_EQ(config->options.node.id(), "me");
  EXPECT_FALSE(config->options.set_node_on_first_message_only);
  EXPECT_EQ(config->options.stream.back_off_base, milliseconds(500));
  EXPECT_EQ(config->options.stream.back_off_max, milliseconds(30000));
  EXPECT_FALSE(config->options.stream.rate_limit.has_value());
}

TEST(ApiConfigSource, TakesBackOffAndRateLimit) {
  auto config = read(R"(
api_type: GRPC
transport_api_version: V3
set_node_on_first_message_only: true
rate_limit_settings: {}
grpc_services:
- envoy_grpc: {cluster_name: xds, retry_policy: {retry_back_off: {base_interval: 0.25s}}}
)");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_TRUE(config->options.set_node_on_first_message_only);
  EXPECT_EQ(config->options.stream.back_off_base, milliseconds(250));
  EXPECT_EQ(config->options.stream.back_off_max, milliseconds(2500));
  ASSERT_TRUE(config->options.stream.rate_limit.has_value());
  EXPECT_EQ(config->options.stream.rate_limit->max_tokens, 100u);
  EXPECT_EQ(config->options.stream.rate_limit->tokens_per_second, 10);
}

TEST(ApiConfigSource, TakesTheDeltaVariant) {
  const auto config = read(R"(
api_type: DELTA_GRPC
transport_api_version: V3
grpc_services: [{envoy_grpc: {cluster_name: xds}}]
)");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->options.variant, Variant::Delta);
}

TEST(ApiConfigSource, KnowsTheServicesOfEachType) {
  EXPECT_EQ(discoveryMethod(kClusterType, Variant::Delta).value(),
            "/envoy.service.cluster.v3.ClusterDiscoveryService/DeltaClusters");
  EXPECT_EQ(discoveryMethod(kSecretType, Variant::StateOfTheWorld).value(),
            "/envoy.service.secret.v3.SecretDiscoveryService/StreamSecrets");
  EXPECT_EQ(discoveryMethod(kRouteType, Variant::StateOfTheWorld).value(),
            "/envoy.service.route.v3.RouteDiscoveryService/StreamRoutes");
  EXPECT_EQ(discoveryMethod(kEndpointType, Variant::Delta).value(),
            "/envoy.service.endpoint.v3.EndpointDiscoveryService/DeltaEndpoints");
  EXPECT_EQ(discoveryMethod(kListenerType, Variant::Delta).value(),
            "/envoy.service.listener.v3.ListenerDiscoveryService/DeltaListeners");
  EXPECT_FALSE(discoveryMethod("type.googleapis.com/envoy.service.runtime.v3.Runtime", Variant::Delta).ok());
  EXPECT_EQ(aggregatedMethod(Variant::Delta),
            "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources");
}

TEST(ApiConfigSource, RefusesWhatThereIsNot) {
  const std::string services = "grpc_services: [{envoy_grpc: {cluster_name: xds}}]\n";
  EXPECT_EQ(refusal("api_type: AGGREGATED_GRPC\ntransport_api_version: V3\n" + services).find("api_type: AGGREGATED"),
            0u);
  EXPECT_EQ(refusal("api_type: REST\ntransport_api_version: V3\n" + services).find("api_type: REST"), 0u);
  EXPECT_EQ(refusal("api_type: GRPC\n" + services).find("transport_api_version: "), 0u);
  EXPECT_EQ(refusal("api_type: GRPC\ntransport_api_version: V3\n").find("grpc_services: "), 0u);
  EXPECT_EQ(refusal("api_type: GRPC\ntransport_api_version: V3\n"
                    "grpc_services: [{google_grpc: {target_uri: x, stat_prefix: y}}]\n")
                .find("grpc_services[0]: only envoy_grpc"),
            0u);
  EXPECT_NE(refusal("api_type: GRPC\ntransport_api_version: V3\ngrpc_services: [{envoy_grpc: {cluster_name: xds, "
                    "retry_policy: {retry_back_off: {base_interval: 2s, max_interval: 1s}}}}]\n")
                .find("max_interval"),
            std::string::npos);
}

}  // namespace
}  // namespace sluice::xds
