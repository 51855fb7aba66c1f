#include "source/event/task_list.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace sluice::event {
namespace {

class Task : public IntrusiveTask {
 public:
  explicit Task(std::function<void()> run) : run_(std::move(run)) {}

 private:
  void run() override { run_(); }
  std::function<void()> run_;
};

class TaskListTest : public testing::Test {
 protected:
  std::unique_ptr<Task> task(const std::string& name) {
    return std::make_unique<Task>([this, name] { ran_ += name; });
  }
  void runAll(TaskList& list) {
    while (!list.empty()) {
      list.runFirst();
    }
  }
  std::string ran_;
};

TEST_F(TaskListTest, RunsInOrderOfScheduling) {
  auto a = task("a"), b = task("b"), c = task("c");
  TaskList list;
  list.add(*a);
  list.add(*b);
  list.add(*c);
  runAll(list);
  EXPECT_EQ(ran_, "abc");
  EXPECT_FALSE(a->linked());
}

TEST_F(TaskListTest, ScheduledTwiceRunsOnceAtItsFirstPlace) {
  auto a = task("a"), b = task("b");
  TaskList list;
  list.add(*a);
  list.add(*b);
  list.add(*a);
  runAll(list);
  EXPECT_EQ(ran_, "ab");
}

TEST_F(TaskListTest, DestroyedTaskDoesNotRun) {
  auto a = task("a"), b = task("b"), c = task("c");
  TaskList list;
  list.add(*a);
  list.add(*b);
  list.add(*c);
  b.reset();
  runAll(list);
  EXPECT_EQ(ran_, "ac");
}

TEST_F(TaskListTest, UnlinkCancels) {
  auto a = task("a");
  TaskList list;
  list.add(*a);
  a->unlink();
  EXPECT_TRUE(list.empty());
  a->unlink();
}

TEST_F(TaskListTest, TaskMayScheduleItselfAnewAndDeleteItself) {
  TaskList list;
  int runs = 0;
  std::unique_ptr<Task> self;
  self = std::make_unique<Task>([&] {
    if (++runs < 3) {
      list.add(*self);
    } else {
      self.reset();
    }
  });
  list.add(*self);
  runAll(list);
  EXPECT_EQ(runs, 3);
}

TEST_F(TaskListTest, SpliceMovesEverythingBehindWhatIsThere) {
  auto a = task("a"), b = task("b"), c = task("c");
  TaskList list, other, empty;
  list.add(*a);
  other.add(*b);
  other.add(*c);
  list.splice(other);
  list.splice(empty);
  EXPECT_TRUE(other.empty());
  runAll(list);
  EXPECT_EQ(ran_, "abc");
}

TEST_F(TaskListTest, TasksOutliveTheirList) {
  auto a = task("a");
  {
    TaskList list;
    list.add(*a);
  }
  EXPECT_FALSE(a->linked());
}

}  // namespace
}  // namespace sluice::event
