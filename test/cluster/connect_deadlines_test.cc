#include "source/cluster/connect_deadlines.h"

#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include "test/support/fake_dispatcher.h"

namespace sluice::cluster {
namespace {

using std::chrono::milliseconds;

class ConnectDeadlinesTest : public testing::Test {
 protected:
  struct Attempt : ConnectDeadline {
    Attempt(ConnectDeadlinesTest& owner, int id) : test(owner), id(id) {}
    void onDeadline() override {
      test.fired_.push_back(id);
      if (then) {
        then();
      }
    }
    ConnectDeadlinesTest& test;
    const int id;
    std::function<void()> then;
  };

  test::FakeDispatcher dispatcher_;
  std::unique_ptr<ConnectDeadlines> deadlines_ = std::make_unique<ConnectDeadlines>(dispatcher_);
  std::vector<int> fired_;
};

TEST_F(ConnectDeadlinesTest, FireInOrderAndOnTime) {
  Attempt a(*this, 1);
  Attempt b(*this, 2);
  deadlines_->add(a, milliseconds(100));
  dispatcher_.advance(milliseconds(50));
  deadlines_->add(b, milliseconds(100));
  dispatcher_.advance(milliseconds(49));
  EXPECT_TRUE(fired_.empty());
  dispatcher_.advance(milliseconds(1));
  EXPECT_EQ((std::vector<int>{1}), fired_);
  dispatcher_.advance(milliseconds(49));
  EXPECT_EQ((std::vector<int>{1}), fired_);
  dispatcher_.advance(milliseconds(1));
  EXPECT_EQ((std::vector<int>{1, 2}), fired_);
  EXPECT_EQ(0u, dispatcher_.armedTimers());
}

TEST_F(ConnectDeadlinesTest, ACancelledOneNeverFires) {
  Attempt a(*this, 1);
  deadlines_->add(a, milliseconds(100));
  a.cancel();
  Attempt b(*this, 2);
  deadlines_->add(b, milliseconds(300));
  dispatcher_.advance(milliseconds(299));
  EXPECT_TRUE(fired_.empty());
  dispatcher_.advance(milliseconds(1));
  EXPECT_EQ((std::vector<int>{2}), fired_);
}

TEST_F(ConnectDeadlinesTest, AShorterTimeoutGoesBefore) {
  Attempt slow(*this, 1);
  Attempt quick(*this, 2);
  deadlines_->add(slow, milliseconds(500));
  deadlines_->add(quick, milliseconds(20));
  dispatcher_.advance(milliseconds(20));
  EXPECT_EQ((std::vector<int>{2}), fired_);
  dispatcher_.advance(milliseconds(480));
  EXPECT_EQ((std::vector<int>{2, 1}), fired_);
}

TEST_F(ConnectDeadlinesTest, OneMayEndTheOthersAndTheListItself) {
  auto a = std::make_unique<Attempt>(*this, 1);
  auto b = std::make_unique<Attempt>(*this, 2);
  a->then = [&] {
    b.reset();
    deadlines_.reset();
  };
  deadlines_->add(*a, milliseconds(10));
  deadlines_->add(*b, milliseconds(10));
  dispatcher_.advance(milliseconds(10));
  EXPECT_EQ((std::vector<int>{1}), fired_);
}

}  // namespace
}  // namespace sluice::cluster
