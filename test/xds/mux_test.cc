// The responses of one type through the mux: what applies, and the verdict that is told.

#include "source/xds/mux.h"

#include "test/xds/mux_fixture.h"

namespace sluice::xds {
namespace {

using envoy::config::cluster::v3::Cluster;
using envoy::config::endpoint::v3::ClusterLoadAssignment;
using std::chrono::milliseconds;
using test::assignment;
using test::badCluster;
using test::cluster;
using test::MuxTest;
using test::Names;
using test::names;
using test::RecordingWatcher;
using test::refusal;
using test::response;

TEST_F(MuxTest, AsksOnceAndAcknowledges) {
  RecordingWatcher watcher;
  auto subscription = clusters(watcher);
  Requests requests = settledRequests();
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(requests[0].type_url(), kClusterType);
  EXPECT_EQ(requests[0].node().id(), "me");
  EXPECT_TRUE(names(requests[0]).empty());

  requests = answerTo<Cluster>("v1", "n1", {cluster("a"), cluster("b")});
  ASSERT_EQ(watcher.updates.size(), 1u);
  EXPECT_EQ(watcher.lastNames(), (Names{"a", "b"}));
  EXPECT_TRUE(watcher.updates[0].full_state);
  EXPECT_EQ(watcher.updates[0].version, "v1");
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(requests[0].version_info(), "v1");
  EXPECT_EQ(requests[0].response_nonce(), "n1");
  EXPECT_FALSE(requests[0].has_error_detail());
  EXPECT_FALSE(requests[0].has_node());
  EXPECT_EQ(counter("cluster_manager.cds.update_success"), 1u);
  EXPECT_EQ(counter("cluster_manager.cds.update_rejected"), 0u);
  EXPECT_EQ(store_.gaugeValue("cluster_manager.cds.version"), 0x7f99ec72f8645bacu);  // XXH64 of "v1"
  EXPECT_EQ(store_.histogramCount("cluster_manager.cds.update_duration"), 1u);
}

TEST_F(MuxTest, EmptyStateIsAnUpdate) {
  RecordingWatcher watcher;
  auto subscription = clusters(watcher);
  answerTo<Cluster>("v1", "n1", {});
  ASSERT_EQ(watcher.updates.size(), 1u);
  EXPECT_TRUE(watcher.updates[0].full_state);
  EXPECT_TRUE(watcher.updates[0].resources.empty());
}

TEST_F(MuxTest, UndecodableResourceIsRefusedTheOthersApplyAndNothingGoes) {
  RecordingWatcher watcher;
  auto subscription = clusters(watcher);
  answerTo<Cluster>("v1", "n1", {cluster("old")});
  const Requests requests = answerTo<Cluster>("v2", "n2", {cluster("new"), badCluster("bad")});
  ASSERT_EQ(watcher.updates.size(), 2u);
  EXPECT_EQ(watcher.lastNames(), Names{"new"});
  EXPECT_FALSE(watcher.updates[1].full_state);
  EXPECT_EQ(watcher.undecodable, Names{"bad"});
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(requests[0].version_info(), "v1");
  EXPECT_EQ(requests[0].response_nonce(), "n2");
  EXPECT_EQ(requests[0].error_detail().code(), 13);
  EXPECT_NE(requests[0].error_detail().message().find("Cluster \"bad\": connect_timeout: "), std::string::npos);
  EXPECT_EQ(counter("cluster_manager.cds.update_rejected"), 1u);
  EXPECT_EQ(counter("cluster_manager.cds.update_success"), 1u);

  const std::vector<ResourceStatus> list = mux_->resources(kClusterType, "", 10);
  ASSERT_EQ(list.size(), 3u);
  EXPECT_EQ(list[0].name, "bad");
  EXPECT_EQ(list[0].state, ResourceState::Nacked);
  EXPECT_EQ(list[0].failure->version, "v2");
  EXPECT_EQ(list[1].name, "new");
  EXPECT_EQ(list[1].version, "v2");
  EXPECT_EQ(list[2].name, "old");
  EXPECT_EQ(list[2].state, ResourceState::Acked);

  // The next healthy state takes away what it does not have.
  answerTo<Cluster>("v3", "n3", {cluster("new")});
  EXPECT_TRUE(watcher.updates.back().full_state);
  EXPECT_EQ(mux_->resources(kClusterType, "", 10).size(), 1u);
}

TEST_F(MuxTest, WatchersRefusalsAreInTheNackBesideTheDecoders) {
  RecordingWatcher watcher;
  auto subscription = clusters(watcher);
  settledRequests();
  watcher.refuse.push_back(refusal("a", "type", "not here"));
  const Requests requests = answerTo<Cluster>("v1", "n1", {cluster("a"), badCluster("b"), cluster("c")});
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(requests[0].version_info(), "");
  const std::string message = requests[0].error_detail().message();
  EXPECT_NE(message.find("Cluster \"a\": type: not here"), std::string::npos) << message;
  EXPECT_NE(message.find("Cluster \"b\": "), std::string::npos) << message;
  EXPECT_EQ(message.find("\"c\""), std::string::npos) << message;
}

TEST_F(MuxTest, AllUndecodableIsAFetchFailure) {
  RecordingWatcher watcher;
  auto subscription = clusters(watcher, milliseconds(1000));
  answerTo<Cluster>("v1", "n1", {badCluster("a")});
  EXPECT_TRUE(watcher.updates.empty());
  EXPECT_EQ(watcher.failures, (std::vector<FetchFailure>{FetchFailure::Rejected}));
  EXPECT_EQ(counter("cluster_manager.cds.update_rejected"), 1u);
  main_.advance(milliseconds(2000));
  EXPECT_EQ(watcher.failures.size(), 1u);
}

TEST_F(MuxTest, AnswersOnlyAfterTheVerdictAndAppliesOneAfterTheOther) {
  RecordingWatcher watcher;
  watcher.hold = true;
  auto subscription = clusters(watcher);
  settledRequests();
  wire_.receive(response<Cluster>("v1", "n1", {cluster("a")}));
  wire_.receive(response<Cluster>("v2", "n2", {cluster("b")}));
  EXPECT_TRUE(settledRequests().empty());
  EXPECT_EQ(watcher.updates.size(), 1u);
  watcher.release();
  Requests requests = settledRequests();
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(requests[0].response_nonce(), "n1");
  EXPECT_EQ(watcher.updates.size(), 2u);
  watcher.release();
  requests = settledRequests();
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(requests[0].response_nonce(), "n2");
}

TEST_F(MuxTest, WatcherThatForgetsItsVerdictHoldsUpNothing) {
  RecordingWatcher watcher;
  watcher.hold = true;
  auto subscription = clusters(watcher);
  settledRequests();
  answerTo<Cluster>("v1", "n1", {});
  watcher.held.clear();
  const Requests requests = settledRequests();
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(requests[0].version_info(), "v1");
}

TEST_F(MuxTest, SubscriptionThatGoesDuringItsUpdateHoldsUpNothing) {
  RecordingWatcher watcher;
  watcher.hold = true;
  auto subscription = endpoints("a", watcher);
  settledRequests();
  answerTo<ClusterLoadAssignment>("v1", "n1", {assignment("a")});
  ASSERT_EQ(watcher.held.size(), 1u);
  subscription.reset();
  Requests requests = settledRequests();
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(requests[0].response_nonce(), "n1");
  // A verdict that comes after all is nobody's.
  watcher.release();
  EXPECT_TRUE(settledRequests().empty());
}

TEST_F(MuxTest, ManyMistakesAreToldInSlices) {
  /** Takes longer over each mistake than a slice. */
  class SlowWatcher : public RecordingWatcher {
   public:
    explicit SlowWatcher(const int& turns) : turns_(turns) {}
    void onUndecodable(const ResourceError& error, absl::string_view version, bool first) override {
      RecordingWatcher::onUndecodable(error, version, first);
      in_turn.push_back(turns_);
      const auto end = std::chrono::steady_clock::now() + milliseconds(2);
      while (std::chrono::steady_clock::now() < end) {
      }
    }
    std::vector<int> in_turn;

   private:
    const int& turns_;
  };
  int turns = 0;
  SlowWatcher watcher(turns);
  auto subscription = clusters(watcher);
  settledRequests();
  wire_.receive(response<Cluster>("v1", "n1", {badCluster("x"), badCluster("y"), cluster("good"), badCluster("z")}));
  while (watcher.updates.empty()) {
    ++turns;
    main_.runOnce();
    std::this_thread::yield();
  }
  ASSERT_EQ(watcher.in_turn.size(), 3u);
  EXPECT_LT(watcher.in_turn[0], watcher.in_turn[1]);
  EXPECT_LT(watcher.in_turn[1], watcher.in_turn[2]);
  EXPECT_EQ(watcher.undecodable, (Names{"x", "y", "z"}));
  EXPECT_EQ(watcher.responses_with_undecodable, 1);
  EXPECT_EQ(watcher.lastNames(), Names{"good"});
}

TEST_F(MuxTest, RepeatedResponsesAreEachAnswered) {
  RecordingWatcher watcher;
  auto subscription = clusters(watcher);
  settledRequests();
  answerTo<Cluster>("v1", "n1", {cluster("a")});
  const Requests requests = answerTo<Cluster>("v1", "n1", {cluster("a")});
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(requests[0].version_info(), "v1");
  EXPECT_EQ(watcher.updates.size(), 2u);
  EXPECT_TRUE(watcher.updates[0].resources[0].key == watcher.updates[1].resources[0].key);
}

TEST_F(MuxTest, ServerThatRepeatsWhatWasRefusedIsAnsweredMoreAndMoreSlowly) {
  RecordingWatcher watcher;
  auto subscription = clusters(watcher);
  settledRequests();
  EXPECT_EQ(answerTo<Cluster>("v1", "n1", {badCluster("a")}).size(), 1u);
  EXPECT_TRUE(answerTo<Cluster>("v1", "n2", {badCluster("a")}).empty());
  main_.advance(milliseconds(50));
  EXPECT_EQ(wire_.takeRequests().size(), 1u);
  EXPECT_TRUE(answerTo<Cluster>("v1", "n3", {badCluster("a")}).empty());
  main_.advance(milliseconds(99));
  EXPECT_TRUE(wire_.takeRequests().empty());
  main_.advance(milliseconds(1));
  EXPECT_EQ(wire_.takeRequests().size(), 1u);
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(answerTo<Cluster>("v1", "n4", {badCluster("a")}).empty());
    main_.advance(milliseconds(1000));
    EXPECT_EQ(wire_.takeRequests().size(), 1u);
  }
  // Another version is answered at once, whether good or bad.
  EXPECT_EQ(answerTo<Cluster>("v2", "n5", {badCluster("a")}).size(), 1u);
  EXPECT_EQ(answerTo<Cluster>("v3", "n6", {cluster("a")}).size(), 1u);
}

}  // namespace
}  // namespace sluice::xds
