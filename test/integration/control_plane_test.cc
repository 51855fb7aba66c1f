// A control plane that is away, slow, breaks, restarts, repeats itself, or sends what it should not.

#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/service/discovery/v3/discovery.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "test/integration/harness/mesh.h"

namespace sluice::integration {
namespace {

using control_plane_mock::Request;
using envoy::service::discovery::v3::DiscoveryResponse;
using std::chrono::milliseconds;
using ::testing::HasSubstr;

class ControlPlaneTest : public MeshTest {
 protected:
  EchoServer blue_{"blue"};
  EchoServer green_{"green"};
  void serve() {
    setClusters({cluster("blue", blue_.port()), cluster("green", green_.port())});
    setListeners({forward("front", "blue")});
  }
  DiscoveryResponse response(absl::string_view type, const std::string& version, const Yamls& yamls) {
    DiscoveryResponse made;
    made.set_type_url(std::string(type));
    made.set_version_info(version);
    for (const auto& any : resources(yamls)) {
      *made.add_resources() = any;
    }
    return made;
  }
};

TEST_F(ControlPlaneTest, AwayAtTheStartIsWaitedForNoLongerThanTheTimeout) {
  controlPlane().stop();
  launch({}, "", ", initial_fetch_timeout: 0.2s");
  ASSERT_TRUE(proxy().waitReady());
  EXPECT_EQ(proxy().stat("control_plane.connected_state"), 0);
  EXPECT_EQ(proxy().stat("cluster_manager.cds.init_fetch_timeout"), 1);
  EXPECT_EQ(proxy().stat("listener_manager.lds.init_fetch_timeout"), 1);
  EXPECT_THAT(proxy().output(), HasSubstr("control_plane"));
}

TEST_F(ControlPlaneTest, AwayAtTheStartAndThenThere) {
  controlPlane().stop();
  launch({}, "", ", initial_fetch_timeout: 0s");
  proxy().waitForStatAtLeast("cluster_manager.cds.update_attempt", 2);
  EXPECT_EQ(proxy().get("/ready").status, 503);
  ASSERT_TRUE(controlPlane().restart().ok());
  controlPlane().setResources(xds::kClusterType, resources({cluster("blue", blue_.port())}));
  controlPlane().setResources(xds::kListenerType, resources({forward("front", "blue")}));
  ASSERT_TRUE(proxy().waitReady());
  EXPECT_EQ(greetingOf(port("front")), "blue");
  EXPECT_EQ(proxy().stat("control_plane.connected_state"), 1);
}

TEST_F(ControlPlaneTest, Slow) {
  serve();
  controlPlane().setDelay(milliseconds(300));
  start();
  EXPECT_EQ(greetingOf(port("front")), "blue");
  SteadyLoad load(port("front"), 2);
  setListeners({forward("front", "green")});
  EXPECT_TRUE(waitGreeting(port("front"), "green"));
  load.stop();
  EXPECT_EQ(load.failed(), 0u);
}

TEST_F(ControlPlaneTest, SaysWhoAsksAndWhatIsSupported) {
  serve();
  start();
  const auto first = controlPlane().waitForRequest([](const Request&) { return true; });
  ASSERT_TRUE(first.has_value() && first->node.has_value());
  EXPECT_EQ(first->node->id(), "test-node");
  EXPECT_EQ(first->node->cluster(), "test-cluster");
  EXPECT_EQ(first->type_url, xds::kClusterType);
  EXPECT_EQ(first->version, "");
  EXPECT_TRUE(first->names.empty());
}

TEST_F(ControlPlaneTest, ClustersComeBeforeListeners) {
  controlPlane().setResources(xds::kListenerType, resources({forward("front", "web")}));
  controlPlane().setResources(xds::kClusterType, resources({edsCluster("web")}));
  launch();
  ASSERT_TRUE(controlPlane().expectRequest(xds::kEndpointType).has_value());
  for (const Request& request : controlPlane().requests()) {
    EXPECT_NE(request.type_url, xds::kListenerType);
  }
  setEndpoints({assignment("web", {endpoint(blue_.port())})});
  ASSERT_TRUE(proxy().waitReady());
  EXPECT_EQ(greetingOf(port("front")), "blue");
}

TEST_F(ControlPlaneTest, BreaksItsStream) {
  serve();
  start();
  Client held = Client::connect(port("front"));
  SteadyLoad load(port("front"), 2);
  controlPlane().breakStreams();
  ASSERT_TRUE(controlPlane().waitForStreams(2));
  // It is told what is already there.
  EXPECT_TRUE(controlPlane().waitForRequest([](const Request& request) {
    return request.stream == 2 && request.type_url == xds::kListenerType && request.version == "1" &&
           request.nonce.empty();
  }));
  updateListeners({forward("front", "green")});
  EXPECT_TRUE(waitGreeting(port("front"), "green"));
  load.stop();
  EXPECT_EQ(load.failed(), 0u);
  EXPECT_TRUE(held.echo("untouched"));
}

TEST_F(ControlPlaneTest, RestartsWithTrafficUntouched) {
  serve();
  start();
  Client held = Client::connect(port("front"));
  SteadyLoad load(port("front"), 2);
  controlPlane().stop();
  proxy().waitForStat("control_plane.connected_state", 0);
  proxy().waitForStatAtLeast("listener_manager.lds.update_failure", 1);
  EXPECT_EQ(greetingOf(port("front")), "blue");
  ASSERT_TRUE(controlPlane().restart().ok());
  proxy().waitForStat("control_plane.connected_state", 1);
  updateListeners({forward("front", "green")});
  EXPECT_TRUE(waitGreeting(port("front"), "green"));
  load.stop();
  EXPECT_EQ(load.failed(), 0u);
  EXPECT_TRUE(held.echo("untouched"));
}

TEST_F(ControlPlaneTest, RefusesStreamsForAWhile) {
  serve();
  start();
  controlPlane().refuseStreams(grpc::Status(grpc::StatusCode::PERMISSION_DENIED, "go away"));
  controlPlane().breakStreams();
  ASSERT_TRUE(controlPlane().waitForStreams(3));
  EXPECT_EQ(greetingOf(port("front")), "blue");
  controlPlane().refuseStreams(std::nullopt);
  updateListeners({forward("front", "green")});
  EXPECT_TRUE(waitGreeting(port("front"), "green"));
}

TEST_F(ControlPlaneTest, RepeatsItself) {
  serve();
  start();
  Client held = Client::connect(port("front"));
  for (int i = 0; i < 5; ++i) {
    controlPlane().send(response(xds::kListenerType, "again" + std::to_string(i), {forward("front", "blue")}));
  }
  EXPECT_TRUE(controlPlane().waitForAck(xds::kListenerType, "again4"));
  EXPECT_TRUE(held.echo("untouched"));
  EXPECT_EQ(proxy().stat("listener_manager.listener_modified"), 0);
  EXPECT_EQ(proxy().stat("listener_manager.lds.update_rejected"), 0);
}

TEST_F(ControlPlaneTest, SendsTypesInAnyOrder) {
  setClusters({});
  setListeners({});
  start();
  // The listener first, its cluster after it, the endpoints in the middle.
  controlPlane().send(response(xds::kListenerType, "l2", {forward("front", "web")}));
  controlPlane().send(response(xds::kEndpointType, "e1", {assignment("web", {endpoint(blue_.port())})}));
  controlPlane().send(response(xds::kClusterType, "c2", {edsCluster("web")}));
  EXPECT_TRUE(controlPlane().waitForAck(xds::kListenerType, "l2"));
  EXPECT_TRUE(controlPlane().waitForAck(xds::kClusterType, "c2"));
  controlPlane().send(response(xds::kEndpointType, "e2", {assignment("web", {endpoint(blue_.port())})}));
  EXPECT_TRUE(waitGreeting(port("front"), "blue"));
}

TEST_F(ControlPlaneTest, SendsATypeThatNobodyAskedFor) {
  serve();
  start();
  controlPlane().send(response("type.googleapis.com/envoy.config.route.v3.RouteConfiguration", "r1", {}));
  controlPlane().send(response("type.googleapis.com/no.such.Type", "x1", {}));
  updateListeners({forward("front", "green")});
  EXPECT_TRUE(waitGreeting(port("front"), "green"));
}

TEST_F(ControlPlaneTest, SendsAnotherTypesResources) {
  serve();
  start();
  controlPlane().send(response(xds::kClusterType, "wrong", {forward("front", "green")}));
  const auto nack = controlPlane().waitForNack(xds::kClusterType, "wrong");
  EXPECT_THAT(nack.value_or(""), HasSubstr("envoy.config.listener.v3.Listener"));
  EXPECT_EQ(greetingOf(port("front")), "blue");
}

TEST_F(ControlPlaneTest, SendsHalfAMessage) {
  serve();
  start();
  Client held = Client::connect(port("front"));
  std::string bytes = response(xds::kListenerType, "half", {forward("front", "green")}).SerializeAsString();
  bytes.resize(bytes.size() / 2);
  controlPlane().sendBytes(bytes);
  // It can't be answered, so the stream is begun anew or goes on: the next update is taken either way.
  updateListeners({forward("front", "green")});
  EXPECT_TRUE(waitGreeting(port("front"), "green"));
  EXPECT_TRUE(held.echo("untouched"));
}

TEST_F(ControlPlaneTest, SendsGarbage) {
  serve();
  start();
  for (const char* bytes : {"\xff\xff\xff\xff", "plain text", "\n\x80"}) {
    controlPlane().sendBytes(bytes);
  }
  updateListeners({forward("front", "green")});
  EXPECT_TRUE(waitGreeting(port("front"), "green"));
}

TEST_F(ControlPlaneTest, SendsTenMegabytes) {
  serve();
  start();
  SteadyLoad load(port("front"), 2);
  std::vector<google::protobuf::Any> all = resources({cluster("blue", blue_.port()), cluster("green", green_.port())});
  for (int i = 0; i < 10; ++i) {
    envoy::config::cluster::v3::Cluster big;
    resource(cluster("big" + std::to_string(i), 1)).UnpackTo(&big);
    auto& metadata = (*big.mutable_metadata()->mutable_filter_metadata())["a"];
    (*metadata.mutable_fields())["b"].set_string_value(std::string(1024 * 1024, 'x'));
    all.emplace_back().PackFrom(big);
  }
  EXPECT_TRUE(controlPlane().waitForAck(xds::kClusterType, controlPlane().setResources(xds::kClusterType, all)));
  proxy().waitForStat("cluster_manager.active_clusters", 13);
  load.stop();
  EXPECT_EQ(load.failed(), 0u);
}

TEST_F(ControlPlaneTest, AnswersEachResponseWithItsNonce) {
  serve();
  start();
  const std::string first = controlPlane().send(response(xds::kListenerType, "a", {forward("front", "blue")}));
  const std::string second = controlPlane().send(response(xds::kListenerType, "b", {forward("front", "green")}));
  EXPECT_TRUE(controlPlane().waitForRequest([&](const Request& request) { return request.nonce == second; }));
  size_t firsts = 0;
  for (const Request& request : controlPlane().requests()) {
    firsts += request.nonce == first ? 1 : 0;
  }
  EXPECT_LE(firsts, 1u);
  EXPECT_TRUE(waitGreeting(port("front"), "green"));
}

TEST_F(ControlPlaneTest, ANackKeepsTheLastGoodVersion) {
  serve();
  start();
  const std::string bad = refusedListeners(resources({listener("front", {})}));
  EXPECT_NE(bad, "");
  const auto nack = controlPlane().waitForRequest([](const Request& request) { return request.isNack(); });
  ASSERT_TRUE(nack.has_value());
  EXPECT_EQ(nack->version, "1");
  EXPECT_EQ(nack->answered_version, "2");
}

TEST_F(ControlPlaneTest, OverAUnixSocket) {
  TempFolder folder;
  const std::string path = folder.path() + "/xds";
  auto server = control_plane_mock::Server::start("unix:" + path);
  ASSERT_TRUE(server.ok()) << server.status();
  (*server)->setResources(xds::kClusterType, resources({cluster("blue", blue_.port())}));
  (*server)->setResources(xds::kListenerType, resources({forward("front", "blue")}));
  std::string bootstrap = controlPlaneBootstrap(1);
  const std::string tcp = "{socket_address: {address: \"127.0.0.1\", port_value: 1}}";
  bootstrap.replace(bootstrap.find(tcp), tcp.size(), "{pipe: {path: \"" + path + "\"}}");
  Proxy proxy(bootstrap);
  ASSERT_TRUE(proxy.waitReady());
  EXPECT_EQ(greetingOf(proxy.listenerPort("front").value_or(0)), "blue");
}

}  // namespace
}  // namespace sluice::integration
