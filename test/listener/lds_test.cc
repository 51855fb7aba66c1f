#include "source/listener/lds.h"

#include "gtest/gtest.h"

#include "source/stats/store.h"
#include "test/listener/fake_workers.h"
#include "test/listener/test_listener.h"
#include "test/support/fake_dispatcher.h"

namespace sluice::listener {
namespace {

using test::addChain;
using test::makeListener;
using test::toResource;

/** Hands its watcher to the test. */
class FakeSubscriptions final : public xds::SubscriptionFactory {
 public:
  class Standing final : public xds::Subscription {
   public:
    void setNames(std::set<std::string>) override {}
  };
  absl::StatusOr<std::unique_ptr<xds::Subscription>> subscribe(const envoy::config::core::v3::ConfigSource&,
                                                               absl::string_view type_url, std::set<std::string> names,
                                                               absl::string_view stat_prefix,
                                                               xds::ResourceWatcher& subscriber) override {
    EXPECT_EQ(type_url, xds::kListenerType);
    EXPECT_TRUE(names.empty());
    EXPECT_EQ(stat_prefix, "listener_manager.lds.");
    watcher = &subscriber;
    if (!status.ok()) {
      return status;
    }
    return std::make_unique<Standing>();
  }
  std::shared_ptr<void> pause(absl::string_view) override { return nullptr; }

  absl::Status status;
  xds::ResourceWatcher* watcher = nullptr;
};

class LdsTest : public testing::Test {
 protected:
  LdsTest() {
    factories_.network.push_back(std::make_unique<test::SayFactory>());
    auto lds = Lds::create(source_, subscriptions_, manager_, main_, server_init_);
    EXPECT_TRUE(lds.ok());
    lds_ = *std::move(lds);
  }
  void start() {
    server_init_.initialize([this] {
      manager_.startWorkers([] {});
      workers_.work();
    });
  }

  /** A response; the errors of its verdict, or nothing while there is none. */
  void update(const std::vector<test::v3::Listener>& listeners, const std::string& version = "v1",
              bool full_state = true) {
    xds::Update update;
    for (const auto& listener : listeners) {
      update.resources.push_back(toResource(listener, version));
    }
    update.full_state = full_state;
    update.version = version;
    verdict_.reset();
    subscriptions_.watcher->onUpdate(std::move(update), [this](std::vector<xds::ResourceError> errors) {
      std::vector<std::string> texts;
      for (const auto& error : errors) {
        texts.push_back(std::string(error.violations.toStatus(error.name).message()));
      }
      verdict_ = std::move(texts);
    });
    if (settle_main_) {
      main_.runUntilIdle();
    }
  }
  void settle() {
    for (int i = 0; i < 10; ++i) {
      workers_.work();
      main_.runUntilIdle();
    }
  }
  static test::v3::Listener simple(const std::string& name, uint32_t port = 0, bool reuse_port = true) {
    test::v3::Listener listener = makeListener(name, port);
    listener.mutable_enable_reuse_port()->set_value(reuse_port);
    addChain(listener, "", "", "A");
    return listener;
  }
  static test::v3::Listener broken(const std::string& name) { return makeListener(name); }
  uint16_t portOf(const std::string& name) { return manager_.view(name)->addresses.at(0).port(); }
  std::vector<std::string> dynamicNames() {
    std::vector<std::string> names;
    for (const std::string* name = manager_.nextDynamicName(""); name != nullptr;
         name = manager_.nextDynamicName(names.back())) {
      names.push_back(*name);
    }
    return names;
  }
  using Errors = std::vector<std::string>;

  stats::Store store_;
  test::FakeDispatcher main_;
  test::FakeWorkers workers_;
  FilterFactories factories_;
  test::CountingLoggers loggers_;
  ListenerBuilder builder_{main_, factories_, loggers_};
  ConnectionLimit process_limit_;
  xds::InitManager server_init_{"server"};
  ListenerManager manager_{
      main_,          workers_,     builder_, process_limit_, std::make_shared<const runtime::Snapshot>(),
      *store_.root(), server_init_, {}};
  FakeSubscriptions subscriptions_;
  envoy::config::core::v3::ConfigSource source_;
  std::unique_ptr<Lds> lds_;
  std::optional<Errors> verdict_;
  /** A slow machine takes slices for what a fast one does at once. */
  bool settle_main_ = true;
};

TEST_F(LdsTest, TheServerStartsWithTheFirstAnswer) {
  start();
  EXPECT_EQ(store_.gaugeValue("listener_manager.workers_started"), 0u);
  update({simple("a"), simple("b")});
  EXPECT_EQ(verdict_, Errors{});
  settle();
  EXPECT_EQ(store_.gaugeValue("listener_manager.workers_started"), 1u);
  EXPECT_EQ(workers_.listeners.size(), 2u);
  EXPECT_EQ(manager_.version(), "v1");
}

TEST_F(LdsTest, TheServerStartsWithoutAnAnswerToo) {
  start();
  subscriptions_.watcher->onFetchFailure(xds::FetchFailure::Timeout);
  EXPECT_EQ(store_.gaugeValue("listener_manager.workers_started"), 1u);
}

TEST_F(LdsTest, WhatIsNotInTheWholeStateGoes) {
  start();
  update({simple("a"), simple("b")});
  settle();
  update({simple("b")}, "v2");
  EXPECT_EQ(dynamicNames(), std::vector<std::string>{"b"});
  // Of a response with something undecodable nothing goes.
  update({}, "v3", false);
  EXPECT_EQ(dynamicNames(), std::vector<std::string>{"b"});
  update({}, "v4");
  EXPECT_TRUE(dynamicNames().empty());
}

TEST_F(LdsTest, TheGoodOnesOfAResponseApply) {
  start();
  update({broken("bad"), simple("good")});
  ASSERT_EQ(verdict_->size(), 1u);
  EXPECT_NE(verdict_->at(0).find("bad: "), std::string::npos) << verdict_->at(0);
  EXPECT_NE(verdict_->at(0).find("filter_chains: "), std::string::npos) << verdict_->at(0);
  settle();
  EXPECT_TRUE(manager_.view("good")->active);
  const ListenerView bad = *manager_.view("bad");
  EXPECT_FALSE(bad.active);
  EXPECT_EQ(bad.failure->version, "v1");
  EXPECT_NE(bad.failure->message, nullptr);
  // The next response makes it good, and the failure is history.
  update({simple("bad"), simple("good")}, "v2");
  EXPECT_FALSE(manager_.view("bad")->failure);
}

TEST_F(LdsTest, OfTwoOfOneNameNeitherApplies) {
  start();
  update({simple("keep"), simple("dup")});
  settle();
  const uint16_t port = portOf("dup");
  update({simple("dup", 1), simple("keep"), simple("dup", 2)}, "v2");
  ASSERT_EQ(verdict_->size(), 1u);
  EXPECT_NE(verdict_->at(0).find("dup: "), std::string::npos) << verdict_->at(0);
  EXPECT_EQ(portOf("dup"), port);
}

TEST_F(LdsTest, AnAddressMayChangeHandsInOneResponse) {
  start();
  update({simple("left"), simple("right")});
  settle();
  const uint16_t left_port = portOf("left");
  // "a" comes first and finds the port taken, which "left" gives up after it.
  update({simple("a", left_port), simple("left", 0), simple("right")}, "v2");
  settle();
  // Port 0 is the address that left has, so it keeps it.
  ASSERT_EQ(verdict_->size(), 1u);
  test::v3::Listener moved = simple("left");
  moved.mutable_address()->mutable_socket_address()->set_address("127.0.0.3");
  update({simple("a", left_port), moved, simple("right")}, "v3");
  settle();
  EXPECT_EQ(verdict_, Errors{});
  EXPECT_EQ(portOf("a"), left_port);
}

TEST_F(LdsTest, ASocketThatStillClosesIsWaitedFor) {
  start();
  update({simple("left", 0, false)});
  settle();
  const uint16_t port = portOf("left");
  // Without reuse_port the port is free only when the workers have closed left's socket.
  update({simple("right", port, false)}, "v2");
  EXPECT_FALSE(verdict_.has_value());
  settle();
  EXPECT_EQ(verdict_, Errors{});
  EXPECT_EQ(portOf("right"), port);
}

TEST_F(LdsTest, TwoThatSwapAddressesAreRefusedByName) {
  start();
  update({simple("left-7"), simple("right-7")});
  settle();
  const uint16_t left = portOf("left-7");
  const uint16_t right = portOf("right-7");
  update({simple("left-7", right), simple("right-7", left)}, "v2");
  settle();
  ASSERT_EQ(verdict_->size(), 2u);
  EXPECT_NE(verdict_->at(0).find("'right-7'"), std::string::npos) << verdict_->at(0);
  EXPECT_NE(verdict_->at(1).find("'left-7'"), std::string::npos) << verdict_->at(1);
  EXPECT_EQ(portOf("left-7"), left);
  EXPECT_EQ(manager_.version(), "v1");
}

TEST_F(LdsTest, ALargeResponseIsAppliedInSlices) {
  start();
  update({});
  std::vector<test::v3::Listener> many;
  for (int i = 0; i < 200; ++i) {
    many.push_back(simple("l" + std::to_string(i)));
    many.back().mutable_bind_to_port()->set_value(false);
    // Work for more than a millisecond in all.
    for (int k = 0; k < 20; ++k) {
      addChain(many.back(), "", "10.0.0." + std::to_string(k), "A");
    }
  }
  settle_main_ = false;
  update(many, "v2");
  EXPECT_FALSE(verdict_.has_value());
  settle();
  EXPECT_EQ(verdict_, Errors{});
  EXPECT_EQ(dynamicNames().size(), 200u);
}

TEST_F(LdsTest, ManyListenersGoInSlices) {
  start();
  std::vector<test::v3::Listener> many;
  for (int i = 0; i < 1000; ++i) {
    many.push_back(simple("l" + std::to_string(i)));
    many.back().mutable_bind_to_port()->set_value(false);
  }
  update(many);
  settle();
  ASSERT_EQ(dynamicNames().size(), 1000u);
  settle_main_ = false;
  update({}, "v2");
  const size_t left = dynamicNames().size();
  EXPECT_GT(left, 0u);
  EXPECT_FALSE(verdict_.has_value());
  main_.runOnce();
  EXPECT_LT(dynamicNames().size(), left);
  settle();
  EXPECT_TRUE(dynamicNames().empty());
  EXPECT_EQ(verdict_, Errors{});
  EXPECT_EQ(manager_.version(), "v2");
}

TEST_F(LdsTest, WhatCouldNotBeDecodedIsShown) {
  start();
  xds::ResourceError error{"x", {}, nullptr};
  error.violations.add("address", "broken");
  subscriptions_.watcher->onUndecodable(error, "v1", /*first=*/true);
  error.name = "z";
  subscriptions_.watcher->onUndecodable(error, "v1", /*first=*/false);
  update({simple("y")}, "v1", false);
  EXPECT_EQ(manager_.view("x")->failure->details, "x: address: broken");
  EXPECT_EQ(manager_.view("z")->failure->details, "z: address: broken");
  update({simple("y")}, "v2");
  EXPECT_FALSE(manager_.view("x").has_value());
}

TEST_F(LdsTest, GoingInTheMiddleOfAnUpdateHarmsNobody) {
  start();
  update({simple("left", 0, false)});
  settle();
  update({simple("right", portOf("left"), false)}, "v2");
  lds_.reset();
  settle();
  EXPECT_FALSE(verdict_.has_value());
}

TEST(Lds, SaysWhyASourceIsNone) {
  stats::Store store;
  test::FakeDispatcher main;
  test::FakeWorkers workers;
  FilterFactories factories;
  test::CountingLoggers loggers;
  ListenerBuilder builder(main, factories, loggers);
  // On the heap, since GCC's AddressSanitizer does not align what it takes off the stack to a cache line.
  const auto limit = std::make_unique<ConnectionLimit>();
  xds::InitManager server_init("server");
  ListenerManager manager(main, workers, builder, *limit, std::make_shared<const runtime::Snapshot>(), *store.root(),
                          server_init, {});
  FakeSubscriptions subscriptions;
  subscriptions.status = absl::InvalidArgumentError("no such source");
  EXPECT_EQ(Lds::create({}, subscriptions, manager, main, server_init).status().message(), "no such source");
}

}  // namespace
}  // namespace sluice::listener
