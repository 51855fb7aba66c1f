#include "source/base/callback_list.h"

#include <memory>
#include <vector>

#include <gtest/gtest.h>

namespace sluice::base {
namespace {

TEST(CallbackList, RunsInOrderOfAdding) {
  CallbackList<int> list;
  std::vector<int> seen;
  const CallbackHandlePtr first = list.add([&seen](int x) { seen.push_back(x); });
  const CallbackHandlePtr second = list.add([&seen](int x) { seen.push_back(x * 10); });
  list.run(3);
  EXPECT_EQ(seen, (std::vector<int>{3, 30}));
}

TEST(CallbackList, DestroyedHandleEndsItsCallback) {
  CallbackList<> list;
  int calls = 0;
  CallbackHandlePtr handle = list.add([&calls] { ++calls; });
  EXPECT_FALSE(list.empty());
  handle.reset();
  list.run();
  EXPECT_EQ(calls, 0);
  EXPECT_TRUE(list.empty());
}

TEST(CallbackList, CallbackMayRemoveItselfAndTheNext) {
  CallbackList<> list;
  int first_calls = 0;
  int second_calls = 0;
  CallbackHandlePtr first;
  CallbackHandlePtr second;
  first = list.add([&] {
    ++first_calls;
    second.reset();
    first.reset();
  });
  second = list.add([&second_calls] { ++second_calls; });
  list.run();
  list.run();
  EXPECT_EQ(first_calls, 1);
  EXPECT_EQ(second_calls, 0);
}

TEST(CallbackList, WhatIsAddedDuringARunWaitsForTheNext) {
  CallbackList<> list;
  int late_calls = 0;
  std::vector<CallbackHandlePtr> handles;
  handles.push_back(list.add([&] { handles.push_back(list.add([&late_calls] { ++late_calls; })); }));
  list.run();
  EXPECT_EQ(late_calls, 0);
  list.run();
  EXPECT_EQ(late_calls, 1);
}

TEST(CallbackList, CallbackMayDestroyTheList) {
  auto list = std::make_unique<CallbackList<>>();
  int later_calls = 0;
  const CallbackHandlePtr first = list->add([&list] { list.reset(); });
  const CallbackHandlePtr second = list->add([&later_calls] { ++later_calls; });
  list->run();
  EXPECT_EQ(list, nullptr);
  EXPECT_EQ(later_calls, 0);
}

TEST(CallbackList, HandleOutlivesTheList) {
  CallbackHandlePtr handle;
  {
    CallbackList<> list;
    handle = list.add([] {});
  }
  handle.reset();
}

TEST(CallbackList, RunsInsideARun) {
  CallbackList<> list;
  int calls = 0;
  CallbackHandlePtr removed_inside;
  const CallbackHandlePtr handle = list.add([&] {
    if (++calls == 1) {
      list.run();
      removed_inside.reset();
    }
  });
  int other_calls = 0;
  removed_inside = list.add([&other_calls] { ++other_calls; });
  list.run();
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(other_calls, 1);
}

}  // namespace
}  // namespace sluice::base
