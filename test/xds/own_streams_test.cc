#include "source/xds/own_streams.h"

#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

#include "source/config/loader.h"
#include "test/xds/mux_fixture.h"

namespace sluice::xds {
namespace {

using envoy::config::core::v3::ApiConfigSource;
using envoy::config::endpoint::v3::ClusterLoadAssignment;
using std::chrono::milliseconds;
using test::assignment;
using test::cluster;
using test::RecordingWatcher;
using test::response;

ApiConfigSource sourceOf(const std::string& cluster, const std::string& type = "GRPC") {
  ApiConfigSource source;
  config::Violations violations;
  EXPECT_TRUE(config::parseYaml(absl::StrCat("{api_type: ", type,
                                             ", transport_api_version: V3, grpc_services: "
                                             "[{envoy_grpc: {cluster_name: ",
                                             cluster, "}}]}"),
                                source, {}, nullptr, violations))
      << violations.toString();
  return source;
}

class OwnStreamsTest : public test::DecodingTest {
 protected:
  OwnStreamsTest() {
    envoy::config::core::v3::Node node;
    node.set_id("me");
    own_ = std::make_unique<OwnStreams>(
        main_, *store_.root(), decoder_, random_, node,
        [this](const auto& service, const auto& method) -> absl::StatusOr<std::unique_ptr<Transport>> {
          if (service.envoy_grpc().cluster_name() == "nowhere") {
            return absl::InvalidArgumentError("static_resources has no cluster 'nowhere'");
          }
          methods_.push_back(method);
          wires_.push_back(std::make_unique<test::FakeWire>());
          return wires_.back()->transport();
        });
  }

  std::unique_ptr<Subscription> endpoints(const ApiConfigSource& source, const std::string& name,
                                          RecordingWatcher& watcher) {
    auto made =
        own_->subscribe(source, kEndpointType, {name}, absl::StrCat("cluster.", name, "."), milliseconds(0), watcher);
    EXPECT_TRUE(made.ok()) << made.status();
    return *std::move(made);
  }

  std::vector<std::string> methods_;
  std::vector<std::unique_ptr<test::FakeWire>> wires_;
  std::unique_ptr<OwnStreams> own_;
};

TEST_F(OwnStreamsTest, SubscriptionsOfOneTypeAndSourceShareAStream) {
  RecordingWatcher a, b;
  auto first = endpoints(sourceOf("xds"), "a", a);
  auto second = endpoints(sourceOf("xds"), "b", b);
  settle();
  ASSERT_EQ(wires_.size(), 1u);
  EXPECT_EQ(methods_[0], "/envoy.service.endpoint.v3.EndpointDiscoveryService/StreamEndpoints");
  const auto requests = wires_[0]->takeRequests();
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(requests[0].resource_names_size(), 2);
  EXPECT_EQ(requests[0].node().id(), "me");
  wires_[0]->receive(response<ClusterLoadAssignment>("v1", "n1", {assignment("a"), assignment("b")}));
  settle();
  EXPECT_EQ(a.lastNames(), std::vector<std::string>{"a"});
  EXPECT_EQ(b.lastNames(), std::vector<std::string>{"b"});
}

TEST_F(OwnStreamsTest, OtherTypesAndOtherSourcesHaveTheirOwn) {
  RecordingWatcher watcher;
  auto first = endpoints(sourceOf("xds"), "a", watcher);
  auto second = endpoints(sourceOf("other"), "a", watcher);
  auto third = endpoints(sourceOf("xds", "DELTA_GRPC"), "a", watcher);
  auto fourth = own_->subscribe(sourceOf("xds"), kClusterType, {}, "cluster_manager.cds.", milliseconds(0), watcher);
  ASSERT_EQ(wires_.size(), 4u);
  EXPECT_EQ(methods_[2], "/envoy.service.endpoint.v3.EndpointDiscoveryService/DeltaEndpoints");
  EXPECT_EQ(methods_[3], "/envoy.service.cluster.v3.ClusterDiscoveryService/StreamClusters");
  settle();
  wires_[3]->connect();
  EXPECT_EQ(store_.gaugeValue("cluster_manager.cds.control_plane.connected_state"), 1u);
  EXPECT_EQ(store_.gaugeValue("cluster.a.control_plane.connected_state"), 0u);
}

TEST_F(OwnStreamsTest, TheStreamGoesWithItsLastSubscription) {
  RecordingWatcher a, b;
  auto first = endpoints(sourceOf("xds"), "a", a);
  auto second = endpoints(sourceOf("xds"), "b", b);
  settle();
  first.reset();
  settle();
  EXPECT_TRUE(wires_[0]->isOpen());
  second.reset();
  settle();
  EXPECT_FALSE(wires_[0]->isOpen());
  second = endpoints(sourceOf("xds"), "b", b);
  EXPECT_EQ(wires_.size(), 2u);
}

TEST_F(OwnStreamsTest, TheLastSubscriptionMayGoInItsOwnCallback) {
  class Leaver : public RecordingWatcher {
   public:
    void onUpdate(Update update, UpdateDone done) override {
      RecordingWatcher::onUpdate(std::move(update), std::move(done));
      subscription.reset();
    }
    std::unique_ptr<Subscription> subscription;
  } leaver;
  leaver.subscription = endpoints(sourceOf("xds"), "a", leaver);
  settle();
  wires_[0]->receive(response<ClusterLoadAssignment>("v1", "n1", {assignment("a")}));
  settle();
  EXPECT_EQ(leaver.updates.size(), 1u);
  EXPECT_FALSE(wires_[0]->isOpen());
}

TEST_F(OwnStreamsTest, PausesHoldForStreamsThatComeMeanwhile) {
  RecordingWatcher a, b;
  auto first = endpoints(sourceOf("xds"), "a", a);
  settle();
  wires_[0]->takeRequests();
  auto pause = own_->pause(kEndpointType);
  auto again = own_->pause(kEndpointType);
  auto second = endpoints(sourceOf("xds"), "b", b);
  auto third = endpoints(sourceOf("other"), "c", b);
  settle();
  EXPECT_TRUE(wires_[0]->takeRequests().empty());
  EXPECT_TRUE(wires_[1]->takeRequests().empty());
  pause.reset();
  settle();
  EXPECT_TRUE(wires_[1]->takeRequests().empty());
  again.reset();
  settle();
  EXPECT_EQ(wires_[0]->takeRequests().size(), 1u);
  EXPECT_EQ(wires_[1]->takeRequests().size(), 1u);
}

TEST_F(OwnStreamsTest, SaysWhatIsWrongWithTheSource) {
  RecordingWatcher watcher;
  const auto refusal = [&](const ApiConfigSource& source, absl::string_view type) {
    return std::string(own_->subscribe(source, type, {"x"}, "x.", milliseconds(0), watcher).status().message());
  };
  EXPECT_EQ(refusal(sourceOf("nowhere"), kEndpointType),
            "grpc_services[0].envoy_grpc.cluster_name: static_resources has no cluster 'nowhere'");
  EXPECT_EQ(refusal(sourceOf("xds", "REST"), kEndpointType).find("api_type: REST"), 0u);
  EXPECT_EQ(refusal(sourceOf("xds", "AGGREGATED_GRPC"), kEndpointType).find("api_type: AGGREGATED_GRPC"), 0u);
  EXPECT_EQ(refusal(sourceOf("xds"), "type.googleapis.com/envoy.service.runtime.v3.Runtime").find("api_type: "), 0u);
  EXPECT_TRUE(wires_.empty());
}

TEST_F(OwnStreamsTest, SubscriptionsAndPausesMayOutliveTheirOwner) {
  RecordingWatcher watcher;
  auto subscription = endpoints(sourceOf("xds"), "a", watcher);
  auto pause = own_->pause(kEndpointType);
  settle();
  own_.reset();
  EXPECT_FALSE(wires_[0]->isOpen());
  subscription->setNames({"b"});
  subscription.reset();
  pause.reset();
}

}  // namespace
}  // namespace sluice::xds
