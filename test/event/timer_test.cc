#include "source/event/timer.h"

#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace sluice::event {
namespace {

using RunType = Dispatcher::RunType;
using std::chrono::microseconds;
using std::chrono::milliseconds;

class TimerTest : public testing::Test {
 protected:
  LibeventDispatcher dispatcher_{"test"};
};

TEST_F(TimerTest, ZeroFiresInTheNextTurnNotInsideTheCall) {
  int fired = 0;
  auto timer = dispatcher_.createTimer([&] { ++fired; });
  EXPECT_FALSE(timer->enabled());
  timer->enable(milliseconds(0));
  EXPECT_EQ(fired, 0);
  EXPECT_TRUE(timer->enabled());
  dispatcher_.run(RunType::NonBlock);
  EXPECT_EQ(fired, 1);
  EXPECT_FALSE(timer->enabled());
  dispatcher_.run(RunType::NonBlock);
  EXPECT_EQ(fired, 1);
}

TEST_F(TimerTest, ZeroArmedInATimersCallbackWaitsForTheNextTurn) {
  int fired = 0;
  std::unique_ptr<Timer> timer;
  timer = dispatcher_.createTimer([&] {
    ++fired;
    timer->enable(milliseconds(0));
  });
  timer->enable(milliseconds(0));
  dispatcher_.run(RunType::NonBlock);
  EXPECT_EQ(fired, 1);
  dispatcher_.run(RunType::NonBlock);
  EXPECT_EQ(fired, 2);
}

TEST_F(TimerTest, NeverFiresEarly) {
  for (const microseconds after : {microseconds(300), microseconds(2500), microseconds(7001), microseconds(20000)}) {
    for (int i = 0; i < 5; ++i) {
      const auto begin = std::chrono::steady_clock::now();
      auto fired_at = begin;
      auto timer = dispatcher_.createTimer([&] {
        fired_at = dispatcher_.now();
        dispatcher_.exit();
      });
      // As the first act of a turn, so that the turn's time is this one's.
      dispatcher_.run(RunType::NonBlock);
      const auto armed_at = dispatcher_.now();
      timer->enableMicroseconds(after);
      dispatcher_.run(RunType::UntilExit);
      EXPECT_GE(fired_at - armed_at, after);
    }
  }
}

TEST_F(TimerTest, FiresInOrderOfTime) {
  std::string fired;
  auto late = dispatcher_.createTimer([&] {
    fired += "late";
    dispatcher_.exit();
  });
  auto early = dispatcher_.createTimer([&] { fired += "early "; });
  late->enable(milliseconds(30));
  early->enable(milliseconds(5));
  dispatcher_.run(RunType::UntilExit);
  EXPECT_EQ(fired, "early late");
}

TEST_F(TimerTest, ArmingAnewReplaces) {
  int fired = 0;
  auto timer = dispatcher_.createTimer([&] { ++fired; });
  timer->enable(milliseconds(0));
  timer->enable(std::chrono::hours(1));
  dispatcher_.run(RunType::NonBlock);
  EXPECT_EQ(fired, 0);
  timer->enable(milliseconds(0));
  dispatcher_.run(RunType::NonBlock);
  EXPECT_EQ(fired, 1);
}

TEST_F(TimerTest, DisabledDoesNotFire) {
  int fired = 0;
  auto timer = dispatcher_.createTimer([&] { ++fired; });
  timer->enable(milliseconds(0));
  timer->disable();
  EXPECT_FALSE(timer->enabled());
  dispatcher_.run(RunType::NonBlock);
  EXPECT_EQ(fired, 0);
}

TEST_F(TimerTest, TimerDueInTheSameTurnCanBeTakenBackByAnother) {
  int fired = 0;
  std::unique_ptr<Timer> first, second;
  first = dispatcher_.createTimer([&] {
    ++fired;
    second.reset();
  });
  second = dispatcher_.createTimer([&] {
    ++fired;
    first.reset();
  });
  first->enable(milliseconds(0));
  second->enable(milliseconds(0));
  dispatcher_.run(RunType::NonBlock);
  EXPECT_EQ(fired, 1);
}

TEST_F(TimerTest, CallbackMayDeleteItsTimer) {
  auto captured = std::make_shared<std::string>("whole");
  std::string seen;
  std::unique_ptr<Timer> timer;
  timer = dispatcher_.createTimer([&timer, &seen, captured] {
    timer.reset();
    seen = *captured;
  });
  timer->enable(milliseconds(0));
  dispatcher_.run(RunType::NonBlock);
  EXPECT_EQ(seen, "whole");
  EXPECT_EQ(captured.use_count(), 1);
}

TEST_F(TimerTest, LongestIntervalsDoNotOverflow) {
  int fired = 0;
  auto timer = dispatcher_.createTimer([&] { ++fired; });
  timer->enable(milliseconds::max());
  EXPECT_TRUE(timer->enabled());
  dispatcher_.run(RunType::NonBlock);
  EXPECT_EQ(fired, 0);
  timer->enable(milliseconds(-5));
  dispatcher_.run(RunType::NonBlock);
  EXPECT_EQ(fired, 1);
}

}  // namespace
}  // namespace sluice::event
