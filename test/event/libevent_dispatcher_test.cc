#include "source/event/libevent_dispatcher.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace sluice::event {
namespace {

using RunType = Dispatcher::RunType;

class Task : public IntrusiveTask {
 public:
  explicit Task(std::function<void()> run) : run_(std::move(run)) {}

 private:
  void run() override { run_(); }
  std::function<void()> run_;
};

/** Calls back when it is destroyed. */
class Dying : public DeferredDeletable {
 public:
  explicit Dying(std::function<void()> last_words) : last_words_(std::move(last_words)) {}
  ~Dying() override { last_words_(); }

 private:
  std::function<void()> last_words_;
};

class LibeventDispatcherTest : public testing::Test {
 protected:
  void log(const std::string& what) { log_.push_back(what); }
  using Log = std::vector<std::string>;

  LibeventDispatcher dispatcher_{"test"};
  Log log_;
};

TEST_F(LibeventDispatcherTest, RunsWhatWasPostedBeforeItStartedFirstAndInOrder) {
  auto timer = dispatcher_.createTimer([&] { log("timer"); });
  timer->enable(std::chrono::milliseconds(0));
  dispatcher_.post([&] { log("first"); });
  dispatcher_.post([&] { log("second"); });
  dispatcher_.run(RunType::NonBlock);
  EXPECT_EQ(log_, (Log{"first", "second", "timer"}));
}

TEST_F(LibeventDispatcherTest, TakesPostsFromOtherThreadsInTheirOrder) {
  constexpr int kThreads = 4;
  constexpr int kPosts = 2000;
  std::vector<std::vector<int>> seen(kThreads);
  int total = 0;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = 0; i < kPosts; ++i) {
        dispatcher_.post([&, thread, i] {
          seen[thread].push_back(i);
          if (++total == kThreads * kPosts) {
            dispatcher_.exit();
          }
        });
      }
    });
  }
  dispatcher_.run(RunType::UntilExit);
  for (std::thread& thread : threads) {
    thread.join();
  }
  for (const auto& numbers : seen) {
    ASSERT_EQ(numbers.size(), kPosts);
    EXPECT_TRUE(std::is_sorted(numbers.begin(), numbers.end()));
  }
}

TEST_F(LibeventDispatcherTest, WakesOnceForManyPostsAndAgainForLaterOnes) {
  // Each round waits in the poll until the other thread has posted: a lost wake would hang here.
  std::atomic<int> rounds{0};
  std::thread poster([&] {
    for (int round = 0; round < 500; ++round) {
      std::promise<void> ran;
      dispatcher_.post([&] { ++rounds; });
      dispatcher_.post([&] { ran.set_value(); });
      ran.get_future().wait();
    }
    dispatcher_.exit();
  });
  dispatcher_.run(RunType::UntilExit);
  poster.join();
  EXPECT_EQ(rounds, 500);
}

TEST_F(LibeventDispatcherTest, DestroysEachPostedClosureBeforeTheNextRuns) {
  auto owned = std::make_shared<int>(1);
  std::weak_ptr<int> watched = owned;
  dispatcher_.post([owned = std::move(owned)] {});
  bool gone = false;
  dispatcher_.post([&] { gone = watched.expired(); });
  dispatcher_.run(RunType::NonBlock);
  EXPECT_TRUE(gone);
}

TEST_F(LibeventDispatcherTest, WhatAPostedTaskPostsRunsInTheNextTurnWithoutWaiting) {
  dispatcher_.run(RunType::NonBlock);
  auto timer = dispatcher_.createTimer([&] { log("timer"); });
  dispatcher_.post([&] {
    log("outer");
    timer->enable(std::chrono::milliseconds(0));
    dispatcher_.post([&] {
      log("inner");
      dispatcher_.exit();
    });
  });
  dispatcher_.run(RunType::UntilExit);
  EXPECT_EQ(log_, (Log{"outer", "timer", "inner"}));
}

TEST_F(LibeventDispatcherTest, DestroysUnrunTasksWithItself) {
  auto owned = std::make_shared<int>(1);
  std::weak_ptr<int> watched = owned;
  {
    LibeventDispatcher dispatcher("short");
    dispatcher.post([owned = std::move(owned)] { FAIL(); });
  }
  EXPECT_TRUE(watched.expired());
}

TEST_F(LibeventDispatcherTest, ExitEndsRunAfterTheTurn) {
  dispatcher_.post([&] {
    dispatcher_.exit();
    log("exit");
  });
  dispatcher_.post([&] { log("same turn"); });
  dispatcher_.run(RunType::UntilExit);
  EXPECT_EQ(log_, (Log{"exit", "same turn"}));
  // It was used up.
  dispatcher_.post([&] {
    log("again");
    dispatcher_.exit();
  });
  dispatcher_.run(RunType::UntilExit);
  EXPECT_EQ(log_.back(), "again");
}

TEST_F(LibeventDispatcherTest, ExitBeforeRunIsNotLost) {
  dispatcher_.exit();
  dispatcher_.run(RunType::UntilExit);
}

TEST_F(LibeventDispatcherTest, ExitFromAnotherThreadWakesThePoll) {
  std::promise<void> running;
  std::thread other([&] {
    running.get_future().wait();
    dispatcher_.exit();
  });
  dispatcher_.post([&] { running.set_value(); });
  dispatcher_.run(RunType::UntilExit);
  other.join();
}

TEST_F(LibeventDispatcherTest, BelongsToTheThreadThatRunsIt) {
  EXPECT_TRUE(dispatcher_.isThreadSafe());
  bool inside = false;
  std::thread runner([&] {
    EXPECT_FALSE(dispatcher_.isThreadSafe());
    dispatcher_.post([&] {
      inside = dispatcher_.isThreadSafe();
      dispatcher_.exit();
    });
    dispatcher_.run(RunType::UntilExit);
  });
  runner.join();
  EXPECT_TRUE(inside);
  EXPECT_FALSE(dispatcher_.isThreadSafe());
}

TEST_F(LibeventDispatcherTest, ChecksItsThread) {
  testing::GTEST_FLAG(death_test_style) = "threadsafe";
  EXPECT_DEATH(
      {
        LibeventDispatcher dispatcher("worker_7");
        std::thread([&] { dispatcher.createTimer([] {}); }).join();
      },
      "worker_7");
}

TEST_F(LibeventDispatcherTest, UnwindRunsAfterEachCallbackOfEveryPhase) {
  dispatcher_.run(RunType::NonBlock);
  Task flush([&] { log("flush"); });
  Task ready([&] {
    log("ready");
    dispatcher_.runAtUnwind(flush);
  });
  dispatcher_.runNextTurn(ready);
  auto timer = dispatcher_.createTimer([&] {
    log("timer");
    dispatcher_.runAtUnwind(flush);
    dispatcher_.runAtUnwind(flush);
  });
  timer->enable(std::chrono::milliseconds(0));
  for (int i = 0; i < 2; ++i) {
    dispatcher_.deferredDelete(std::make_unique<Dying>([&] {
      log("deleted");
      dispatcher_.runAtUnwind(flush);
    }));
    dispatcher_.post([&] {
      log("posted");
      dispatcher_.runAtUnwind(flush);
    });
  }
  dispatcher_.run(RunType::NonBlock);
  EXPECT_EQ(log_, (Log{"timer", "flush", "ready", "flush", "deleted", "flush", "deleted", "flush", "posted", "flush",
                       "posted", "flush"}));
}

TEST_F(LibeventDispatcherTest, UnwindScheduledOutsideAnyCallbackRunsAtTheNextTurnsHead) {
  Task flush([&] { log("flush"); });
  Task ready([&] { log("ready"); });
  dispatcher_.runNextTurn(ready);
  dispatcher_.runAtUnwind(flush);
  EXPECT_TRUE(log_.empty());
  dispatcher_.run(RunType::NonBlock);
  EXPECT_EQ(log_, (Log{"flush", "ready"}));
}

TEST_F(LibeventDispatcherTest, UnwindingTasksScheduleFurtherOnesUpToABudget) {
  int runs = 0;
  int runs_after_callback = -1;
  std::unique_ptr<Task> endless;
  endless = std::make_unique<Task>([&] {
    ++runs;
    dispatcher_.runAtUnwind(*endless);
  });
  dispatcher_.post([&] { dispatcher_.runAtUnwind(*endless); });
  dispatcher_.post([&] {
    runs_after_callback = runs;
    dispatcher_.exit();
  });
  dispatcher_.run(RunType::UntilExit);
  EXPECT_EQ(runs_after_callback, static_cast<int>(Dispatcher::kUnwindBudget));
  // What was over went to the next turn.
  EXPECT_GT(runs, runs_after_callback);
}

TEST_F(LibeventDispatcherTest, ReadyTasksRunInTheNextTurnWithoutWaiting) {
  int runs = 0;
  std::unique_ptr<Task> again;
  again = std::make_unique<Task>([&] {
    if (++runs == 3) {
      dispatcher_.exit();
    } else {
      dispatcher_.runNextTurn(*again);
    }
  });
  dispatcher_.runNextTurn(*again);
  dispatcher_.run(RunType::NonBlock);
  EXPECT_EQ(runs, 1);
  dispatcher_.run(RunType::UntilExit);
  EXPECT_EQ(runs, 3);
}

TEST_F(LibeventDispatcherTest, TaskScheduledInTheIoPhaseWaitsForTheNextTurn) {
  Task left_over([&] { log("left over"); });
  auto timer = dispatcher_.createTimer([&] { dispatcher_.runNextTurn(left_over); });
  timer->enable(std::chrono::milliseconds(0));
  dispatcher_.run(RunType::NonBlock);
  EXPECT_TRUE(log_.empty());
  dispatcher_.run(RunType::NonBlock);
  EXPECT_EQ(log_, Log{"left over"});
}

TEST_F(LibeventDispatcherTest, ReadyTaskDestroyedByAnotherOfItsTurnDoesNotRun) {
  auto second = std::make_unique<Task>([&] { log("second"); });
  Task first([&] { second.reset(); });
  dispatcher_.runNextTurn(first);
  dispatcher_.runNextTurn(*second);
  dispatcher_.run(RunType::NonBlock);
  EXPECT_TRUE(log_.empty());
}

TEST_F(LibeventDispatcherTest, ATaskAfterThePollRunsOnceForAllOfItsCallbacks) {
  Task write([&] { log("write"); });
  auto one = dispatcher_.createTimer([&] {
    log("one");
    dispatcher_.runAfterPoll(write);
  });
  auto other = dispatcher_.createTimer([&] {
    log("other");
    dispatcher_.runAfterPoll(write);
  });
  one->enable(std::chrono::milliseconds(0));
  other->enable(std::chrono::milliseconds(0));
  dispatcher_.run(RunType::NonBlock);
  ASSERT_EQ(log_.size(), 3u);
  EXPECT_EQ(log_.back(), "write");
}

TEST_F(LibeventDispatcherTest, ATaskAfterThePollThatNoPollAsksForRunsAtTheUnwinding) {
  Task write([&] { log("write"); });
  dispatcher_.post([&] {
    dispatcher_.runAfterPoll(write);
    log("first");
  });
  dispatcher_.post([&] { log("second"); });
  dispatcher_.run(RunType::NonBlock);
  EXPECT_EQ(log_, (Log{"first", "write", "second"}));
}

TEST_F(LibeventDispatcherTest, LaterTasksRunOnceAfterASecondOrTwo) {
  Task first([&] { log("first"); });
  Task cancelled([&] { log("cancelled"); });
  Task last([&] {
    log("last");
    dispatcher_.exit();
  });
  dispatcher_.runLater(first);
  dispatcher_.runLater(cancelled);
  dispatcher_.runLater(last);
  cancelled.unlink();
  dispatcher_.run(RunType::NonBlock);
  EXPECT_EQ(log_, Log{});
  const auto begin = dispatcher_.now();
  dispatcher_.run(RunType::UntilExit);
  EXPECT_EQ(log_, (Log{"first", "last"}));
  EXPECT_GE(dispatcher_.now() - begin, std::chrono::milliseconds(900));
}

TEST_F(LibeventDispatcherTest, DeferredDeletionWaitsForTheCallbackToUnwind) {
  dispatcher_.post([&] {
    dispatcher_.deferredDelete(std::make_unique<Dying>([&] { log("deleted"); }));
    log("still here");
  });
  dispatcher_.post([&] { log("next task"); });
  dispatcher_.run(RunType::NonBlock);
  EXPECT_EQ(log_, (Log{"still here", "next task", "deleted"}));
}

TEST_F(LibeventDispatcherTest, DeletionsMayDeferMoreDeletions) {
  dispatcher_.deferredDelete(std::make_unique<Dying>([&] {
    log("first");
    dispatcher_.deferredDelete(std::make_unique<Dying>([&] {
      log("second");
      dispatcher_.deferredDelete(std::make_unique<Dying>([&] {
        log("third");
        dispatcher_.exit();
      }));
    }));
  }));
  // The third is more than one turn's phases take: the loop must not wait with it in hand.
  dispatcher_.run(RunType::UntilExit);
  EXPECT_EQ(log_, (Log{"first", "second", "third"}));
}

TEST_F(LibeventDispatcherTest, ClearDeferredDeletesRunsThemAllNow) {
  dispatcher_.deferredDelete(std::make_unique<Dying>([&] {
    log("first");
    dispatcher_.deferredDelete(std::make_unique<Dying>([&] { log("second"); }));
  }));
  dispatcher_.clearDeferredDeletes();
  EXPECT_EQ(log_, (Log{"first", "second"}));
}

TEST_F(LibeventDispatcherTest, ReadsTheClockOnceATurn) {
  base::MonotonicTime first, second;
  base::SystemTime system_first, system_second;
  dispatcher_.run(RunType::NonBlock);
  dispatcher_.post([&] {
    first = dispatcher_.now();
    system_first = dispatcher_.systemNow();
    while (std::chrono::steady_clock::now() == first) {
    }
  });
  dispatcher_.post([&] {
    second = dispatcher_.now();
    system_second = dispatcher_.systemNow();
  });
  dispatcher_.run(RunType::NonBlock);
  EXPECT_EQ(first, second);
  EXPECT_EQ(system_first, system_second);
  dispatcher_.run(RunType::NonBlock);
  EXPECT_GT(dispatcher_.now(), first);
}

class CountingObserver : public LoopObserver {
 public:
  void beforePoll() override { log += "<"; }
  void afterPoll() override { log += ">"; }
  std::string log;
};

TEST_F(LibeventDispatcherTest, TellsTheObserverAroundEachPoll) {
  CountingObserver observer;
  dispatcher_.setObserver(&observer);
  auto timer = dispatcher_.createTimer([&] { observer.log += "t"; });
  timer->enable(std::chrono::milliseconds(0));
  dispatcher_.run(RunType::NonBlock);
  dispatcher_.post([&] { observer.log += "p"; });
  dispatcher_.run(RunType::NonBlock);
  EXPECT_EQ(observer.log, "<>t<>p");
  dispatcher_.setObserver(nullptr);
  dispatcher_.run(RunType::NonBlock);
  EXPECT_EQ(observer.log, "<>t<>p");
}

TEST_F(LibeventDispatcherTest, OwnedByDiesOnItsOwnersThread) {
  struct Big {
    explicit Big(std::thread::id* where) : where(where) {}
    ~Big() { *where = std::this_thread::get_id(); }
    std::thread::id* where;
  };
  std::thread::id died_on;
  std::shared_ptr<Big> big = ownedBy(dispatcher_, std::make_unique<Big>(&died_on));
  std::thread([big = std::move(big)] {}).join();
  EXPECT_EQ(died_on, std::thread::id());
  dispatcher_.run(RunType::NonBlock);
  EXPECT_EQ(died_on, std::this_thread::get_id());
}

TEST_F(LibeventDispatcherTest, LaterTasksRunOnceAfterASecondOrTwoUnlessUnlinked) {
  Task first([&] { log("first"); });
  Task cancelled([&] { log("cancelled"); });
  Task second([&] {
    log("second");
    dispatcher_.exit();
  });
  const auto before = std::chrono::steady_clock::now();
  for (Task* task : {&first, &cancelled, &second, &first}) {
    dispatcher_.runLater(*task);
  }
  cancelled.unlink();
  dispatcher_.run(RunType::UntilExit);
  const auto took = std::chrono::steady_clock::now() - before;
  EXPECT_EQ(log_, (Log{"first", "second"}));
  EXPECT_GE(took, std::chrono::seconds(1));
}

}  // namespace
}  // namespace sluice::event
