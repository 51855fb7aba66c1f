// Configuration that comes as changes (delta), and over streams that are not ADS.

#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "envoy/service/discovery/v3/discovery.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "test/integration/harness/http.h"

namespace sluice::integration {
namespace {

using control_plane_mock::Request;
using envoy::service::discovery::v3::DeltaDiscoveryResponse;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

constexpr char kDeltaAds[] = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";

class DeltaXdsTest : public MeshTest {
 protected:
  DeltaXdsTest() { speakDelta(); }

  std::optional<Request> request(std::function<bool(const Request&)> matches) {
    return controlPlane().waitForRequest(std::move(matches));
  }

  EchoServer blue_{"blue"};
  EchoServer green_{"green"};
};

TEST_F(DeltaXdsTest, AddsChangesAndRemovesWithTrafficUntouched) {
  setClusters({edsCluster("web"), cluster("green", green_.port())});
  setEndpoints({assignment("web", {endpoint(blue_.port())})});
  setListeners({forward("front", "web"), forward("other", "green")});
  start();
  Client held = Client::connect(port("front"));
  SteadyLoad load(port("front"), 2);
  EXPECT_EQ(greetingOf(port("other")), "green");
  for (const Request& one : controlPlane().requests()) {
    EXPECT_EQ(one.method, kDeltaAds);
    EXPECT_EQ(one.node.has_value(), true);
  }

  // One listener is added, another changes its target, and nothing is said of the first.
  updateListeners({forward("front", "web"), forward("other", "web"), forward("third", "green")}, 2);
  EXPECT_TRUE(waitGreeting(port("other"), "blue"));
  EXPECT_EQ(greetingOf(port("third")), "green");
  EXPECT_EQ(proxy().stat("listener_manager.listener_modified"), 1);

  const uint16_t third = port("third");
  setListeners({forward("front", "web"), forward("other", "web")});
  EXPECT_TRUE(proxy().waitForStat("listener_manager.listener_removed", 1));
  EXPECT_TRUE(eventually([&] { return greetingOf(third).empty(); }));
  setClusters({edsCluster("web")});
  EXPECT_TRUE(proxy().waitForStat("cluster_manager.cluster_removed", 1));
  setEndpoints({assignment("web", {endpoint(green_.port())})});
  EXPECT_TRUE(waitGreeting(port("other"), "green"));

  EXPECT_TRUE(held.echo("untouched"));
  load.stop();
  EXPECT_EQ(load.failed(), 0u);
}

TEST_F(DeltaXdsTest, EndpointsOfAClusterThatGoesAreNotAskedForAnyMore) {
  setClusters({edsCluster("a"), edsCluster("b")});
  setEndpoints({assignment("a", {endpoint(blue_.port())}), assignment("b", {endpoint(green_.port())})});
  setListeners({forward("front", "b")});
  start();
  setClusters({edsCluster("b")});
  const auto gone = request([](const Request& one) { return !one.unsubscribed.empty(); });
  ASSERT_TRUE(gone.has_value());
  EXPECT_EQ(gone->type_url, xds::kEndpointType);
  EXPECT_THAT(gone->unsubscribed, ElementsAre("a"));
  EXPECT_EQ(greetingOf(port("front")), "green");
}

TEST_F(DeltaXdsTest, WhatIsWrongIsRefusedAndTheRestApplies) {
  setClusters({cluster("blue", blue_.port()), cluster("green", green_.port())});
  setListeners({forward("front", "blue")});
  start();
  auto both = resources({forward("front", "green")});
  both.push_back(listenerOfUnknownFilter("broken"));
  EXPECT_THAT(refusedListeners(both), HasSubstr("Listener \"broken\": filter_chains[0].filters[0]"));
  EXPECT_TRUE(waitGreeting(port("front"), "green"));
  EXPECT_EQ(proxy().stat("listener_manager.lds.update_rejected"), 1);
  // Taking away what was never there changes nothing.
  DeltaDiscoveryResponse removal;
  removal.set_type_url(std::string(xds::kClusterType));
  removal.set_system_version_info("removal");
  removal.add_removed_resources("nobody");
  controlPlane().send(removal);
  EXPECT_TRUE(controlPlane().waitForAck(xds::kClusterType, "removal"));
  EXPECT_EQ(proxy().stat("cluster_manager.cluster_removed"), 0);
  EXPECT_EQ(greetingOf(port("front")), "green");
}

TEST_F(DeltaXdsTest, ANewStreamHearsWhatIsThereAndBringsWhatIsMissing) {
  setClusters({edsCluster("web"), cluster("gone", green_.port())});
  setEndpoints({assignment("web", {endpoint(blue_.port())})});
  setListeners({forward("front", "web")});
  start();
  Client held = Client::connect(port("front"));
  SteadyLoad load(port("front"), 2);
  controlPlane().stop();
  proxy().waitForStat("control_plane.connected_state", 0);
  const size_t streams = controlPlane().streamsOpened();
  // Meanwhile the world has changed.
  controlPlane().setResources(xds::kClusterType, resources({edsCluster("web"), cluster("new", green_.port())}));
  controlPlane().setResources(xds::kEndpointType, resources({assignment("web", {endpoint(green_.port())})}));
  ASSERT_TRUE(controlPlane().restart().ok());
  const auto clusters =
      request([&](const Request& one) { return one.stream > streams && one.type_url == xds::kClusterType; });
  ASSERT_TRUE(clusters.has_value());
  EXPECT_EQ(clusters->initial_versions.size(), 2u);
  EXPECT_THAT(clusters->initial_versions, Contains(Pair("web", "1")));
  EXPECT_TRUE(clusters->names.empty());
  EXPECT_EQ(clusters->nonce, "");
  ASSERT_TRUE(clusters->node.has_value());
  EXPECT_EQ(clusters->node->id(), "test-node");
  const auto endpoints =
      request([&](const Request& one) { return one.stream > streams && one.type_url == xds::kEndpointType; });
  ASSERT_TRUE(endpoints.has_value());
  EXPECT_THAT(endpoints->names, ElementsAre("web"));
  EXPECT_THAT(endpoints->initial_versions, ElementsAre(Pair("web", "1")));

  EXPECT_TRUE(waitGreeting(port("front"), "green"));
  EXPECT_TRUE(proxy().waitForStat("cluster_manager.cluster_removed", 1));
  EXPECT_TRUE(proxy().waitForStat("cluster_manager.cluster_added", 4));
  EXPECT_EQ(proxy().stat("cluster_manager.cluster_modified"), 0);
  EXPECT_TRUE(held.echo("untouched"));
  load.stop();
  EXPECT_EQ(load.failed(), 0u);
}

TEST_F(DeltaXdsTest, AListenerWarmsUntilItsRoutesComeAsAChange) {
  HttpServer a("a"), b("b");
  setClusters({cluster("a", a.port()), cluster("b", b.port())});
  setListeners({httpListener("front", httpConnectionManager(rdsOverAds("r", "initial_fetch_timeout: 0s")))});
  launch();
  ASSERT_TRUE(eventually([&] { return proxy().stat("listener_manager.total_listeners_warming").value_or(0) == 1; }));
  const auto push = [this](const std::string& cluster) {
    controlPlane().setResources(xds::kRouteType,
                                resources({routeConfiguration("r", {virtualHost("all", {"*"}, {routeTo(cluster)})})}));
  };
  push("a");
  ASSERT_TRUE(proxy().waitReady());
  EXPECT_EQ(httpGet(port("front"), "/").body, "a");
  push("b");
  EXPECT_TRUE(eventually([&] { return httpGet(port("front"), "/").body == "b"; }));
  // Routes are never taken back.
  controlPlane().setResources(xds::kRouteType, {});
  EXPECT_TRUE(proxy().waitForStat("http.h.rds.r.update_empty", 1));
  EXPECT_EQ(httpGet(port("front"), "/").body, "b");
}

/** Whichever variant ADS speaks, other streams speak their own. */
class OwnStreamTest : public DeltaXdsTest, public ::testing::WithParamInterface<std::string> {
 protected:
  std::string source() { return ownStream(GetParam()); }
  std::string method(const std::string& service, const std::string& things) {
    return absl::StrCat("/envoy.service.", service, "DiscoveryService/",
                        GetParam() == "DELTA_GRPC" ? "Delta" : "Stream", things);
  }
};

TEST_P(OwnStreamTest, EndpointsOfAllClustersShareOne) {
  const auto eds = [&](const std::string& name) {
    return absl::StrReplaceAll(edsCluster(name), {{"ads: {}", source()}});
  };
  setClusters({eds("a"), eds("b"), edsCluster("c")});
  setEndpoints({assignment("a", {endpoint(blue_.port())}), assignment("b", {endpoint(green_.port())}),
                assignment("c", {endpoint(green_.port())})});
  setListeners({forward("front", "a"), forward("other", "b"), forward("third", "c")});
  start();
  EXPECT_EQ(greetingOf(port("front")), "blue");
  EXPECT_EQ(greetingOf(port("other")), "green");
  EXPECT_EQ(greetingOf(port("third")), "green");
  EXPECT_EQ(controlPlane().openStreams(), 2u);
  const auto first = request([](const Request& one) { return one.method != kDeltaAds; });
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->method, method("endpoint.v3.Endpoint", "Endpoints"));
  EXPECT_THAT(first->names, ElementsAre("a", "b"));
  EXPECT_EQ(first->node->id(), "test-node");
  EXPECT_EQ(proxy().stat("cluster.a.control_plane.connected_state"), 1);

  SteadyLoad load(port("front"), 2);
  controlPlane().breakStreams();
  ASSERT_TRUE(controlPlane().waitForStreams(4));
  controlPlane().setResources(xds::kEndpointType, resources({assignment("a", {endpoint(green_.port())}),
                                                             assignment("b", {endpoint(green_.port())}),
                                                             assignment("c", {endpoint(green_.port())})}));
  EXPECT_TRUE(waitGreeting(port("front"), "green"));
  load.stop();
  EXPECT_EQ(load.failed(), 0u);
  // The last of them takes the stream along.
  setClusters({edsCluster("c")});
  EXPECT_TRUE(eventually([&] { return controlPlane().openStreams() == 1; }));
  EXPECT_EQ(greetingOf(port("third")), "green");
}

TEST_P(OwnStreamTest, Routes) {
  HttpServer a("a"), b("b");
  const auto push = [this](const std::string& cluster) {
    controlPlane().setResources(xds::kRouteType,
                                resources({routeConfiguration("r", {virtualHost("all", {"*"}, {routeTo(cluster)})})}));
  };
  setClusters({cluster("a", a.port()), cluster("b", b.port())});
  push("a");
  setListeners(
      {httpListener("front", httpConnectionManager(absl::StrReplaceAll(rdsOverAds("r"), {{"ads: {}", source()}})))});
  start();
  EXPECT_EQ(httpGet(port("front"), "/").body, "a");
  push("b");
  EXPECT_TRUE(eventually([&] { return httpGet(port("front"), "/").body == "b"; }));
  EXPECT_TRUE(request([&](const Request& one) { return one.method == method("route.v3.Route", "Routes"); }));
}

TEST_P(OwnStreamTest, ListenersAndClustersWithoutAds) {
  setClusters({cluster("blue", blue_.port()), cluster("green", green_.port())});
  setListeners({forward("front", "blue")});
  // ADS is in the bootstrap, and nobody asks for it.
  launchBootstrap(absl::StrReplaceAll(controlPlaneBootstrap(controlPlane().port()), {{"ads: {}", source()}}));
  ASSERT_TRUE(proxy().waitReady());
  EXPECT_EQ(greetingOf(port("front")), "blue");
  EXPECT_EQ(controlPlane().openStreams(), 2u);
  updateListeners({forward("front", "green")});
  EXPECT_TRUE(waitGreeting(port("front"), "green"));
  EXPECT_TRUE(request([&](const Request& one) { return one.method == method("cluster.v3.Cluster", "Clusters"); }));
  EXPECT_TRUE(request([&](const Request& one) { return one.method == method("listener.v3.Listener", "Listeners"); }));
  EXPECT_EQ(proxy().stat("cluster_manager.cds.control_plane.connected_state"), 1);
  EXPECT_EQ(proxy().stat("listener_manager.lds.control_plane.connected_state"), 1);
}

TEST_P(OwnStreamTest, AClusterThatIsNotThereIsSaidToBeMissing) {
  setClusters({cluster("blue", blue_.port())});
  setListeners({forward("front", "blue")});
  start();
  const std::string elsewhere =
      absl::StrReplaceAll(edsCluster("web"), {{"ads: {}", absl::StrReplaceAll(source(), {{"control_plane", "nope"}})}});
  EXPECT_THAT(refusedClusters(resources({elsewhere})),
              HasSubstr("api_config_source.grpc_services[0].envoy_grpc.cluster_name: static_resources has no cluster "
                        "'nope'"));
}

INSTANTIATE_TEST_SUITE_P(Variants, OwnStreamTest, ::testing::Values("GRPC", "DELTA_GRPC"));

}  // namespace
}  // namespace sluice::integration
