#include "source/event/deadline.h"

#include <functional>
#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include "source/base/random.h"
#include "test/support/fake_dispatcher.h"

namespace sluice::event {
namespace {

using std::chrono::milliseconds;

class DeadlineTest : public testing::Test {
 protected:
  struct Noting : Deadline {
    Noting(std::vector<int>& fired, int id) : fired(fired), id(id) {}
    void onDeadline() override {
      fired.push_back(id);
      if (then) {
        then();
      }
    }
    std::vector<int>& fired;
    const int id;
    std::function<void()> then;
  };

  test::FakeDispatcher dispatcher_;
  std::vector<int> fired_;
};

TEST_F(DeadlineTest, FireInOrderOfTimeAndNotBefore) {
  Noting late(fired_, 1);
  Noting early(fired_, 2);
  dispatcher_.deadlines().set(late, milliseconds(300));
  dispatcher_.deadlines().set(early, milliseconds(100));
  dispatcher_.advance(milliseconds(99));
  EXPECT_TRUE(fired_.empty());
  dispatcher_.advance(milliseconds(1));
  EXPECT_EQ((std::vector<int>{2}), fired_);
  dispatcher_.advance(milliseconds(200));
  EXPECT_EQ((std::vector<int>{2, 1}), fired_);
  EXPECT_EQ(0u, dispatcher_.armedTimers());
}

TEST_F(DeadlineTest, CancelledOrDestroyedNeverFires) {
  Noting cancelled(fired_, 1);
  auto destroyed = std::make_unique<Noting>(fired_, 2);
  Noting stays(fired_, 3);
  dispatcher_.deadlines().set(cancelled, milliseconds(10));
  dispatcher_.deadlines().set(*destroyed, milliseconds(20));
  dispatcher_.deadlines().set(stays, milliseconds(30));
  cancelled.cancel();
  destroyed.reset();
  dispatcher_.advance(milliseconds(100));
  EXPECT_EQ((std::vector<int>{3}), fired_);
}

TEST_F(DeadlineTest, PuttingOffReplacesTheTime) {
  Noting one(fired_, 1);
  dispatcher_.deadlines().set(one, milliseconds(10));
  dispatcher_.advance(milliseconds(5));
  dispatcher_.deadlines().set(one, milliseconds(10));
  dispatcher_.advance(milliseconds(9));
  EXPECT_TRUE(fired_.empty());
  dispatcher_.advance(milliseconds(1));
  EXPECT_EQ((std::vector<int>{1}), fired_);
}

TEST_F(DeadlineTest, OneMayDestroyAndSetOthers) {
  Noting first(fired_, 1);
  auto second = std::make_unique<Noting>(fired_, 2);
  first.then = [&] {
    if (second != nullptr) {
      second.reset();
      dispatcher_.deadlines().set(first, milliseconds(0));
    }
  };
  dispatcher_.deadlines().set(first, milliseconds(10));
  dispatcher_.deadlines().set(*second, milliseconds(10));
  dispatcher_.advance(milliseconds(10));
  EXPECT_EQ((std::vector<int>{1, 1}), fired_);
}

TEST_F(DeadlineTest, AnyOrderOfSettingAndCancellingKeepsTheOrderOfFiring) {
  base::Random random(7);
  std::vector<std::unique_ptr<Noting>> all;
  std::vector<std::pair<base::MonotonicTime, int>> expected;
  for (int i = 0; i < 500; ++i) {
    all.push_back(std::make_unique<Noting>(fired_, i));
    dispatcher_.deadlines().set(*all.back(), milliseconds(1 + random.below(100000)));
  }
  for (int i = 0; i < 500; ++i) {
    const uint64_t what = random.below(3);
    if (what == 0) {
      all[static_cast<size_t>(i)]->cancel();
    } else if (what == 1) {
      dispatcher_.deadlines().set(*all[static_cast<size_t>(i)], milliseconds(1 + random.below(100000)));
    }
  }
  for (const auto& one : all) {
    if (one->pending()) {
      expected.emplace_back(one->at(), one->id);
    }
  }
  dispatcher_.advance(std::chrono::seconds(200));
  ASSERT_EQ(expected.size(), fired_.size());
  std::vector<base::MonotonicTime> times;
  for (int id : fired_) {
    for (const auto& [at, of] : expected) {
      if (of == id) {
        times.push_back(at);
      }
    }
  }
  EXPECT_TRUE(std::is_sorted(times.begin(), times.end()));
  EXPECT_EQ(0u, dispatcher_.deadlines().size());
}

}  // namespace
}  // namespace sluice::event
