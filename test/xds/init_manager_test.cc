#include "source/xds/init_manager.h"

#include <memory>

#include "gtest/gtest.h"

namespace sluice::xds {
namespace {

TEST(InitManager, IsReadyAtOnceWithoutTargets) {
  InitManager manager("empty");
  EXPECT_EQ(manager.phase(), InitManager::Phase::Uninitialized);
  int ready = 0;
  manager.initialize([&] { ++ready; });
  EXPECT_EQ(ready, 1);
  EXPECT_EQ(manager.phase(), InitManager::Phase::Initialized);
}

TEST(InitManager, StartsTargetsAndWaitsForAllOfThem) {
  InitManager manager("two");
  int started = 0;
  int ready = 0;
  InitTarget a("endpoints of a", [&] { ++started; });
  InitTarget b("endpoints of b", [&] { ++started; });
  manager.add(a);
  manager.add(b);
  EXPECT_EQ(started, 0);
  manager.initialize([&] { ++ready; });
  EXPECT_EQ(started, 2);
  a.ready();
  a.ready();
  EXPECT_EQ(ready, 0);
  ASSERT_EQ(manager.pending().size(), 1u);
  EXPECT_EQ(manager.pending()[0].target, "endpoints of b");
  b.ready();
  EXPECT_EQ(ready, 1);
  EXPECT_TRUE(b.isReady());
  EXPECT_TRUE(manager.pending().empty());
}

TEST(InitManager, TargetThatIsReadyInItsStartDoesNotEndItEarly) {
  InitManager manager("m");
  int ready = 0;
  std::unique_ptr<InitTarget> a;
  a = std::make_unique<InitTarget>("a", [&] { a->ready(); });
  bool b_started = false;
  InitTarget b("b", [&] { b_started = true; });
  manager.add(*a);
  manager.add(b);
  manager.initialize([&] { ++ready; });
  EXPECT_TRUE(b_started);
  EXPECT_EQ(ready, 0);
  b.ready();
  EXPECT_EQ(ready, 1);
}

TEST(InitManager, TargetReadyBeforeIsNeitherStartedNorWaitedFor) {
  InitManager manager("m");
  bool started = false;
  InitTarget target("t", [&] { started = true; });
  target.ready();
  manager.add(target);
  bool ready = false;
  manager.initialize([&] { ready = true; });
  EXPECT_TRUE(ready);
  EXPECT_FALSE(started);
}

TEST(InitManager, TargetAddedWhileInitializingIsStartedAtOnce) {
  InitManager manager("m");
  int ready = 0;
  InitTarget first("first", [] {});
  manager.add(first);
  manager.initialize([&] { ++ready; });
  bool started = false;
  InitTarget second("second", [&] { started = true; });
  manager.add(second);
  EXPECT_TRUE(started);
  first.ready();
  EXPECT_EQ(ready, 0);
  second.ready();
  EXPECT_EQ(ready, 1);
}

TEST(InitManager, DestroyedTargetCountsAsReady) {
  InitManager manager("m");
  int ready = 0;
  auto target = std::make_unique<InitTarget>("t", [] {});
  manager.add(*target);
  manager.initialize([&] { ++ready; });
  target.reset();
  EXPECT_EQ(ready, 1);
}

TEST(InitManager, DestroyedManagerNeverCallsBack) {
  auto manager = std::make_unique<InitManager>("m");
  int ready = 0;
  InitTarget target("t", [] {});
  manager->add(target);
  manager->initialize([&] { ++ready; });
  manager.reset();
  target.ready();
  EXPECT_EQ(ready, 0);
}

TEST(InitManager, MayBeDestroyedByItsCallbackAndByATargetsStart) {
  auto manager = std::make_unique<InitManager>("m");
  InitTarget target("t", [] {});
  manager->add(target);
  manager->initialize([&] { manager.reset(); });
  target.ready();
  EXPECT_EQ(manager, nullptr);

  auto other = std::make_unique<InitManager>("o");
  bool ready = false;
  InitTarget ends_it("t", [&] { other.reset(); });
  other->add(ends_it);
  other->initialize([&] { ready = true; });
  EXPECT_EQ(other, nullptr);
  ends_it.ready();
  EXPECT_FALSE(ready);
}

TEST(InitManager, OneTargetMayHoldUpTwoManagersAndStartsOnce) {
  InitManager a("a"), b("b");
  int started = 0;
  int ready = 0;
  InitTarget target("shared", [&] { ++started; });
  a.add(target);
  b.add(target);
  a.initialize([&] { ++ready; });
  b.initialize([&] { ++ready; });
  EXPECT_EQ(started, 1);
  target.ready();
  EXPECT_EQ(ready, 2);
}

}  // namespace
}  // namespace sluice::xds
