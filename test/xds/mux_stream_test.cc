// What the mux makes of its stream: what it says on a new one, what it does when there is none or no sense in it.

#include "test/xds/mux_fixture.h"

namespace sluice::xds {
namespace {

using envoy::config::cluster::v3::Cluster;
using envoy::config::endpoint::v3::ClusterLoadAssignment;
using envoy::service::discovery::v3::DiscoveryResponse;
using std::chrono::milliseconds;
using test::assignment;
using test::cluster;
using test::MuxTest;
using test::Names;
using test::names;
using test::RecordingWatcher;

TEST_F(MuxTest, SendsTheNodeEachTimeUnlessToldOtherwise) {
  make(false);
  RecordingWatcher watcher;
  auto subscription = clusters(watcher);
  settledRequests();
  const Requests requests = answerTo<Cluster>("v1", "n1", {});
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(requests[0].node().id(), "me");
}

TEST_F(MuxTest, NoAnswerInTimeIsAFailureAndALateAnswerCountsStill) {
  RecordingWatcher watcher;
  auto subscription = endpoints("a", watcher, milliseconds(15000));
  settledRequests();
  main_.advance(milliseconds(14999));
  EXPECT_TRUE(watcher.failures.empty());
  main_.advance(milliseconds(1));
  EXPECT_EQ(watcher.failures, (std::vector<FetchFailure>{FetchFailure::Timeout}));
  EXPECT_EQ(counter("cluster.a.init_fetch_timeout"), 1u);
  answerTo<ClusterLoadAssignment>("v1", "n1", {assignment("a")});
  EXPECT_EQ(watcher.updates.size(), 1u);
  main_.advance(std::chrono::hours(1));
  EXPECT_EQ(watcher.failures.size(), 1u);
}

TEST_F(MuxTest, TimeoutOfZeroWaitsForEver) {
  RecordingWatcher watcher;
  auto subscription = clusters(watcher, milliseconds(0));
  main_.advance(std::chrono::hours(24 * 365));
  EXPECT_TRUE(watcher.failures.empty());
}

TEST_F(MuxTest, ReconnectTellsVersionsAndNamesAnew) {
  RecordingWatcher cds, eds;
  auto first = clusters(cds);
  auto second = endpoints("a", eds);
  settledRequests();
  answerTo<Cluster>("c1", "n1", {cluster("a")});
  answerTo<ClusterLoadAssignment>("e1", "n2", {assignment("a")});
  wire_.close();
  EXPECT_EQ(counter("cluster_manager.cds.update_failure"), 1u);
  EXPECT_EQ(counter("cluster.a.update_failure"), 1u);
  // Nobody is told: what is in force stays, and a new stream comes.
  EXPECT_TRUE(cds.failures.empty());
  main_.advance(milliseconds(500));
  ASSERT_TRUE(wire_.isOpen());
  const Requests requests = settledRequests();
  ASSERT_EQ(requests.size(), 2u);
  EXPECT_EQ(requests[0].type_url(), kClusterType);
  EXPECT_EQ(requests[0].version_info(), "c1");
  EXPECT_EQ(requests[0].response_nonce(), "");
  EXPECT_TRUE(requests[0].has_node());
  EXPECT_EQ(requests[1].version_info(), "e1");
  EXPECT_EQ(names(requests[1]), Names{"a"});
  EXPECT_FALSE(requests[1].has_node());
  EXPECT_EQ(cds.updates.size(), 1u);
}

TEST_F(MuxTest, VerdictOfALostStreamIsToldToTheNextAsTheVersionItHas) {
  RecordingWatcher watcher;
  watcher.hold = true;
  auto subscription = clusters(watcher);
  settledRequests();
  answerTo<Cluster>("v1", "n1", {cluster("a")});
  wire_.close();
  main_.advance(milliseconds(500));
  ASSERT_TRUE(wire_.isOpen());
  watcher.release();
  const Requests requests = settledRequests();
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(requests[0].version_info(), "v1");
  EXPECT_EQ(requests[0].response_nonce(), "");
  EXPECT_EQ(mux_->types()[0].version, "v1");
}

TEST_F(MuxTest, UnknownTypeIsRefused) {
  RecordingWatcher watcher;
  auto subscription = clusters(watcher);
  settledRequests();
  DiscoveryResponse strange;
  strange.set_type_url("type.googleapis.com/no.such.Resource");
  strange.set_version_info("1");
  strange.set_nonce("u1");
  wire_.receive(strange);
  const Requests requests = settledRequests();
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(requests[0].type_url(), "type.googleapis.com/no.such.Resource");
  EXPECT_EQ(requests[0].response_nonce(), "u1");
  EXPECT_NE(requests[0].error_detail().message().find("no.such.Resource"), std::string::npos);
  EXPECT_TRUE(wire_.isOpen());
}

TEST_F(MuxTest, TypeThatNobodyAskedForIsIgnored) {
  RecordingWatcher watcher;
  auto subscription = clusters(watcher);
  settledRequests();
  EXPECT_TRUE(answerTo<ClusterLoadAssignment>("x", "n1", {assignment("nobody")}).empty());
  EXPECT_EQ(counter("control_plane.ignored_responses"), 1u);
  EXPECT_EQ(answerTo<Cluster>("v1", "n2", {}).size(), 1u);
}

TEST_F(MuxTest, BytesThatAreNoResponseEndTheStream) {
  RecordingWatcher watcher;
  auto subscription = clusters(watcher);
  answerTo<Cluster>("v1", "n1", {cluster("a")});
  wire_.takeRequests();
  wire_.receiveBytes("\xff\xff\xff");
  settle();
  EXPECT_FALSE(wire_.isOpen());
  main_.advance(milliseconds(500));
  ASSERT_TRUE(wire_.isOpen());
  const Requests requests = settledRequests();
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(requests[0].version_info(), "v1");
  EXPECT_EQ(watcher.updates.size(), 1u);
}

TEST_F(MuxTest, SubscriptionsMayOutliveTheMux) {
  RecordingWatcher watcher;
  auto subscription = endpoints("a", watcher);
  auto pause = mux_->pause(kEndpointType);
  mux_.reset();
  EXPECT_FALSE(wire_.isOpen());
  subscription->setNames({"b"});
  subscription.reset();
  pause.reset();
}

}  // namespace
}  // namespace sluice::xds
