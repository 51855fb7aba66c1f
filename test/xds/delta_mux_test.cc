// The mux speaking delta.

#include "test/xds/mux_fixture.h"

namespace sluice::xds {
namespace {

using envoy::config::cluster::v3::Cluster;
using envoy::config::endpoint::v3::ClusterLoadAssignment;
using envoy::service::discovery::v3::DeltaDiscoveryRequest;
using envoy::service::discovery::v3::DeltaDiscoveryResponse;
using std::chrono::milliseconds;
using std::chrono::seconds;
using test::assignment;
using test::badCluster;
using test::cluster;
using test::delta;
using test::Names;
using test::RecordingWatcher;
using test::refusal;
using test::subscribed;
using test::Versions;
using test::versions;

class DeltaMuxTest : public test::MuxFixture<DeltaDiscoveryRequest> {
 protected:
  void reconnect() {
    wire_.close();
    main_.advance(seconds(40));
    ASSERT_TRUE(wire_.isOpen());
  }
};

TEST_F(DeltaMuxTest, TellsWatchersWhatChangedAndWhatWent) {
  RecordingWatcher watcher;
  auto subscription = clusters(watcher);
  Requests requests = settledRequests();
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(requests[0].node().id(), "me");
  EXPECT_TRUE(subscribed(requests[0]).empty());

  requests = answerTo(delta<Cluster>("v1", "n1", {cluster("a"), cluster("b")}));
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(requests[0].response_nonce(), "n1");
  EXPECT_FALSE(requests[0].has_error_detail());
  EXPECT_FALSE(requests[0].has_node());
  ASSERT_EQ(watcher.updates.size(), 1u);
  EXPECT_EQ(watcher.lastNames(), (Names{"a", "b"}));
  EXPECT_FALSE(watcher.updates[0].full_state);
  EXPECT_EQ(watcher.updates[0].version, "v1");

  answerTo(delta<Cluster>("v2", "n2", {cluster("c")}, {"a", "never-there"}));
  ASSERT_EQ(watcher.updates.size(), 2u);
  EXPECT_EQ(watcher.lastNames(), Names{"c"});
  EXPECT_EQ(watcher.updates[1].removed, (Names{"a", "never-there"}));
  EXPECT_FALSE(watcher.updates[1].full_state);
  const std::vector<ResourceStatus> list = mux_->resources(kClusterType, "", 10);
  ASSERT_EQ(list.size(), 2u);
  EXPECT_EQ(list[0].name, "b");
  EXPECT_EQ(list[0].version, "v1");
  EXPECT_EQ(list[1].name, "c");
  EXPECT_EQ(counter("cluster_manager.cds.update_success"), 2u);
}

TEST_F(DeltaMuxTest, AnEmptyFirstAnswerIsAnUpdate) {
  RecordingWatcher watcher;
  auto subscription = clusters(watcher);
  answerTo(delta<Cluster>("v1", "n1", {}));
  ASSERT_EQ(watcher.updates.size(), 1u);
  EXPECT_TRUE(watcher.updates[0].resources.empty());
  EXPECT_TRUE(watcher.failures.empty());
}

TEST_F(DeltaMuxTest, GoodResourcesAndRemovalsOfARefusedResponseApply) {
  RecordingWatcher watcher;
  auto subscription = clusters(watcher);
  answerTo(delta<Cluster>("v1", "n1", {cluster("old"), cluster("bad")}));
  watcher.refuse.push_back(refusal("mine", "type", "not here"));
  const Requests requests =
      answerTo(delta<Cluster>("v2", "n2", {cluster("new"), badCluster("bad"), cluster("mine")}, {"old"}));
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(requests[0].response_nonce(), "n2");
  const std::string message = requests[0].error_detail().message();
  EXPECT_NE(message.find("Cluster \"bad\": connect_timeout: "), std::string::npos) << message;
  EXPECT_NE(message.find("Cluster \"mine\": type: not here"), std::string::npos) << message;
  EXPECT_EQ(watcher.lastNames(), (Names{"new", "mine"}));
  EXPECT_EQ(watcher.updates.back().removed, Names{"old"});
  EXPECT_EQ(counter("cluster_manager.cds.update_rejected"), 1u);
  // A new stream hears of what is in force.
  reconnect();
  const Requests again = settledRequests();
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(versions(again[0]), (Versions{{"bad", "v1"}, {"new", "v2"}}));
  EXPECT_TRUE(again[0].has_node());
}

TEST_F(DeltaMuxTest, TwoOfOneNameAreRefusedAndNeitherApplies) {
  RecordingWatcher watcher;
  auto subscription = clusters(watcher);
  answerTo(delta<Cluster>("v1", "n1", {cluster("gone")}));
  Requests requests = answerTo(
      delta<Cluster>("v2", "n2", {cluster("dup", 1), cluster("dup", 2), cluster("good"), cluster("gone")}, {"gone"}));
  ASSERT_EQ(requests.size(), 1u);
  const std::string message = requests[0].error_detail().message();
  EXPECT_NE(message.find("\"dup\""), std::string::npos) << message;
  EXPECT_NE(message.find("\"gone\""), std::string::npos) << message;
  EXPECT_EQ(watcher.lastNames(), Names{"good"});
  EXPECT_TRUE(watcher.updates.back().removed.empty());
}

TEST_F(DeltaMuxTest, AResourceThatCallsItselfOtherwiseIsRefused) {
  RecordingWatcher watcher;
  auto subscription = clusters(watcher);
  DeltaDiscoveryResponse response = delta<Cluster>("v1", "n1", {cluster("inside")});
  response.mutable_resources(0)->set_name("outside");
  const Requests requests = answerTo(response);
  ASSERT_FALSE(requests.empty());
  const std::string message = requests.back().error_detail().message();
  EXPECT_NE(message.find("Cluster \"outside\": name: "), std::string::npos) << message;
}

TEST_F(DeltaMuxTest, NamesAreTakenBackWhenNobodyWantsThem) {
  RecordingWatcher a, b;
  auto first = endpoints("a", a);
  auto second = endpoints("b", b);
  Requests requests = settledRequests();
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(subscribed(requests[0]), (Names{"a", "b"}));
  answerTo(delta<ClusterLoadAssignment>("v1", "n1", {assignment("a"), assignment("b")}));
  EXPECT_EQ(a.lastNames(), Names{"a"});
  EXPECT_EQ(b.lastNames(), Names{"b"});
  first.reset();
  requests = settledRequests();
  ASSERT_EQ(requests.size(), 1u);
  ASSERT_EQ(requests[0].resource_names_unsubscribe_size(), 1);
  EXPECT_EQ(requests[0].resource_names_unsubscribe(0), "a");
  EXPECT_EQ(mux_->resources(kEndpointType, "", 10).size(), 1u);
}

TEST_F(DeltaMuxTest, ANameThatWentAndCameMissesNothingThatCameMeanwhile) {
  RecordingWatcher first, second, other;
  auto keeps_asking = endpoints("b", other);
  auto subscription = endpoints("a", first);
  settledRequests();
  auto pause = mux_->pause(kEndpointType);
  subscription.reset();
  EXPECT_TRUE(answerTo(delta<ClusterLoadAssignment>("v1", "n1", {assignment("a")})).empty());
  subscription = endpoints("a", second);
  pause.reset();
  const Requests requests = settledRequests();
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(subscribed(requests[0]), Names{"a"});
  EXPECT_TRUE(second.updates.empty());
  answerTo(delta<ClusterLoadAssignment>("v1", "n2", {assignment("a")}));
  EXPECT_EQ(second.updates.size(), 1u);
}

TEST_F(DeltaMuxTest, ARemovalIsToldToThoseWhoNamedIt) {
  RecordingWatcher a, b;
  auto first = endpoints("a", a);
  auto second = endpoints("b", b);
  settledRequests();
  const Requests requests = answerTo(delta<ClusterLoadAssignment>("", "n1", {assignment("b")}, {"a"}));
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_FALSE(requests[0].has_error_detail());
  ASSERT_EQ(a.updates.size(), 1u);
  EXPECT_TRUE(a.updates[0].resources.empty());
  EXPECT_EQ(a.updates[0].removed, Names{"a"});
  EXPECT_TRUE(b.updates[0].removed.empty());
}

TEST_F(DeltaMuxTest, ReconnectTellsVersionsAndNames) {
  RecordingWatcher cds, a, b;
  auto clusters_subscription = clusters(cds);
  auto first = endpoints("a", a);
  auto second = endpoints("b", b);
  settledRequests();
  answerTo(delta<Cluster>("c1", "n1", {cluster("a"), cluster("b")}));
  answerTo(delta<Cluster>("c2", "n2", {cluster("b", 2)}));
  answerTo(delta<ClusterLoadAssignment>("e1", "n3", {assignment("a")}));
  reconnect();
  const Requests requests = settledRequests();
  ASSERT_EQ(requests.size(), 2u);
  EXPECT_EQ(versions(requests[0]), (Versions{{"a", "c1"}, {"b", "c2"}}));
  EXPECT_TRUE(subscribed(requests[0]).empty());
  EXPECT_EQ(requests[0].response_nonce(), "");
  EXPECT_EQ(versions(requests[1]), (Versions{{"a", "e1"}}));
  EXPECT_EQ(subscribed(requests[1]), (Names{"a", "b"}));
  // What the server answers then is what is missing.
  answerTo(delta<ClusterLoadAssignment>("e2", "n1", {assignment("b")}));
  EXPECT_EQ(a.updates.size(), 1u);
  EXPECT_EQ(b.updates.size(), 1u);
}

TEST_F(DeltaMuxTest, WhatAnEarlierStreamSentIsDroppedOnceTheNewOneWasAsked) {
  RecordingWatcher watcher;
  watcher.hold = true;
  auto subscription = clusters(watcher);
  settledRequests();
  wire_.receive(delta<Cluster>("v1", "n1", {cluster("a")}));
  wire_.receive(delta<Cluster>("v2", "n2", {cluster("b")}));
  settle();
  ASSERT_EQ(watcher.updates.size(), 1u);
  reconnect();
  watcher.release();
  const Requests requests = settledRequests();
  // "a" was applied when the new stream was asked; "b" comes again on it.
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(versions(requests[0]), (Versions{{"a", "v1"}}));
  EXPECT_EQ(watcher.updates.size(), 1u);
}

TEST_F(DeltaMuxTest, ANewSubscriptionToAHeldNameHasItAtOnce) {
  RecordingWatcher first, second;
  auto old = endpoints("a", first);
  settledRequests();
  answerTo(delta<ClusterLoadAssignment>("v1", "n1", {assignment("a")}));
  auto late = endpoints("a", second);
  EXPECT_TRUE(settledRequests().empty());
  ASSERT_EQ(second.updates.size(), 1u);
  EXPECT_EQ(second.updates[0].version, "v1");
}

TEST_F(DeltaMuxTest, PausesHoldNamesAndAnswersBack) {
  RecordingWatcher a, b;
  auto first = endpoints("a", a);
  settledRequests();
  auto pause = mux_->pause(kEndpointType);
  auto second = endpoints("b", b);
  EXPECT_TRUE(answerTo(delta<ClusterLoadAssignment>("v1", "n1", {assignment("a")})).empty());
  EXPECT_EQ(a.updates.size(), 1u);
  pause.reset();
  const Requests requests = settledRequests();
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(requests[0].response_nonce(), "n1");
  EXPECT_EQ(subscribed(requests[0]), Names{"b"});
}

TEST_F(DeltaMuxTest, UnknownTypesAreRefused) {
  RecordingWatcher watcher;
  auto subscription = clusters(watcher);
  settledRequests();
  DeltaDiscoveryResponse strange;
  strange.set_type_url("type.googleapis.com/no.such.Resource");
  strange.set_nonce("u1");
  const Requests requests = answerTo(strange);
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(requests[0].type_url(), "type.googleapis.com/no.such.Resource");
  EXPECT_EQ(requests[0].response_nonce(), "u1");
  EXPECT_NE(requests[0].error_detail().message().find("no.such.Resource"), std::string::npos);
}

TEST_F(DeltaMuxTest, AResourceWithoutABodyIsTheOneThatIsHeldOrAMistake) {
  RecordingWatcher watcher;
  auto subscription = clusters(watcher);
  answerTo(delta<Cluster>("v1", "n1", {cluster("a")}));
  DeltaDiscoveryResponse beat = delta<Cluster>("v1", "n2", {cluster("a")});
  beat.mutable_resources(0)->clear_resource();
  Requests requests = answerTo(beat);
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_FALSE(requests[0].has_error_detail());
  EXPECT_TRUE(watcher.updates.back().resources.empty());
  EXPECT_TRUE(watcher.updates.back().removed.empty());

  beat.set_nonce("n3");
  beat.mutable_resources(0)->set_version("v2");
  requests = answerTo(beat);
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(requests[0].error_detail().message(), "Cluster \"a\": the resource is missing");
}

TEST_F(DeltaMuxTest, AnAliasWithoutABodyIsNotThere) {
  RecordingWatcher a;
  auto subscription = endpoints("a", a);
  settledRequests();
  DeltaDiscoveryResponse response = delta<ClusterLoadAssignment>("v1", "n1", {assignment("a")});
  response.mutable_resources(0)->clear_resource();
  response.mutable_resources(0)->add_aliases("b");
  const Requests requests = answerTo(response);
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_FALSE(requests[0].has_error_detail());
  EXPECT_EQ(a.updates.back().removed, Names{"a"});
}

TEST_F(DeltaMuxTest, AResourceThatIsNotRenewedInItsTimeGoes) {
  RecordingWatcher watcher;
  auto subscription = clusters(watcher);
  DeltaDiscoveryResponse response = delta<Cluster>("v1", "n1", {cluster("a"), cluster("b")});
  response.mutable_resources(0)->mutable_ttl()->set_seconds(10);
  answerTo(response);
  main_.advance(seconds(8));
  // A sign of life.
  DeltaDiscoveryResponse beat = delta<Cluster>("v1", "n2", {cluster("a")});
  beat.mutable_resources(0)->clear_resource();
  beat.mutable_resources(0)->mutable_ttl()->set_seconds(10);
  answerTo(beat);
  const size_t updates = watcher.updates.size();
  main_.advance(seconds(8));
  settle();
  EXPECT_EQ(watcher.updates.size(), updates);
  main_.advance(seconds(3));
  EXPECT_TRUE(settledRequests().empty());
  ASSERT_EQ(watcher.updates.size(), updates + 1);
  EXPECT_EQ(watcher.updates.back().removed, Names{"a"});
  EXPECT_FALSE(watcher.updates.back().full_state);
  EXPECT_EQ(mux_->resources(kClusterType, "", 10).size(), 1u);
}

TEST_F(DeltaMuxTest, AServerThatRepeatsWhatWasRefusedIsAnsweredMoreSlowly) {
  RecordingWatcher watcher;
  auto subscription = clusters(watcher);
  settledRequests();
  EXPECT_EQ(answerTo(delta<Cluster>("", "n1", {badCluster("a")})).size(), 1u);
  EXPECT_TRUE(answerTo(delta<Cluster>("", "n2", {badCluster("a")})).empty());
  main_.advance(milliseconds(50));
  EXPECT_EQ(takeRequests().size(), 1u);
}

TEST_F(DeltaMuxTest, BytesThatAreNoResponseEndTheStream) {
  RecordingWatcher watcher;
  auto subscription = clusters(watcher);
  answerTo(delta<Cluster>("v1", "n1", {cluster("a")}));
  wire_.receiveBytes("\xff\xff\xff");
  settle();
  EXPECT_FALSE(wire_.isOpen());
  main_.advance(seconds(1));
  const Requests requests = settledRequests();
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(versions(requests[0]), (Versions{{"a", "v1"}}));
}

}  // namespace
}  // namespace sluice::xds
