#include "source/thread/slot.h"

#include <algorithm>
#include <atomic>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

#include "source/event/libevent_dispatcher.h"
#include "test/support/fake_dispatcher.h"

namespace sluice::thread {
namespace {

using RunType = event::Dispatcher::RunType;

struct Number : ThreadLocalObject {
  explicit Number(int value) : value(value) {}
  int value;
};

/** Calls back when it dies. */
struct Witness : ThreadLocalObject {
  explicit Witness(std::function<void()> last_words) : last_words(std::move(last_words)) {}
  ~Witness() override { last_words(); }
  std::function<void()> last_words;
};

/** A worker's thread as the server runs one: its loop, then the end of its slots. */
class WorkerThread {
 public:
  WorkerThread(SlotAllocator& slots, const std::string& name) : slots_(slots), dispatcher_(name) {
    slots_.registerThread(dispatcher_);
  }
  ~WorkerThread() { stop(); }
  void start() {
    thread_ = std::thread([this] {
      dispatcher_.run(RunType::UntilExit);
      slots_.shutdownThread(dispatcher_);
    });
  }
  void stop() {
    if (thread_.joinable()) {
      dispatcher_.exit();
      thread_.join();
    } else if (!stopped_) {
      slots_.shutdownThread(dispatcher_);
    }
    stopped_ = true;
  }
  /** Runs it on the thread, and waits. */
  void onThread(std::function<void()> task) {
    std::promise<void> done;
    dispatcher_.post([&] {
      task();
      done.set_value();
    });
    done.get_future().wait();
  }
  event::LibeventDispatcher& dispatcher() { return dispatcher_; }

 private:
  SlotAllocator& slots_;
  event::LibeventDispatcher dispatcher_;
  std::thread thread_;
  bool stopped_ = false;
};

class SlotTest : public testing::Test {
 protected:
  /** Runs main's loop until the condition holds. */
  void runMainUntil(const std::function<bool()>& condition) {
    while (!condition()) {
      main_.run(RunType::NonBlock);
    }
  }

  event::LibeventDispatcher main_{"main_thread"};
  SlotAllocator slots_{main_};
};

TEST_F(SlotTest, EachThreadHasAnObjectMadeThereByItsDispatcher) {
  WorkerThread a(slots_, "worker_0"), b(slots_, "worker_1");
  a.start();
  b.start();
  std::mutex mutex;
  std::vector<std::string> made;
  Slot<Number> slot(slots_, [&](event::Dispatcher& dispatcher) {
    EXPECT_TRUE(dispatcher.isThreadSafe());
    std::lock_guard<std::mutex> lock(mutex);
    made.push_back(dispatcher.name());
    return std::make_unique<Number>(static_cast<int>(made.size()));
  });
  ASSERT_NE(slot.get(), nullptr);
  Number* of_a = nullptr;
  Number* of_b = nullptr;
  a.onThread([&] { of_a = slot.get(); });
  b.onThread([&] { of_b = slot.get(); });
  EXPECT_NE(of_a, nullptr);
  EXPECT_NE(of_b, nullptr);
  EXPECT_NE(of_a, of_b);
  EXPECT_NE(of_a, slot.get());
  std::sort(made.begin(), made.end());
  EXPECT_EQ(made, (std::vector<std::string>{"main_thread", "worker_0", "worker_1"}));
  a.stop();
  b.stop();
}

TEST_F(SlotTest, ThreadThatStartsLaterHasTheSlotsThatWereThere) {
  Slot<Number> slot(slots_, [](event::Dispatcher&) { return std::make_unique<Number>(7); });
  WorkerThread worker(slots_, "worker_0");
  int seen = 0;
  worker.dispatcher().post([&] { seen = slot.get()->value; });
  worker.start();
  worker.onThread([] {});
  EXPECT_EQ(seen, 7);
  worker.stop();
}

TEST_F(SlotTest, UpdatesRunEverywhereInOrderAndDoneComesLastOnMain) {
  WorkerThread a(slots_, "worker_0"), b(slots_, "worker_1");
  a.start();
  b.start();
  Slot<Number> slot(slots_, [](event::Dispatcher&) { return std::make_unique<Number>(0); });
  std::atomic<int> updated{0};
  int done_after = 0;
  for (int i = 1; i <= 100; ++i) {
    slot.runOnAllThreads(
        [&updated, i](Number& number) {
          EXPECT_EQ(number.value, i - 1);
          number.value = i;
          ++updated;
        },
        [&, i] {
          EXPECT_TRUE(main_.isThreadSafe());
          EXPECT_GE(updated.load(), 3 * i);
          done_after = i;
        });
    EXPECT_EQ(slot.get()->value, i) << "main is updated at once";
  }
  EXPECT_EQ(done_after, 0) << "done must not be called inside runOnAllThreads()";
  runMainUntil([&] { return done_after == 100; });
  a.stop();
  b.stop();
}

TEST_F(SlotTest, DoneComesThoughThereAreNoWorkers) {
  Slot<Number> slot(slots_, [](event::Dispatcher&) { return std::make_unique<Number>(0); });
  bool done = false;
  slot.runOnAllThreads([](Number& number) { number.value = 1; }, [&] { done = true; });
  EXPECT_FALSE(done);
  main_.run(RunType::NonBlock);
  EXPECT_TRUE(done);
}

TEST_F(SlotTest, RunOnAllThreadsGivesEachItsDispatcher) {
  WorkerThread worker(slots_, "worker_0");
  worker.start();
  std::mutex mutex;
  std::vector<std::string> names;
  bool done = false;
  slots_.runOnAllThreads(
      [&](event::Dispatcher& dispatcher) {
        std::lock_guard<std::mutex> lock(mutex);
        names.push_back(dispatcher.name());
      },
      [&] { done = true; });
  runMainUntil([&] { return done; });
  EXPECT_EQ(names.size(), 2u);
  worker.stop();
}

TEST_F(SlotTest, UpdateOfASlotThatHasGoneIsSkipped) {
  WorkerThread worker(slots_, "worker_0");
  auto slot = std::make_unique<Slot<Number>>(slots_, [](event::Dispatcher&) { return std::make_unique<Number>(0); });
  std::atomic<int> updates{0};
  bool done = false;
  slot->runOnAllThreads([&](Number&) { ++updates; }, [&] { done = true; });
  EXPECT_EQ(updates, 1);
  slot.reset();
  worker.start();
  runMainUntil([&] { return done; });
  EXPECT_EQ(updates, 1);
  worker.stop();
}

TEST_F(SlotTest, DestroyingASlotDestroysTheObjectsOnTheirThreads) {
  WorkerThread worker(slots_, "worker_0");
  worker.start();
  std::mutex mutex;
  std::vector<std::thread::id> died_on;
  auto slot = std::make_unique<Slot<Witness>>(slots_, [&](event::Dispatcher&) {
    return std::make_unique<Witness>([&] {
      std::lock_guard<std::mutex> lock(mutex);
      died_on.push_back(std::this_thread::get_id());
    });
  });
  std::thread::id worker_id;
  worker.onThread([&] { worker_id = std::this_thread::get_id(); });
  slot.reset();
  worker.onThread([] {});
  ASSERT_EQ(died_on.size(), 2u);
  EXPECT_NE(std::find(died_on.begin(), died_on.end(), worker_id), died_on.end());
  EXPECT_NE(std::find(died_on.begin(), died_on.end(), std::this_thread::get_id()), died_on.end());
  worker.stop();
}

TEST_F(SlotTest, IndexGivenOutAnewNeverShowsTheOldObject) {
  WorkerThread worker(slots_, "worker_0");
  worker.start();
  for (int i = 0; i < 200; ++i) {
    Slot<Number> slot(slots_, [i](event::Dispatcher&) { return std::make_unique<Number>(i); });
    slot.runOnAllThreads([i](Number& number) { EXPECT_EQ(number.value, i); });
  }
  worker.onThread([] {});
  worker.stop();
}

TEST_F(SlotTest, ThreadsEndTheirObjectsInReverseOrderOfMaking) {
  std::string order;
  WorkerThread worker(slots_, "worker_0");
  worker.start();
  const std::thread::id main_id = std::this_thread::get_id();
  std::vector<std::unique_ptr<Slot<Witness>>> slots;
  auto add = [&](const std::string& name) {
    slots.push_back(std::make_unique<Slot<Witness>>(slots_, [&order, name, main_id](event::Dispatcher&) {
      return std::make_unique<Witness>([&order, name, main_id] {
        if (std::this_thread::get_id() != main_id) {
          order += name;
        }
      });
    }));
  };
  add("a");
  add("b");
  add("c");
  worker.onThread([] {});
  // A younger object at an older index.
  slots[1].reset();
  worker.onThread([] {});
  EXPECT_EQ(order, "b");
  add("d");
  worker.onThread([] {});
  order.clear();
  worker.stop();
  EXPECT_EQ(order, "dca");
  slots.clear();
}

TEST_F(SlotTest, ObjectsThatEndMayLookAtThoseMadeBefore) {
  Slot<Number> first(slots_, [](event::Dispatcher&) { return std::make_unique<Number>(5); });
  int seen = 0;
  auto second = std::make_unique<Slot<Witness>>(slots_, [&](event::Dispatcher&) {
    return std::make_unique<Witness>([&] { seen += first.get() == nullptr ? 0 : first.get()->value; });
  });
  WorkerThread worker(slots_, "worker_0");
  worker.start();
  worker.onThread([] {});
  worker.stop();
  EXPECT_EQ(seen, 5);
  slots_.shutdownThread(main_);
  EXPECT_EQ(seen, 10);
  EXPECT_EQ(first.get(), nullptr);
  second.reset();
}

TEST_F(SlotTest, PendingDoneFiresThoughTheWorkerNeverRan) {
  Slot<Number> slot(slots_, [](event::Dispatcher&) { return std::make_unique<Number>(0); });
  bool done = false;
  {
    WorkerThread worker(slots_, "worker_0");
    slot.runOnAllThreads([](Number&) {}, [&] { done = true; });
  }
  main_.run(RunType::NonBlock);
  EXPECT_TRUE(done);
}

TEST_F(SlotTest, PendingDoneFiresWhenAWorkerEndsFirst) {
  Slot<Number> slot(slots_, [](event::Dispatcher&) { return std::make_unique<Number>(0); });
  int done = 0;
  {
    WorkerThread worker(slots_, "worker_0");
    worker.start();
    std::promise<void> blocked, release;
    worker.dispatcher().post([&] {
      blocked.set_value();
      release.get_future().wait();
      worker.dispatcher().exit();
    });
    blocked.get_future().wait();
    // Behind the task that ends the loop: these never run there.
    slot.runOnAllThreads([](Number&) {}, [&] { ++done; });
    slot.runOnAllThreads([](Number&) {}, [&] { ++done; });
    release.set_value();
    worker.stop();
    // After its end main no longer posts to it.
    slot.runOnAllThreads([](Number&) {}, [&] { ++done; });
  }
  slots_.shutdownThread(main_);
  EXPECT_EQ(done, 3);
  main_.run(RunType::NonBlock);
  EXPECT_EQ(done, 3);
}

TEST_F(SlotTest, WhatUpdatesAndInitialisersCapturedDiesOnMain) {
  struct Big {
    explicit Big(std::vector<std::thread::id>& where) : where(where) {}
    ~Big() { where.push_back(std::this_thread::get_id()); }
    std::vector<std::thread::id>& where;
  };
  std::vector<std::thread::id> died_on;
  WorkerThread worker(slots_, "worker_0");
  worker.start();
  {
    auto in_initialiser = std::make_shared<Big>(died_on);
    Slot<Number> slot(slots_, [in_initialiser](event::Dispatcher&) { return std::make_unique<Number>(0); });
    auto in_update = std::make_shared<Big>(died_on);
    slot.runOnAllThreads([in_update](Number&) {});
  }
  runMainUntil([&] { return died_on.size() == 2; });
  EXPECT_EQ(died_on, (std::vector<std::thread::id>(2, std::this_thread::get_id())));
  worker.stop();
}

TEST_F(SlotTest, SeveralAllocatorsShareAThread) {
  event::LibeventDispatcher other_main("main_thread");
  SlotAllocator other_slots(other_main);
  Slot<Number> slot(slots_, [](event::Dispatcher&) { return std::make_unique<Number>(1); });
  Slot<Number> other(other_slots, [](event::Dispatcher&) { return std::make_unique<Number>(2); });
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(slot.get()->value, 1);
    EXPECT_EQ(other.get()->value, 2);
  }
}

TEST(SlotFakeTest, WorksOnFakeDispatchersOfOneThread) {
  test::FakeDispatcher main("main_thread"), worker("worker_0");
  SlotAllocator slots(main);
  slots.registerThread(worker);
  std::string made;
  Slot<Number> slot(slots, [&](event::Dispatcher& dispatcher) {
    made += dispatcher.name() + " ";
    return std::make_unique<Number>(0);
  });
  EXPECT_EQ(made, "main_thread ");
  int updates = 0;
  bool done = false;
  slot.runOnAllThreads([&](Number&) { ++updates; }, [&] { done = true; });
  main.runUntilIdle();
  EXPECT_EQ(updates, 1);
  EXPECT_FALSE(done);
  worker.runUntilIdle();
  EXPECT_EQ(made, "main_thread worker_0 ");
  EXPECT_EQ(updates, 2);
  main.runUntilIdle();
  EXPECT_TRUE(done);
  slots.shutdownThread(worker);
}

}  // namespace
}  // namespace sluice::thread
