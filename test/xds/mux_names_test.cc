// Who asks the mux for which names, and what reaches whom.

#include "test/xds/mux_fixture.h"

namespace sluice::xds {
namespace {

using envoy::config::cluster::v3::Cluster;
using envoy::config::endpoint::v3::ClusterLoadAssignment;
using std::chrono::milliseconds;
using test::assignment;
using test::cluster;
using test::MuxTest;
using test::Names;
using test::names;
using test::RecordingWatcher;
using test::refusal;

TEST_F(MuxTest, NamesOfOneTurnAreAskedForTogether) {
  RecordingWatcher a, b, c;
  auto first = endpoints("a", a);
  auto second = endpoints("b", b);
  Requests requests = settledRequests();
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(names(requests[0]), (Names{"a", "b"}));
  auto third = endpoints("c", c);
  first.reset();
  requests = settledRequests();
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(names(requests[0]), (Names{"b", "c"}));
}

TEST_F(MuxTest, ResourcesGoToThoseWhoNamedThem) {
  RecordingWatcher a, b;
  auto first = endpoints("a", a);
  auto second = endpoints("b", b);
  settledRequests();
  const Requests requests = answerTo<ClusterLoadAssignment>("v1", "n1", {assignment("a"), assignment("stranger")});
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_FALSE(requests[0].has_error_detail());
  ASSERT_EQ(a.updates.size(), 1u);
  EXPECT_EQ(a.lastNames(), Names{"a"});
  EXPECT_FALSE(a.updates[0].full_state);
  EXPECT_TRUE(b.updates.empty());
  EXPECT_EQ(counter("cluster.a.update_success"), 1u);
  EXPECT_EQ(counter("cluster.b.update_success"), 0u);
  // A response without "a" takes nothing from it.
  answerTo<ClusterLoadAssignment>("v2", "n2", {assignment("b")});
  EXPECT_EQ(a.updates.size(), 1u);
  EXPECT_EQ(b.updates.size(), 1u);

  const std::vector<ResourceStatus> list = mux_->resources(kEndpointType, "", 10);
  ASSERT_EQ(list.size(), 2u);
  EXPECT_EQ(list[0].version, "v1");
  EXPECT_EQ(list[1].version, "v2");
}

TEST_F(MuxTest, ARefusedAssignmentCountsForItsOwnClusterOnly) {
  RecordingWatcher a, b;
  auto first = endpoints("a", a);
  auto second = endpoints("b", b);
  settledRequests();
  auto bad = assignment("a");
  bad.mutable_endpoints(0)->set_priority(129);
  const Requests requests = answerTo<ClusterLoadAssignment>("v1", "n1", {bad, assignment("b")});
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_TRUE(requests[0].has_error_detail());
  EXPECT_EQ(a.failures.size(), 1u);
  EXPECT_EQ(b.updates.size(), 1u);
  EXPECT_EQ(counter("cluster.a.update_rejected"), 1u);
  EXPECT_EQ(counter("cluster.b.update_rejected"), 0u);
  EXPECT_EQ(counter("cluster.b.update_success"), 1u);
}

TEST_F(MuxTest, NewSubscriptionToAHeldNameHasItAtOnce) {
  RecordingWatcher first, second;
  auto old = endpoints("a", first);
  settledRequests();
  answerTo<ClusterLoadAssignment>("v1", "n1", {assignment("a", 81)});
  auto replacement = endpoints("a", second);
  // Nothing is asked: the server would not answer.
  EXPECT_TRUE(settledRequests().empty());
  ASSERT_EQ(second.updates.size(), 1u);
  EXPECT_EQ(second.updates[0].version, "v1");
  EXPECT_EQ(first.updates.size(), 1u);
  // Both get the next one; when the first goes, the name stays.
  answerTo<ClusterLoadAssignment>("v2", "n2", {assignment("a", 82)});
  EXPECT_EQ(first.updates.size(), 2u);
  EXPECT_EQ(second.updates.size(), 2u);
  old.reset();
  EXPECT_TRUE(settledRequests().empty());
}

TEST_F(MuxTest, WhatIsRefusedWhenItIsDeliveredLateIsRefusedToTheServerToo) {
  RecordingWatcher first, second;
  auto old = endpoints("a", first);
  settledRequests();
  answerTo<ClusterLoadAssignment>("v1", "n1", {assignment("a")});
  second.refuse = {refusal("a", "endpoints", "not here")};
  auto late = endpoints("a", second);
  const Requests requests = settledRequests();
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(requests[0].type_url(), kEndpointType);
  EXPECT_EQ(requests[0].version_info(), "v1");
  EXPECT_EQ(requests[0].response_nonce(), "n1");
  EXPECT_EQ(names(requests[0]), Names{"a"});
  EXPECT_EQ(requests[0].error_detail().message(), "ClusterLoadAssignment \"a\": endpoints: not here");
  const std::vector<ResourceStatus> list = mux_->resources(kEndpointType, "", 10);
  ASSERT_EQ(list.size(), 1u);
  EXPECT_EQ(list[0].state, ResourceState::Nacked);
  // The next response is judged on its own.
  const Requests answers = answerTo<ClusterLoadAssignment>("v2", "n2", {assignment("a", 82)});
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].version_info(), "v2");
  EXPECT_FALSE(answers[0].has_error_detail());
}

TEST_F(MuxTest, WhatIsRefusedLateIsNotToldOnAStreamThatHasNotBroughtIt) {
  RecordingWatcher first, second;
  auto old = endpoints("a", first);
  settledRequests();
  answerTo<ClusterLoadAssignment>("v1", "n1", {assignment("a")});
  wire_.close();
  main_.advance(std::chrono::seconds(40));
  ASSERT_EQ(settledRequests().size(), 1u);
  second.refuse = {refusal("a", "endpoints", "not here")};
  auto late = endpoints("a", second);
  EXPECT_TRUE(settledRequests().empty());
  EXPECT_EQ(counter("cluster.a.update_rejected"), 1u);
}

TEST_F(MuxTest, ManyWhoComeLateAreEachServedBeforeTheNextResponse) {
  constexpr int kMany = 1200;
  std::vector<std::unique_ptr<RecordingWatcher>> watchers;
  std::vector<std::unique_ptr<Subscription>> subscriptions;
  RecordingWatcher first;
  auto old = endpoints("a", first);
  settledRequests();
  answerTo<ClusterLoadAssignment>("v1", "n1", {assignment("a")});
  for (int i = 0; i < kMany; ++i) {
    watchers.push_back(std::make_unique<RecordingWatcher>());
    subscriptions.push_back(endpoints("a", *watchers.back()));
  }
  answerTo<ClusterLoadAssignment>("v2", "n2", {assignment("a", 82)});
  for (const auto& watcher : watchers) {
    ASSERT_EQ(watcher->updates.size(), 2u);
    EXPECT_EQ(watcher->updates[0].version, "v1");
    EXPECT_EQ(watcher->updates[1].version, "v2");
  }
}

TEST_F(MuxTest, ANameThatWasDroppedAndToldSoIsAskedForAgain) {
  RecordingWatcher first, second, other;
  auto keeps_asking = endpoints("b", other);
  auto subscription = endpoints("a", first);
  settledRequests();
  answerTo<ClusterLoadAssignment>("v1", "n1", {assignment("a")});
  subscription.reset();
  settledRequests();
  subscription = endpoints("a", second);
  const Requests requests = settledRequests();
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(names(requests[0]), (Names{"a", "b"}));
  EXPECT_TRUE(second.updates.empty());
}

TEST_F(MuxTest, ANameThatWentAndCameInOneTurnIsHeldStill) {
  RecordingWatcher first, second;
  auto subscription = endpoints("a", first);
  settledRequests();
  answerTo<ClusterLoadAssignment>("v1", "n1", {assignment("a")});
  subscription.reset();
  subscription = endpoints("a", second);
  settledRequests();
  EXPECT_EQ(second.updates.size(), 1u);
}

TEST_F(MuxTest, SubscriptionMadeWhileItsNameIsBeingAppliedMissesNothing) {
  RecordingWatcher first, second;
  first.hold = true;
  auto old = endpoints("a", first);
  settledRequests();
  answerTo<ClusterLoadAssignment>("v1", "n1", {assignment("a")});
  auto late = endpoints("a", second);
  settle();
  EXPECT_TRUE(second.updates.empty());
  first.release();
  settle();
  EXPECT_EQ(second.updates.size(), 1u);
}

TEST_F(MuxTest, NamesCanBeReplaced) {
  RecordingWatcher watcher;
  auto subscription = mux_->subscribe(kEndpointType, {"a", "b"}, "x.", milliseconds(0), watcher);
  settledRequests();
  answerTo<ClusterLoadAssignment>("v1", "n1", {assignment("a"), assignment("b")});
  EXPECT_EQ(watcher.updates.size(), 1u);
  subscription->setNames({"b", "c"});
  Requests requests = settledRequests();
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(names(requests[0]), (Names{"b", "c"}));
  // None is none, not all.
  subscription->setNames({});
  requests = settledRequests();
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_TRUE(names(requests[0]).empty());
  answerTo<ClusterLoadAssignment>("v2", "n2", {assignment("b")});
  // One for v1, one for what was held of the new names.
  EXPECT_EQ(watcher.updates.size(), 2u);
}

TEST_F(MuxTest, NewNamesFollowTheUpdateThatBroughtThem) {
  RecordingWatcher eds;
  std::unique_ptr<Subscription> endpoints_subscription;
  class ClusterWatcher : public RecordingWatcher {
   public:
    void onUpdate(Update update, UpdateDone done) override {
      on_update();
      RecordingWatcher::onUpdate(std::move(update), std::move(done));
    }
    std::function<void()> on_update;
  } cds;
  cds.on_update = [&] { endpoints_subscription = endpoints("be", eds); };
  auto subscription = clusters(cds);
  settledRequests();
  const Requests requests = answerTo<Cluster>("v1", "n1", {cluster("be")});
  ASSERT_EQ(requests.size(), 2u);
  EXPECT_EQ(requests[0].type_url(), kClusterType);
  EXPECT_EQ(requests[0].response_nonce(), "n1");
  EXPECT_EQ(requests[1].type_url(), kEndpointType);
  EXPECT_EQ(names(requests[1]), Names{"be"});
}

TEST_F(MuxTest, PausedTypeSaysNothingUntilTheLastPauseEnds) {
  RecordingWatcher watcher;
  auto subscription = endpoints("a", watcher);
  settledRequests();
  auto pause = mux_->pause(kEndpointType);
  auto second_pause = mux_->pause(kEndpointType);
  RecordingWatcher b;
  auto other = endpoints("b", b);
  EXPECT_TRUE(answerTo<ClusterLoadAssignment>("v1", "n1", {assignment("a")}).empty());
  EXPECT_EQ(watcher.updates.size(), 1u);
  EXPECT_TRUE(mux_->types()[0].paused);
  pause.reset();
  EXPECT_TRUE(settledRequests().empty());
  second_pause.reset();
  const Requests requests = settledRequests();
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(requests[0].response_nonce(), "n1");
  EXPECT_EQ(names(requests[0]), (Names{"a", "b"}));
}

TEST_F(MuxTest, TypeThatNobodyWantsAnyMoreIsAnsweredSoThatItsNonceStaysCurrent) {
  RecordingWatcher watcher;
  auto subscription = endpoints("a", watcher);
  settledRequests();
  subscription.reset();
  Requests requests = answerTo<ClusterLoadAssignment>("v1", "n1", {assignment("a")});
  ASSERT_FALSE(requests.empty());
  EXPECT_EQ(requests.back().response_nonce(), "n1");
  EXPECT_TRUE(mux_->resources(kEndpointType, "", 10).empty());
}

TEST_F(MuxTest, ManyAssignmentsInOneResponseReachEachOfTheirWatchers) {
  constexpr int kMany = 3000;
  std::vector<std::unique_ptr<RecordingWatcher>> watchers;
  std::vector<std::unique_ptr<Subscription>> subscriptions;
  std::vector<ClusterLoadAssignment> assignments;
  for (int i = 0; i < kMany; ++i) {
    watchers.push_back(std::make_unique<RecordingWatcher>());
    subscriptions.push_back(endpoints(absl::StrCat("c", i), *watchers.back()));
    assignments.push_back(assignment(absl::StrCat("c", i)));
  }
  settledRequests();
  const Requests requests = answerTo("v1", "n1", assignments);
  ASSERT_EQ(requests.size(), 1u);
  for (const auto& watcher : watchers) {
    ASSERT_EQ(watcher->updates.size(), 1u);
  }
  EXPECT_EQ(mux_->types()[0].resources, static_cast<size_t>(kMany));
}

TEST_F(MuxTest, RequestedNamesAreListedBeforeTheyCome) {
  RecordingWatcher a, b;
  auto first = endpoints("a", a);
  auto second = endpoints("b", b);
  settledRequests();
  answerTo<ClusterLoadAssignment>("v1", "n1", {assignment("b")});
  std::vector<ResourceStatus> list = mux_->resources(kEndpointType, "", 10);
  ASSERT_EQ(list.size(), 2u);
  EXPECT_EQ(list[0].name, "a");
  EXPECT_EQ(list[0].state, ResourceState::Requested);
  EXPECT_EQ(list[1].state, ResourceState::Acked);
  list = mux_->resources(kEndpointType, "a", 1);
  ASSERT_EQ(list.size(), 1u);
  EXPECT_EQ(list[0].name, "b");
}

}  // namespace
}  // namespace sluice::xds
