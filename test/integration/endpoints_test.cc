// Endpoints over EDS: warming, changes under load, health, weights, bad ones, none.

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "test/integration/harness/mesh.h"

namespace sluice::integration {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class EndpointsTest : public MeshTest {
 protected:
  EchoServer blue_{"blue"};
  EchoServer green_{"green"};
  void startWith(const Yamls& endpoints) {
    setClusters({edsCluster("web")});
    setEndpoints({assignment("web", endpoints)});
    setListeners({forward("front", "web")});
    start();
  }
};

TEST_F(EndpointsTest, AreWaitedForAtTheStart) {
  setClusters({edsCluster("web")});
  setListeners({forward("front", "web")});
  launch();
  const auto asked = controlPlane().expectRequest(xds::kEndpointType);
  ASSERT_TRUE(asked.has_value());
  EXPECT_EQ(asked->names, std::vector<std::string>{"web"});
  EXPECT_EQ(proxy().get("/ready").body, "PRE_INITIALIZING\n");
  EXPECT_THAT(proxy().get("/init_dump").body, HasSubstr("web"));
  setEndpoints({assignment("web", {endpoint(blue_.port())})});
  ASSERT_TRUE(proxy().waitReady());
  EXPECT_EQ(greetingOf(port("front")), "blue");
}

TEST_F(EndpointsTest, ANewClusterWarmsWhileTheOldOneServes) {
  startWith({endpoint(blue_.port())});
  setListeners({forward("front", "web"), forward("other", "new")});
  setClusters({edsCluster("web"), edsCluster("new")});
  proxy().waitForStat("cluster_manager.warming_clusters", 1);
  EXPECT_EQ(greetingOf(port("front")), "blue");
  EXPECT_EQ(greetingOf(port("other")), "");
  setEndpoints({assignment("web", {endpoint(blue_.port())}), assignment("new", {endpoint(green_.port())})});
  proxy().waitForStat("cluster_manager.warming_clusters", 0);
  EXPECT_TRUE(waitGreeting(port("other"), "green"));
}

TEST_F(EndpointsTest, AChangedClusterServesWithItsOldEndpointsMeanwhile) {
  startWith({endpoint(blue_.port())});
  SteadyLoad load(port("front"), 2);
  setClusters({edsCluster("web", "connect_timeout: 3s")});
  setClusters({edsCluster("web", "connect_timeout: 4s, lb_policy: RANDOM")});
  proxy().waitForStat("cluster_manager.warming_clusters", 0);
  EXPECT_TRUE(waitGreeting(port("front"), "blue"));
  load.stop();
  EXPECT_EQ(load.failed(), 0u);
}

TEST_F(EndpointsTest, ChangeUnderLoad) {
  startWith({endpoint(blue_.port())});
  Client held = Client::connect(port("front"));
  SteadyLoad load(port("front"), 4);
  for (int i = 0; i < 20; ++i) {
    const bool blue = i % 2 == 1;
    setEndpoints({assignment("web", {endpoint(blue ? blue_.port() : green_.port())})});
    EXPECT_TRUE(waitGreeting(port("front"), blue ? "blue" : "green"));
  }
  load.stop();
  EXPECT_EQ(load.failed(), 0u);
  EXPECT_TRUE(held.echo("its endpoint went and came back"));
}

TEST_F(EndpointsTest, ThatGoLeaveTheirConnectionsAlone) {
  startWith({endpoint(blue_.port())});
  Client held = Client::connect(port("front"));
  setEndpoints({assignment("web", {endpoint(green_.port())})});
  EXPECT_TRUE(waitGreeting(port("front"), "green"));
  EXPECT_TRUE(held.echo("still blue"));
  proxy().waitForStat("cluster.web.membership_total", 1);
  EXPECT_GE(proxy().stat("cluster.web.membership_change").value_or(0), 2);
}

TEST_F(EndpointsTest, MayAllGo) {
  startWith({endpoint(blue_.port())});
  Client held = Client::connect(port("front"));
  setEndpoints({assignment("web", {})});
  proxy().waitForStat("cluster.web.membership_total", 0);
  EXPECT_TRUE(eventually([this] { return greetingOf(port("front")).empty(); }));
  proxy().waitForStatAtLeast("cluster.web.upstream_cx_none_healthy", 1);
  EXPECT_TRUE(held.echo("still served"));
  setEndpoints({assignment("web", {endpoint(green_.port())})});
  EXPECT_TRUE(waitGreeting(port("front"), "green"));
}

TEST_F(EndpointsTest, ThatAreUnhealthyGetNothing) {
  startWith({endpoint(blue_.port(), "health_status: UNHEALTHY"), endpoint(green_.port())});
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(greetingOf(port("front")), "green");
  }
  EXPECT_EQ(proxy().stat("cluster.web.membership_healthy"), 1);
  EXPECT_EQ(proxy().stat("cluster.web.membership_total"), 2);
  EXPECT_THAT(proxy().get("/clusters").body, HasSubstr("/failed_eds_health"));
  setEndpoints({assignment("web", {endpoint(blue_.port()), endpoint(green_.port(), "health_status: DRAINING")})});
  EXPECT_TRUE(waitGreeting(port("front"), "blue"));
}

TEST_F(EndpointsTest, FollowTheirWeights) {
  startWith({endpoint(blue_.port(), "load_balancing_weight: 1"), endpoint(green_.port(), "load_balancing_weight: 1")});
  EXPECT_TRUE(waitGreeting(port("front"), "blue"));
  EXPECT_TRUE(waitGreeting(port("front"), "green"));
  setEndpoints({assignment("web", {endpoint(blue_.port(), "load_balancing_weight: 1000"),
                                   endpoint(green_.port(), "load_balancing_weight: 1")})});
  int blue = 0;
  EXPECT_TRUE(eventually([&] {
    blue = 0;
    for (int i = 0; i < 20; ++i) {
      blue += greetingOf(port("front")) == "blue" ? 1 : 0;
    }
    return blue >= 18;
  })) << blue;
}

TEST_F(EndpointsTest, ThatAreBadAreRefusedAndTheOldOnesStay) {
  startWith({endpoint(blue_.port())});
  const std::string version = controlPlane().setResources(
      xds::kEndpointType,
      resources({assignment("web", {"{endpoint: {address: " + socketAddress(1, "not-an-address") + "}}"})}));
  const auto nack = controlPlane().waitForNack(xds::kEndpointType, version);
  ASSERT_TRUE(nack.has_value());
  EXPECT_THAT(*nack, AllOf(HasSubstr("\"web\""), HasSubstr("endpoints[0].lb_endpoints[0].endpoint.address")));
  EXPECT_EQ(greetingOf(port("front")), "blue");
  proxy().waitForStat("cluster.web.update_rejected", 1);
}

TEST_F(EndpointsTest, OfPriorityAboveTheLimitAreRefused) {
  startWith({endpoint(blue_.port())});
  const std::string version = controlPlane().setResources(
      xds::kEndpointType,
      resources({"{\"@type\": type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment, cluster_name: web, "
                 "endpoints: [{priority: 129, lb_endpoints: [" +
                 endpoint(green_.port()) + "]}]}"}));
  EXPECT_THAT(controlPlane().waitForNack(xds::kEndpointType, version).value_or(""),
              AllOf(HasSubstr("\"web\""), HasSubstr("endpoints[0].priority")));
}

TEST_F(EndpointsTest, ThatNobodyAskedForDoNoHarm) {
  startWith({endpoint(blue_.port())});
  setEndpoints({assignment("web", {endpoint(green_.port())}), assignment("stranger", {endpoint(1)})});
  EXPECT_TRUE(waitGreeting(port("front"), "green"));
}

TEST_F(EndpointsTest, AreAskedForByServiceName) {
  setClusters(
      {"{\"@type\": type.googleapis.com/envoy.config.cluster.v3.Cluster, name: web, type: EDS, "
       "eds_cluster_config: {service_name: web-service, eds_config: {ads: {}, resource_api_version: V3}}}"});
  setEndpoints({assignment("web-service", {endpoint(blue_.port())})});
  setListeners({forward("front", "web")});
  start();
  EXPECT_EQ(greetingOf(port("front")), "blue");
}

TEST_F(EndpointsTest, ThatNeverComeAreNotWaitedForForEver) {
  setClusters(
      {"{\"@type\": type.googleapis.com/envoy.config.cluster.v3.Cluster, name: web, type: EDS, "
       "eds_cluster_config: {eds_config: {ads: {}, resource_api_version: V3, initial_fetch_timeout: 0.2s}}}"});
  setListeners({forward("front", "web")});
  start();
  EXPECT_EQ(greetingOf(port("front")), "");
  EXPECT_EQ(proxy().stat("cluster.web.init_fetch_timeout"), 1);
}

TEST_F(EndpointsTest, OfARemovedClusterAreAskedForAgainWhenItComesBack) {
  startWith({endpoint(blue_.port())});
  setClusters({});
  EXPECT_TRUE(eventually([this] { return greetingOf(port("front")).empty(); }));
  setClusters({edsCluster("web")});
  EXPECT_TRUE(waitGreeting(port("front"), "blue"));
}

}  // namespace
}  // namespace sluice::integration
