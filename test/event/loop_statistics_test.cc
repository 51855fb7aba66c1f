#include "source/event/loop_statistics.h"

#include <memory>

#include "gtest/gtest.h"

#include "source/event/libevent_dispatcher.h"
#include "source/stats/store.h"

namespace sluice::event {
namespace {

using RunType = Dispatcher::RunType;

class LoopStatisticsTest : public testing::Test {
 protected:
  uint64_t loops() { return store_.histogramCount("server.dispatcher.loop_duration_us"); }
  uint64_t delays() { return store_.histogramCount("server.dispatcher.poll_delay_us"); }

  stats::Store store_;
  stats::ScopePtr scope_ = store_.createScope("server");
  LibeventDispatcher dispatcher_{"main_thread"};
};

TEST_F(LoopStatisticsTest, RecordsEachTurnButTheOneThatStillRuns) {
  dispatcher_.enableStatistics(*scope_);
  for (int i = 0; i < 3; ++i) {
    dispatcher_.run(RunType::NonBlock);
  }
  EXPECT_EQ(loops(), 2u);
  EXPECT_EQ(delays(), 3u);
}

TEST_F(LoopStatisticsTest, RecordsTheDelayOfATimerThatEndsAWait) {
  dispatcher_.enableStatistics(*scope_);
  auto timer = dispatcher_.createTimer([&] { dispatcher_.exit(); });
  timer->enable(std::chrono::milliseconds(20));
  dispatcher_.run(RunType::UntilExit);
  EXPECT_EQ(delays(), 1u);
}

TEST_F(LoopStatisticsTest, RecordsNothingUnlessAskedFor) {
  dispatcher_.run(RunType::NonBlock);
  dispatcher_.run(RunType::NonBlock);
  EXPECT_EQ(loops(), 0u);
}

}  // namespace
}  // namespace sluice::event
