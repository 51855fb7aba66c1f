// Clusters that a control plane adds, warms, changes and takes away.

#include <arpa/inet.h>
#include <sys/socket.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "test/integration/harness/mesh.h"

namespace sluice::integration {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class ClustersTest : public MeshTest {
 protected:
  EchoServer blue_{"blue"};
  EchoServer green_{"green"};
};

TEST_F(ClustersTest, AreAddedAndTakenAway) {
  setClusters({cluster("blue", blue_.port())});
  setListeners({forward("front", "blue")});
  start();
  EXPECT_EQ(proxy().stat("cluster_manager.active_clusters"), 2);
  setClusters({cluster("blue", blue_.port()), cluster("green", green_.port())});
  proxy().waitForStat("cluster_manager.active_clusters", 3);
  EXPECT_EQ(proxy().stat("cluster_manager.cluster_added"), 3);
  setClusters({cluster("blue", blue_.port())});
  proxy().waitForStat("cluster_manager.active_clusters", 2);
  EXPECT_EQ(proxy().stat("cluster_manager.cluster_removed"), 1);
  // Its statistics go when the last worker has let go of it.
  EXPECT_TRUE(eventually([&] { return !proxy().stat("cluster.green.upstream_cx_total").has_value(); }));
  EXPECT_EQ(greetingOf(port("front")), "blue");
}

TEST_F(ClustersTest, GoodOnesOfABadResponseApply) {
  setClusters({cluster("blue", blue_.port())});
  setListeners({forward("front", "green")});
  start();
  const std::string nack = refusedClusters(
      resources({cluster("blue", blue_.port()), cluster("green", green_.port()),
                 cluster("bad", 1, "connect_timeout: -1s"), cluster("worse", 1, "lb_policy: CLUSTER_PROVIDED")}));
  EXPECT_THAT(nack, AllOf(HasSubstr("\"bad\": connect_timeout"), HasSubstr("\"worse\": lb_policy")));
  EXPECT_TRUE(waitGreeting(port("front"), "green"));
  proxy().waitForStat("cluster_manager.cds.update_rejected", 1);
}

TEST_F(ClustersTest, ABadUpdateLeavesTheOldOne) {
  setClusters({cluster("blue", blue_.port())});
  setListeners({forward("front", "blue")});
  start();
  EXPECT_THAT(refusedClusters(resources({cluster("blue", blue_.port(), "load_balancing_policy: {}")})),
              HasSubstr("\"blue\": load_balancing_policy"));
  EXPECT_EQ(greetingOf(port("front")), "blue");
  EXPECT_THAT(proxy().get("/config_dump").body, HasSubstr("error_state"));
}

TEST_F(ClustersTest, TheBootstrapsClustersAreNotTheControlPlanes) {
  setClusters({cluster("fixed", green_.port())});
  setListeners({forward("front", "fixed")});
  launch({}, "  - {name: fixed, type: STATIC, load_assignment: {cluster_name: fixed, endpoints: [{lb_endpoints: [" +
                 endpoint(blue_.port()) + "]}]}}\n");
  ASSERT_TRUE(proxy().waitReady());
  EXPECT_EQ(greetingOf(port("front")), "blue");
}

TEST_F(ClustersTest, ResolveNames) {
  setClusters(
      {"{\"@type\": type.googleapis.com/envoy.config.cluster.v3.Cluster, name: named, type: STRICT_DNS, "
       "dns_lookup_family: V4_ONLY, load_assignment: {cluster_name: named, endpoints: [{lb_endpoints: "
       "[{endpoint: {address: " +
       socketAddress(blue_.port(), "localhost") + "}}]}]}}"});
  setListeners({forward("front", "named")});
  start();
  EXPECT_EQ(greetingOf(port("front")), "blue");
  EXPECT_THAT(proxy().get("/clusters").body,
              HasSubstr("named::127.0.0.1:" + std::to_string(blue_.port()) + "::hostname::localhost"));
}

TEST_F(ClustersTest, ShareConnectionsByWeight) {
  setClusters({clusterOf("both", {endpoint(blue_.port(), "load_balancing_weight: 3"),
                                  endpoint(green_.port(), "load_balancing_weight: 1")})});
  setListeners({forward("front", "both")});
  start({{}, 1});
  int blue = 0;
  for (int i = 0; i < 40; ++i) {
    blue += greetingOf(port("front")) == "blue" ? 1 : 0;
  }
  EXPECT_EQ(blue, 30);
}

TEST_F(ClustersTest, GoRoundTheirEndpoints) {
  setClusters({clusterOf("both", {endpoint(blue_.port()), endpoint(green_.port())})});
  setListeners({forward("front", "both")});
  start({{}, 1});
  const std::string first = greetingOf(port("front"));
  const std::string second = greetingOf(port("front"));
  EXPECT_NE(first, second);
  EXPECT_EQ(greetingOf(port("front")), first);
}

TEST_F(ClustersTest, PickAtRandom) {
  setClusters({clusterOf("both", {endpoint(blue_.port()), endpoint(green_.port())}, "lb_policy: RANDOM")});
  setListeners({forward("front", "both")});
  start();
  EXPECT_TRUE(waitGreeting(port("front"), "blue"));
  EXPECT_TRUE(waitGreeting(port("front"), "green"));
}

TEST_F(ClustersTest, KeepToTheirCircuitBreaker) {
  setClusters(
      {cluster("blue", blue_.port(), "circuit_breakers: {thresholds: [{max_connections: 2, track_remaining: true}]}")});
  setListeners({forward("front", "blue")});
  start();
  Client one = Client::connect(port("front"));
  Client two = Client::connect(port("front"));
  EXPECT_EQ(one.greeting() + two.greeting(), "blueblue");
  EXPECT_EQ(greetingOf(port("front")), "");
  proxy().waitForStat("cluster.blue.upstream_cx_overflow", 1);
  EXPECT_EQ(proxy().stat("cluster.blue.circuit_breakers.default.cx_open"), 1);
  EXPECT_EQ(proxy().stat("cluster.blue.circuit_breakers.default.remaining_cx"), 0);
  EXPECT_TRUE(one.echo("others are not harmed"));
  one = Client();
  EXPECT_TRUE(waitGreeting(port("front"), "blue"));
  // A new threshold is in force at once.
  setClusters({cluster("blue", blue_.port(), "circuit_breakers: {thresholds: [{max_connections: 1}]}")});
  EXPECT_TRUE(eventually([this] { return greetingOf(port("front")).empty(); }));
  EXPECT_TRUE(two.echo("stays above the new threshold"));
}

TEST_F(ClustersTest, BindTheirConnections) {
  TcpServer who([](Socket& socket) {
    sockaddr_in peer{};
    socklen_t length = sizeof(peer);
    getpeername(socket.fd(), reinterpret_cast<sockaddr*>(&peer), &length);
    char text[INET_ADDRSTRLEN];
    socket.sendLine(inet_ntop(AF_INET, &peer.sin_addr, text, sizeof(text)));
  });
  setClusters(
      {cluster("who", who.port(), "upstream_bind_config: {source_address: {address: 127.0.0.7, port_value: 0}}")});
  setListeners({forward("front", "who")});
  start();
  EXPECT_EQ(greetingOf(port("front")), "127.0.0.7");
}

TEST_F(ClustersTest, TwoThousandComeAndGoUnderLoad) {
  setClusters({cluster("blue", blue_.port())});
  setListeners({forward("front", "blue")});
  start();
  SteadyLoad load(port("front"), 2);
  Yamls many{cluster("blue", blue_.port())};
  for (int i = 0; i < 2000; ++i) {
    many.push_back(cluster("c" + std::to_string(i), 1));
  }
  setClusters(many);
  proxy().waitForStat("cluster_manager.active_clusters", 2002);
  setClusters({cluster("blue", blue_.port())});
  proxy().waitForStat("cluster_manager.active_clusters", 2);
  load.stop();
  EXPECT_EQ(load.failed(), 0u);
}

}  // namespace
}  // namespace sluice::integration
