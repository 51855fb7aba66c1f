#include "source/base/crash.h"

#include <sys/mman.h>

#include <csignal>
#include <cstdlib>
#include <stdexcept>
#include <thread>

#include <gtest/gtest.h>

#include "source/base/assert.h"

namespace sluice::base {

// Outside the anonymous namespace and never inlined, so that the backtrace can name it.
[[gnu::noinline]] int readForbiddenPage() {
  volatile int* page = static_cast<int*>(::mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  return *page + 1;
}

[[gnu::noinline]] int overflowStack(int depth) {
  volatile char frame[4096];
  frame[0] = static_cast<char>(depth);
  return depth < 0 ? 0 : overflowStack(depth + 1) + frame[0];
}

namespace {

class CrashDeathTest : public ::testing::Test {
 protected:
  // Each child starts anew, for the parent's other tests may have left threads.
  CrashDeathTest() { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

TEST_F(CrashDeathTest, TellsTheSignalAndTheBacktrace) {
  EXPECT_EXIT(
      {
        installCrashHandler("crash_test");
        readForbiddenPage();
      },
      ::testing::KilledBySignal(SIGSEGV),
      "Caught Segmentation fault, suspect faulting address 0x[0-9a-f]+.*#0: .*readForbiddenPage");
}

TEST_F(CrashDeathTest, TellsWhatTheThreadWasDoing) {
  EXPECT_EXIT(
      {
        installCrashHandler("crash_test");
        std::thread([] {
          const CrashStack stack;
          const ScopedActivity thread("thread", "worker_0");
          const ScopedActivity listener("listener", "front");
          { const ScopedActivity over("connection", 11); }
          const ScopedActivity connection("connection", 12);
          std::raise(SIGBUS);
        }).join();
      },
      ::testing::KilledBySignal(SIGBUS), "Caught Bus error.*\n  connection 12\n  listener front\n  thread worker_0\n");
}

TEST_F(CrashDeathTest, BrokenInvariantIsTold) {
  EXPECT_EXIT(
      {
        installCrashHandler("crash_test");
        SLUICE_CHECK(1 + 1 == 3, "arithmetic holds");
      },
      ::testing::KilledBySignal(SIGABRT),
      "critical.*crash_test.cc.*check failed: 1 \\+ 1 == 3. arithmetic holds.*Caught Aborted");
}

TEST_F(CrashDeathTest, UncaughtExceptionIsTold) {
  EXPECT_EXIT(
      {
        installCrashHandler("crash_test");
        std::thread([] { throw std::runtime_error("the reason"); }).join();
      },
      ::testing::KilledBySignal(SIGABRT), "unexpected exception std::runtime_error: the reason.*Caught Aborted");
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST_F(CrashDeathTest, OverflownStackIsTold) {
  EXPECT_EXIT(
      {
        installCrashHandler("crash_test");
        overflowStack(0);
      },
      ::testing::KilledBySignal(SIGSEGV), "Caught Segmentation fault.*overflowStack");
}
#endif

TEST(Check, TrueConditionGoesOn) {
  int evaluated = 0;
  SLUICE_CHECK(++evaluated == 1, "evaluated once");
  EXPECT_EQ(evaluated, 1);
}

}  // namespace
}  // namespace sluice::base
