#include "source/xds/mux.h"

#include <memory>
#include <thread>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

#include "source/event/libevent_dispatcher.h"
#include "source/stats/store.h"
#include "test/support/fake_dispatcher.h"
#include "test/xds/fake_transport.h"
#include "test/xds/recording_watcher.h"
#include "test/xds/resources.h"

namespace sluice::xds {
namespace {

using envoy::config::cluster::v3::Cluster;
using envoy::config::endpoint::v3::ClusterLoadAssignment;
using envoy::service::discovery::v3::DiscoveryRequest;
using envoy::service::discovery::v3::DiscoveryResponse;
using std::chrono::milliseconds;
using test::assignment;
using test::badCluster;
using test::cluster;
using test::RecordingWatcher;
using test::refusal;
using test::response;
using Names = std::vector<std::string>;
using Requests = std::vector<DiscoveryRequest>;

/** The mux over a scripted wire: time is the test's, and only the decoder is a real thread. */
class MuxTest : public ::testing::Test {
 protected:
  void SetUp() override { make(); }

  void make(bool node_on_first_message_only = true) {
    Mux::Options options;
    options.node.set_id("me");
    options.set_node_on_first_message_only = node_on_first_message_only;
    mux_ = std::make_unique<Mux>(main_, *store_.root(), decoder_, random_, wire_.transport(), "xds", options);
  }

  std::unique_ptr<Subscription> clusters(RecordingWatcher& watcher, milliseconds timeout = milliseconds(0)) {
    return mux_->subscribe(kClusterType, {}, "cluster_manager.cds.", timeout, watcher);
  }
  std::unique_ptr<Subscription> endpoints(const std::string& name, RecordingWatcher& watcher,
                                          milliseconds timeout = milliseconds(0)) {
    return mux_->subscribe(kEndpointType, {name}, absl::StrCat("cluster.", name, "."), timeout, watcher);
  }

  /** Until all that was received has been decoded and worked on, as far as it goes. */
  void settle() {
    bool decoded = false;
    decoder_.decode([](DiscoveryResponse&, config::SourceMap&) { return absl::OkStatus(); }, std::string(kClusterType),
                    [&decoded](DecodedResponse) { decoded = true; });
    while (!decoded) {
      main_.runUntilIdle();
      std::this_thread::yield();
    }
    main_.runUntilIdle();
  }
  Requests settledRequests() {
    settle();
    return wire_.takeRequests();
  }
  template <class Message>
  Requests answerTo(const std::string& version, const std::string& nonce, const std::vector<Message>& resources) {
    wire_.receive(response(version, nonce, resources));
    return settledRequests();
  }
  uint64_t counter(const std::string& name) { return store_.counterValue(name); }

  static Names names(const DiscoveryRequest& request) {
    return {request.resource_names().begin(), request.resource_names().end()};
  }

  test::FakeDispatcher main_;
  stats::Store store_;
  base::Random random_{1};
  DecoderThread decoder_{main_, std::make_unique<event::LibeventDispatcher>("decoder")};
  test::FakeWire wire_;
  std::unique_ptr<Mux> mux_;
};

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

TEST_F(MuxTest, SendsTheNodeEachTimeUnlessToldOtherwise) {
  make(false);
  RecordingWatcher watcher;
  auto subscription = clusters(watcher);
  settledRequests();
  const Requests requests = answerTo<Cluster>("v1", "n1", {});
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(requests[0].node().id(), "me");
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
