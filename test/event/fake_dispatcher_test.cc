#include "test/support/fake_dispatcher.h"

#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace sluice::test {
namespace {

using event::ready::kRead;
using event::ready::kWrite;
using std::chrono::milliseconds;

/** What tests rely on when they put the fake in the real dispatcher's place. */
class FakeDispatcherTest : public testing::Test {
 protected:
  FakeDispatcher dispatcher_;
  std::string log_;
};

TEST_F(FakeDispatcherTest, TimersFireAtTheirOwnTimesInOrder) {
  const auto start = dispatcher_.now();
  std::vector<milliseconds> fired;
  auto note = [&] { fired.push_back(std::chrono::duration_cast<milliseconds>(dispatcher_.now() - start)); };
  auto late = dispatcher_.createTimer(note);
  std::unique_ptr<event::Timer> early;
  early = dispatcher_.createTimer([&] {
    note();
    if (fired.size() < 3) {
      early->enable(milliseconds(10));
    }
  });
  late->enable(milliseconds(25));
  early->enable(milliseconds(10));
  dispatcher_.advance(milliseconds(9));
  EXPECT_TRUE(fired.empty());
  dispatcher_.advance(milliseconds(100));
  EXPECT_EQ(fired, (std::vector<milliseconds>{milliseconds(10), milliseconds(20), milliseconds(25), milliseconds(30)}));
  EXPECT_EQ(dispatcher_.now() - start, milliseconds(109));
  EXPECT_EQ(dispatcher_.armedTimers(), 0u);
}

TEST_F(FakeDispatcherTest, ZeroTimerWaitsForTheNextTurn) {
  int fired = 0;
  std::unique_ptr<event::Timer> timer;
  timer = dispatcher_.createTimer([&] {
    if (++fired < 2) {
      timer->enable(milliseconds(0));
    }
  });
  timer->enable(milliseconds(0));
  dispatcher_.runOnce();
  EXPECT_EQ(fired, 1);
  dispatcher_.runOnce();
  EXPECT_EQ(fired, 2);
}

TEST_F(FakeDispatcherTest, FileEventsFireForWhatTheyWatch) {
  auto event = dispatcher_.createFileEvent(7, event::Trigger::Edge, kRead,
                                           [&](uint32_t bits) { log_ += bits == kRead ? "r" : "?"; });
  EXPECT_FALSE(dispatcher_.fire(7, kWrite));
  EXPECT_TRUE(dispatcher_.fire(7, kRead | kWrite));
  EXPECT_EQ(log_, "r");
  event->activate(kRead);
  EXPECT_EQ(log_, "r");
  dispatcher_.runOnce();
  EXPECT_EQ(log_, "rr");
  event.reset();
  EXPECT_EQ(dispatcher_.watched(7), 0u);
}

class Flush : public event::IntrusiveTask {
 public:
  explicit Flush(std::string& log) : log_(log) {}

 private:
  void run() override { log_ += "flush "; }
  std::string& log_;
};

TEST_F(FakeDispatcherTest, UnwindsAfterEachCallback) {
  Flush flush(log_);
  dispatcher_.callback([&] {
    dispatcher_.runAtUnwind(flush);
    log_ += "inside ";
  });
  EXPECT_EQ(log_, "inside flush ");
}

TEST_F(FakeDispatcherTest, PostedAndDeferredRunInTheTurnsOrder) {
  struct Dying : event::DeferredDeletable {
    explicit Dying(std::string& log) : log(log) {}
    ~Dying() override { log += "deleted "; }
    std::string& log;
  };
  dispatcher_.post([&] {
    dispatcher_.deferredDelete(std::make_unique<Dying>(log_));
    dispatcher_.post([&] { log_ += "next "; });
    log_ += "posted ";
  });
  dispatcher_.runOnce();
  EXPECT_EQ(log_, "posted deleted ");
  dispatcher_.runUntilIdle();
  EXPECT_EQ(log_, "posted deleted next ");
}

TEST_F(FakeDispatcherTest, LaterTasksRunWhenTheTestSaysSo) {
  Flush task(log_);
  dispatcher_.runLater(task);
  dispatcher_.advance(milliseconds(10000));
  EXPECT_EQ(log_, "");
  dispatcher_.runLaterTasks();
  EXPECT_EQ(log_, "flush ");
}

TEST_F(FakeDispatcherTest, SignalsAreRaisedByTheTest) {
  auto event = dispatcher_.createSignalEvent(15, [&] { log_ += "term"; });
  EXPECT_TRUE(dispatcher_.raise(15));
  EXPECT_FALSE(dispatcher_.raise(1));
  EXPECT_EQ(log_, "term");
}

}  // namespace
}  // namespace sluice::test
