#include "source/thread/guard_dog.h"

#include <memory>
#include <string>
#include <thread>

#include "gtest/gtest.h"

#include "source/event/libevent_dispatcher.h"
#include "source/stats/store.h"
#include "test/support/fake_dispatcher.h"

namespace sluice::thread {
namespace {

using std::chrono::milliseconds;

class GuardDogTest : public testing::Test {
 protected:
  GuardDogTest() {
    guard_dog_.watch(main_, "main_thread", {milliseconds(200), milliseconds(1000)});
    guard_dog_.watch(worker_, "workers", {milliseconds(100), milliseconds(500)});
  }
  void work(test::FakeDispatcher& dispatcher) { dispatcher.observer()->afterPoll(); }
  void sleep(test::FakeDispatcher& dispatcher) { dispatcher.observer()->beforePoll(); }
  void pass(int ms) {
    guard_dog_.look();
    clock_.advance(milliseconds(ms));
    guard_dog_.look();
  }
  uint64_t counter(const std::string& name) { return store_.counterValue(name); }

  stats::Store store_;
  test::ManualClock clock_;
  test::FakeDispatcher main_{"main_thread"};
  test::FakeDispatcher worker_{"worker_0"};
  GuardDog guard_dog_{*store_.root(), clock_};
};

TEST_F(GuardDogTest, ThreadThatHasNotBegunOrSleepsIsFine) {
  pass(100000);
  sleep(worker_);
  pass(100000);
  work(worker_);
  sleep(worker_);
  pass(100000);
  EXPECT_EQ(counter("workers.watchdog_miss"), 0u);
}

TEST_F(GuardDogTest, LongTurnIsOneMissAndOneMegamiss) {
  sleep(worker_);
  work(worker_);
  pass(90);
  EXPECT_EQ(counter("workers.watchdog_miss"), 0u);
  pass(20);
  EXPECT_EQ(counter("workers.watchdog_miss"), 1u);
  EXPECT_EQ(counter("server.worker_0.watchdog_miss"), 1u);
  EXPECT_EQ(counter("workers.watchdog_mega_miss"), 0u);
  pass(400);
  pass(10000);
  EXPECT_EQ(counter("workers.watchdog_miss"), 1u);
  EXPECT_EQ(counter("workers.watchdog_mega_miss"), 1u);
  EXPECT_EQ(counter("server.worker_0.watchdog_mega_miss"), 1u);
  EXPECT_EQ(counter("main_thread.watchdog_miss"), 0u);
}

TEST_F(GuardDogTest, ManyShortTurnsAreNoMiss) {
  for (int i = 0; i < 100; ++i) {
    sleep(worker_);
    work(worker_);
    pass(50);
  }
  EXPECT_EQ(counter("workers.watchdog_miss"), 0u);
}

TEST_F(GuardDogTest, EachLongTurnCountsAnew) {
  for (int i = 0; i < 3; ++i) {
    sleep(main_);
    work(main_);
    pass(250);
  }
  EXPECT_EQ(counter("main_thread.watchdog_miss"), 3u);
  EXPECT_EQ(counter("server.main_thread.watchdog_miss"), 3u);
}

TEST_F(GuardDogTest, UnwatchedThreadIsLeftAlone) {
  work(worker_);
  guard_dog_.unwatch(worker_);
  EXPECT_EQ(worker_.observer(), nullptr);
  pass(10000);
  EXPECT_EQ(counter("workers.watchdog_miss"), 0u);
}

TEST(GuardDogThreadTest, NoticesALoopThatIsStuck) {
  stats::Store store;
  base::RealClock clock;
  event::LibeventDispatcher worker("worker_0");
  GuardDog guard_dog(*store.root(), clock);
  guard_dog.watch(worker, "workers", {milliseconds(1), milliseconds(2)});
  guard_dog.start();
  std::unique_ptr<event::Timer> timer;
  worker.post([&] {
    timer = worker.createTimer([&] {
      // Stuck until the guard dog has seen it: without one, for ever.
      while (store.counterValue("workers.watchdog_mega_miss") == 0) {
        std::this_thread::yield();
      }
      worker.exit();
    });
    timer->enable(milliseconds(0));
  });
  std::thread thread([&] {
    worker.run(event::Dispatcher::RunType::UntilExit);
    timer.reset();
  });
  thread.join();
  guard_dog.stop();
  EXPECT_EQ(store.counterValue("workers.watchdog_miss"), 1u);
  EXPECT_EQ(store.counterValue("server.worker_0.watchdog_mega_miss"), 1u);
  guard_dog.unwatch(worker);
}

}  // namespace
}  // namespace sluice::thread
