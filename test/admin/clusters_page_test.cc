#include <string>

#include "absl/strings/match.h"
#include "envoy/admin/v3/clusters.pb.h"
#include "gtest/gtest.h"

#include "test/admin/admin_host.h"

namespace sluice::admin {
namespace {

using test::AdminHost;

constexpr absl::string_view kCluster = R"(
name: be
type: EDS
eds_cluster_config: {service_name: svc}
load_assignment:
  cluster_name: be
  endpoints:
  - locality: {region: r, zone: z, sub_zone: s}
    lb_endpoints:
    - endpoint: {hostname: h1, address: {socket_address: {address: 127.0.0.1, port_value: 81}}}
      load_balancing_weight: 3
    - endpoint: {address: {socket_address: {address: "::1", port_value: 82}}}
      health_status: DRAINING
      metadata: {filter_metadata: {envoy.lb: {canary: true}}}
)";

TEST(ClustersPage, hasEnvoysLines) {
  AdminHost host;
  host.addCluster(kCluster);
  host.clusters["be"][0]->endpoints->entries()[0].endpoint->counts().cx_total = 7;
  host.start();
  EXPECT_EQ(host.get("/clusters").body, R"(be::observability_name::be
be::default_priority::max_connections::1024
be::default_priority::max_pending_requests::1024
be::default_priority::max_requests::1024
be::default_priority::max_retries::3
be::high_priority::max_connections::1024
be::high_priority::max_pending_requests::1024
be::high_priority::max_requests::1024
be::high_priority::max_retries::3
be::added_via_api::true
be::eds_service_name::svc
be::127.0.0.1:81::cx_active::0
be::127.0.0.1:81::cx_connect_fail::0
be::127.0.0.1:81::cx_total::7
be::127.0.0.1:81::rq_active::0
be::127.0.0.1:81::rq_error::0
be::127.0.0.1:81::rq_pending_active::0
be::127.0.0.1:81::rq_success::0
be::127.0.0.1:81::rq_timeout::0
be::127.0.0.1:81::rq_total::0
be::127.0.0.1:81::hostname::h1
be::127.0.0.1:81::health_flags::healthy
be::127.0.0.1:81::weight::3
be::127.0.0.1:81::region::r
be::127.0.0.1:81::zone::z
be::127.0.0.1:81::sub_zone::s
be::127.0.0.1:81::canary::false
be::127.0.0.1:81::priority::0
be::127.0.0.1:81::success_rate::-1
be::127.0.0.1:81::local_origin_success_rate::-1
be::[::1]:82::cx_active::0
be::[::1]:82::cx_connect_fail::0
be::[::1]:82::cx_total::0
be::[::1]:82::rq_active::0
be::[::1]:82::rq_error::0
be::[::1]:82::rq_pending_active::0
be::[::1]:82::rq_success::0
be::[::1]:82::rq_timeout::0
be::[::1]:82::rq_total::0
be::[::1]:82::hostname::
be::[::1]:82::health_flags::/eds_status_draining
be::[::1]:82::weight::1
be::[::1]:82::region::r
be::[::1]:82::zone::z
be::[::1]:82::sub_zone::s
be::[::1]:82::canary::true
be::[::1]:82::priority::0
be::[::1]:82::success_rate::-1
be::[::1]:82::local_origin_success_rate::-1
)");
}

TEST(ClustersPage, isEnvoysMessageInJson) {
  AdminHost host;
  host.addCluster(kCluster);
  host.addCluster("{name: empty, type: STATIC}");
  host.clusters["empty"][0]->added_via_api = false;
  host.clusters["empty"][0]->endpoints = nullptr;
  host.clusters["be"][0]->endpoints->entries()[0].endpoint->counts().cx_active = 4;
  host.start();
  const auto clusters = test::fromJson<envoy::admin::v3::Clusters>(host.get("/clusters?format=json").body);
  ASSERT_EQ(clusters.cluster_statuses_size(), 2);
  const envoy::admin::v3::ClusterStatus& be = clusters.cluster_statuses(0);
  EXPECT_EQ(be.name(), "be");
  EXPECT_TRUE(be.added_via_api());
  EXPECT_EQ(be.eds_service_name(), "svc");
  EXPECT_EQ(be.observability_name(), "be");
  EXPECT_EQ(be.circuit_breakers().thresholds(1).priority(), envoy::config::core::v3::HIGH);
  ASSERT_EQ(be.host_statuses_size(), 2);
  EXPECT_EQ(be.host_statuses(0).hostname(), "h1");
  EXPECT_EQ(be.host_statuses(0).weight(), 3u);
  EXPECT_EQ(be.host_statuses(0).stats(6).name(), "cx_active");
  EXPECT_EQ(be.host_statuses(0).stats(6).value(), 4u);
  EXPECT_EQ(be.host_statuses(1).health_status().eds_health_status(), envoy::config::core::v3::DRAINING);
  EXPECT_EQ(be.host_statuses(1).address().socket_address().address(), "::1");
  EXPECT_EQ(clusters.cluster_statuses(1).name(), "empty");
  EXPECT_EQ(clusters.cluster_statuses(1).host_statuses_size(), 0);
}

TEST(ClustersPage, leavesOutWhatWarmsOrDoesNotMatch) {
  AdminHost host;
  host.addCluster("{name: be}");
  host.addCluster("{name: be}");
  host.clusters["be"][1]->warming = true;
  host.addCluster("{name: other}");
  host.addCluster("{name: new}");
  host.clusters["new"][0]->warming = true;
  host.start();
  const std::string all = host.get("/clusters").body;
  EXPECT_EQ(std::count(all.begin(), all.end(), '\n'), 20);
  const std::string matching = host.get("/clusters?filter=b.").body;
  EXPECT_EQ(std::count(matching.begin(), matching.end(), '\n'), 10);
  EXPECT_TRUE(absl::StartsWith(matching, "be::")) << matching;
  EXPECT_EQ(host.get("/clusters?filter=b").body, "");
  EXPECT_EQ(host.get("/clusters?filter=(").status, 400);
}

TEST(ClustersPage, takesALargeClusterInPieces) {
  AdminHost host;
  std::string yaml = "{name: be, load_assignment: {endpoints: [{lb_endpoints: [";
  constexpr int kEndpoints = 3000;
  for (int i = 0; i < kEndpoints; ++i) {
    absl::StrAppend(&yaml, "{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: ", i + 1, "}}}},");
  }
  host.addCluster(yaml + "]}]}}");
  host.addCluster("{name: last}");
  host.start();
  const std::string text = host.get("/clusters").body;
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 10 + kEndpoints * 19 + 10);
  const auto clusters = test::fromJson<envoy::admin::v3::Clusters>(host.get("/clusters?format=json").body);
  ASSERT_EQ(clusters.cluster_statuses_size(), 2);
  EXPECT_EQ(clusters.cluster_statuses(0).host_statuses_size(), kEndpoints);
}

}  // namespace
}  // namespace sluice::admin
