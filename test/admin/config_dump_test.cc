#include "source/admin/config_dump.h"

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "envoy/admin/v3/config_dump.pb.h"
#include "envoy/admin/v3/config_dump_shared.pb.h"
#include "envoy/config/route/v3/route.pb.h"
#include "envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.pb.h"
#include "gtest/gtest.h"

#include "test/admin/admin_host.h"

namespace sluice::admin {
namespace {

using envoy::admin::v3::BootstrapConfigDump;
using envoy::admin::v3::ClustersConfigDump;
using envoy::admin::v3::ConfigDump;
using envoy::admin::v3::EndpointsConfigDump;
using envoy::admin::v3::ListenersConfigDump;
using test::AdminHost;
using test::HttpAnswer;
using Cluster = envoy::config::cluster::v3::Cluster;
using Listener = envoy::config::listener::v3::Listener;

std::vector<std::string> typesOf(const ConfigDump& dump) {
  std::vector<std::string> types;
  for (const auto& config : dump.configs()) {
    types.push_back(config.type_url().substr(config.type_url().rfind('.') + 1));
  }
  return types;
}

template <class Message>
Message unpack(const google::protobuf::Any& any) {
  Message message;
  EXPECT_TRUE(any.UnpackTo(&message)) << any.type_url();
  return message;
}

listener::ListenerVersionView versionOf(const char* name, const char* version) {
  auto message = std::make_shared<Listener>();
  message->set_name(name);
  envoy::extensions::filters::network::tcp_proxy::v3::TcpProxy proxy;
  proxy.set_cluster("be");
  message->add_filter_chains()->add_filters()->mutable_typed_config()->PackFrom(proxy);
  listener::ListenerVersionView view;
  view.version = version;
  view.message = message;
  view.last_updated = base::SystemTime(std::chrono::milliseconds(1700000002789));
  return view;
}

class ConfigDumpTest : public testing::Test {
 protected:
  ConfigDumpTest() {
    host_.addCluster("{name: ads, type: STATIC, connect_timeout: 1s}");
    host_.clusters["ads"][0]->added_via_api = false;
    host_.addCluster(
        "{name: be, type: EDS, load_assignment: {cluster_name: be, endpoints: [{lb_endpoints: ["
        "{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 81}}},"
        " metadata: {filter_metadata: {a: {b: c}}}}]}]}}",
        "c1");
    host_.addCluster("{name: be, type: EDS, connect_timeout: 2s}", "c2");
    host_.clusters["be"][1]->warming = true;

    host_.listeners["boot"].name = "boot";
    host_.listeners["boot"].active = versionOf("boot", "");
    listener::ListenerView& dynamic = host_.listeners["l"];
    dynamic.name = "l";
    dynamic.dynamic = true;
    dynamic.active = versionOf("l", "l1");
    dynamic.warming = versionOf("l", "l2");
    dynamic.draining = versionOf("l", "l0");
  }

  ConfigDump get(const std::string& query) {
    const HttpAnswer answer = host_.get("/config_dump" + query);
    EXPECT_EQ(answer.status, 200) << answer.body;
    EXPECT_EQ(answer.headers.at("content-type"), "application/json");
    return test::fromJson<ConfigDump>(answer.body);
  }

  AdminHost host_;
};

TEST_F(ConfigDumpTest, showsEverything) {
  host_.start();
  const ConfigDump dump = get("");
  EXPECT_EQ(typesOf(dump), (std::vector<std::string>{"BootstrapConfigDump", "ClustersConfigDump", "ListenersConfigDump",
                                                     "RoutesConfigDump", "SecretsConfigDump"}));
  const auto bootstrap = unpack<BootstrapConfigDump>(dump.configs(0));
  EXPECT_EQ(bootstrap.bootstrap().admin().address().socket_address().address(), "127.0.0.1");
  EXPECT_EQ(bootstrap.last_updated().seconds(), 1700000000);
  EXPECT_EQ(bootstrap.last_updated().nanos(), 123000000);

  const auto clusters = unpack<ClustersConfigDump>(dump.configs(1));
  EXPECT_EQ(clusters.version_info(), "cds-version");
  ASSERT_EQ(clusters.static_clusters_size(), 1);
  EXPECT_EQ(unpack<Cluster>(clusters.static_clusters(0).cluster()).name(), "ads");
  ASSERT_EQ(clusters.dynamic_active_clusters_size(), 1);
  EXPECT_EQ(clusters.dynamic_active_clusters(0).version_info(), "c1");
  EXPECT_EQ(clusters.dynamic_active_clusters(0).last_updated().nanos(), 456000000);
  EXPECT_EQ(unpack<Cluster>(clusters.dynamic_active_clusters(0).cluster()).load_assignment().cluster_name(), "be");
  ASSERT_EQ(clusters.dynamic_warming_clusters_size(), 1);
  EXPECT_EQ(clusters.dynamic_warming_clusters(0).version_info(), "c2");

  const auto listeners = unpack<ListenersConfigDump>(dump.configs(2));
  EXPECT_EQ(listeners.version_info(), "lds-version");
  ASSERT_EQ(listeners.static_listeners_size(), 1);
  EXPECT_EQ(unpack<Listener>(listeners.static_listeners(0).listener()).name(), "boot");
  ASSERT_EQ(listeners.dynamic_listeners_size(), 1);
  const ListenersConfigDump::DynamicListener& l = listeners.dynamic_listeners(0);
  EXPECT_EQ(l.name(), "l");
  EXPECT_EQ(l.active_state().version_info(), "l1");
  EXPECT_EQ(l.warming_state().version_info(), "l2");
  EXPECT_EQ(l.draining_state().version_info(), "l0");
  EXPECT_FALSE(l.has_error_state());
  EXPECT_EQ(unpack<Listener>(l.active_state().listener()).filter_chains(0).filters_size(), 1);
}

TEST_F(ConfigDumpTest, hasEnvoysLayout) {
  host_.main().run([this] { host_.clusters.clear(); });
  host_.listeners.clear();
  host_.start();
  EXPECT_EQ(host_.get("/config_dump").body, R"({
 "configs": [
  {
   "@type": "type.googleapis.com/envoy.admin.v3.BootstrapConfigDump",
   "bootstrap": {
    "admin": {
     "address": {
      "socket_address": {
       "address": "127.0.0.1",
       "port_value": 0
      }
     }
    }
   },
   "last_updated": "2023-11-14T22:13:20.123Z"
  },
  {
   "@type": "type.googleapis.com/envoy.admin.v3.ClustersConfigDump",
   "version_info": "cds-version"
  },
  {
   "@type": "type.googleapis.com/envoy.admin.v3.ListenersConfigDump",
   "version_info": "lds-version"
  },
  {
   "@type": "type.googleapis.com/envoy.admin.v3.RoutesConfigDump"
  },
  {
   "@type": "type.googleapis.com/envoy.admin.v3.SecretsConfigDump"
  }
 ]
}
)");
}

TEST_F(ConfigDumpTest, showsWhatWasRefused) {
  auto refused = std::make_shared<Cluster>();
  refused->set_name("bad");
  host_.clusters["be"][0]->failure = std::make_unique<cluster::ClusterFailure>(
      cluster::ClusterFailure{refused, base::SystemTime(), "connect_timeout: must be positive", "c3"});
  host_.cluster_failures["bad"] = {refused, base::SystemTime(), "type: unknown", "c4"};
  // Of a type that nobody knows.
  auto listener = std::make_shared<Listener>();
  listener->add_filter_chains()->add_filters()->mutable_typed_config()->set_type_url("x/no.such.Type");
  host_.listeners["l"].failure = listener::ListenerFailure{listener, base::SystemTime(), "no.such.Type", "l3"};
  host_.start();

  const std::string json = host_.get("/config_dump").body;
  EXPECT_TRUE(absl::StrContains(json, "\"@type\": \"x/no.such.Type\"")) << json;
  const auto clusters =
      unpack<ClustersConfigDump>(get("?mask=dynamic_active_clusters,dynamic_warming_clusters").configs(0));
  EXPECT_EQ(clusters.dynamic_active_clusters(0).error_state().details(), "connect_timeout: must be positive");
  EXPECT_EQ(clusters.dynamic_active_clusters(0).error_state().version_info(), "c3");
  ASSERT_EQ(clusters.dynamic_warming_clusters_size(), 2);
  EXPECT_FALSE(clusters.dynamic_warming_clusters(1).has_cluster());
  EXPECT_EQ(unpack<Cluster>(clusters.dynamic_warming_clusters(1).error_state().failed_configuration()).name(), "bad");
  EXPECT_TRUE(absl::StrContains(json, "\"details\": \"no.such.Type\""));
}

TEST_F(ConfigDumpTest, showsOneList) {
  host_.start();
  const ConfigDump clusters = get("?resource=static_clusters");
  ASSERT_EQ(clusters.configs_size(), 1);
  EXPECT_EQ(unpack<Cluster>(unpack<ClustersConfigDump::StaticCluster>(clusters.configs(0)).cluster()).name(), "ads");
  const ConfigDump listeners = get("?resource=dynamic_listeners");
  ASSERT_EQ(listeners.configs_size(), 1);
  EXPECT_EQ(unpack<ListenersConfigDump::DynamicListener>(listeners.configs(0)).name(), "l");
  EXPECT_EQ(get("?resource=static_secrets").configs_size(), 0);
}

TEST_F(ConfigDumpTest, showsRoutes) {
  using envoy::admin::v3::RoutesConfigDump;
  auto routes = std::make_shared<envoy::config::route::v3::RouteConfiguration>();
  routes->set_name("r");
  http::RouteConfigView view;
  view.name = "r";
  view.bytes = std::make_shared<const std::string>(routes->SerializeAsString());
  host_.routes.push_back(view);
  view.dynamic = true;
  view.version = "r1";
  view.failure = http::RouteConfigView::Failure{routes, base::SystemTime(), "virtual_hosts: wrong", "r2"};
  host_.routes.push_back(view);
  // Nothing came of this one yet.
  host_.routes.push_back({.name = "waiting", .dynamic = true});
  host_.start();
  const auto dump = unpack<RoutesConfigDump>(get("").configs(3));
  ASSERT_EQ(dump.static_route_configs_size(), 1);
  EXPECT_EQ(unpack<envoy::config::route::v3::RouteConfiguration>(dump.static_route_configs(0).route_config()).name(),
            "r");
  ASSERT_EQ(dump.dynamic_route_configs_size(), 1);
  EXPECT_EQ(dump.dynamic_route_configs(0).version_info(), "r1");
  EXPECT_EQ(dump.dynamic_route_configs(0).error_state().details(), "virtual_hosts: wrong");
  EXPECT_EQ(get("?resource=dynamic_route_configs").configs_size(), 1);
}

TEST_F(ConfigDumpTest, masksFields) {
  host_.start();
  EXPECT_EQ(host_.get("/config_dump?resource=static_clusters&mask=cluster.name,cluster.type").body, R"({
 "configs": [
  {
   "@type": "type.googleapis.com/envoy.admin.v3.ClustersConfigDump.StaticCluster",
   "cluster": {
    "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
    "name": "ads",
    "type": "STATIC"
   }
  }
 ]
}
)");
  EXPECT_EQ(typesOf(get("?mask=bootstrap")), std::vector<std::string>{"BootstrapConfigDump"});
  EXPECT_FALSE(unpack<BootstrapConfigDump>(get("?mask=bootstrap").configs(0)).has_last_updated());
  const ConfigDump clusters = get("?mask=static_clusters");
  EXPECT_EQ(typesOf(clusters), std::vector<std::string>{"ClustersConfigDump"});
  EXPECT_EQ(unpack<ClustersConfigDump>(clusters.configs(0)).version_info(), "");
  EXPECT_EQ(unpack<ClustersConfigDump>(clusters.configs(0)).dynamic_active_clusters_size(), 0);
  EXPECT_EQ(host_.get("/config_dump?mask=nosuch").body, "{}\n");
}

TEST_F(ConfigDumpTest, filtersByName) {
  host_.start();
  const ConfigDump dump = get("?name_regex=b.");
  const auto clusters = unpack<ClustersConfigDump>(dump.configs(1));
  EXPECT_EQ(clusters.static_clusters_size(), 0);
  EXPECT_EQ(clusters.dynamic_active_clusters_size(), 1);
  const auto listeners = unpack<ListenersConfigDump>(dump.configs(2));
  EXPECT_EQ(listeners.static_listeners_size() + listeners.dynamic_listeners_size(), 0);
}

TEST_F(ConfigDumpTest, showsEndpointsWhenAsked) {
  host_.start();
  const ConfigDump dump = get("?include_eds");
  ASSERT_EQ(dump.configs_size(), 6);
  const auto endpoints = unpack<EndpointsConfigDump>(dump.configs(2));
  EXPECT_EQ(endpoints.static_endpoint_configs_size(), 1);
  ASSERT_EQ(endpoints.dynamic_endpoint_configs_size(), 1);
  const auto assignment = unpack<envoy::config::endpoint::v3::ClusterLoadAssignment>(
      endpoints.dynamic_endpoint_configs(0).endpoint_config());
  EXPECT_EQ(assignment.cluster_name(), "be");
  EXPECT_EQ(assignment.policy().overprovisioning_factor().value(), 140u);
  const auto& endpoint = assignment.endpoints(0).lb_endpoints(0);
  EXPECT_EQ(endpoint.endpoint().address().socket_address().port_value(), 81u);
  EXPECT_EQ(endpoint.health_status(), envoy::config::core::v3::HEALTHY);
  EXPECT_EQ(endpoint.load_balancing_weight().value(), 1u);
  EXPECT_EQ(endpoint.metadata().filter_metadata().count("a"), 1u);
  EXPECT_EQ(host_.get("/config_dump?resource=dynamic_endpoint_configs").status, 404);
  EXPECT_EQ(get("?resource=dynamic_endpoint_configs&include_eds").configs_size(), 1);
}

TEST_F(ConfigDumpTest, saysWhatIsWrongAsEnvoyDoes) {
  host_.start();
  const auto expect = [this](const char* query, int status, const char* body) {
    const HttpAnswer answer = host_.get(std::string("/config_dump") + query);
    EXPECT_EQ(answer.status, status) << query;
    EXPECT_EQ(answer.body, body);
  };
  expect("?resource=nosuch", 404, "nosuch not found in config dump");
  expect("?resource=bootstrap", 400, "bootstrap is not a repeated field. Use ?mask=bootstrap to get only this field");
  expect("?name_regex=[", 400, "INVALID_ARGUMENT: Error while parsing name_regex from [: missing ]: [");
  expect("?resource=static_clusters&mask=nosuch", 400, "FieldMask paths: \"nosuch\"\n could not be successfully used.");
}

TEST_F(ConfigDumpTest, showsThousandsInSlices) {
  for (int i = 0; i < 3000; ++i) {
    host_.addCluster(absl::StrCat("{name: c", i, ", type: EDS, connect_timeout: 1s}"));
  }
  host_.start();
  const auto clusters = unpack<ClustersConfigDump>(get("").configs(1));
  EXPECT_EQ(clusters.static_clusters_size(), 1);
  EXPECT_EQ(clusters.dynamic_active_clusters_size(), 3001);
  EXPECT_EQ(clusters.dynamic_warming_clusters_size(), 1);
}

}  // namespace
}  // namespace sluice::admin
