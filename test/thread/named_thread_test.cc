#include "source/thread/named_thread.h"

#include <pthread.h>
#include <signal.h>

#include <string>

#include "gtest/gtest.h"

namespace sluice::thread {
namespace {

std::string nameOfThisThread() {
  char name[32];
  pthread_getname_np(pthread_self(), name, sizeof(name));
  return name;
}

TEST(NamedThreadTest, RunsUnderItsName) {
  std::string name, long_name;
  startThread("wrk:worker_0", [&] { name = nameOfThisThread(); }).join();
  startThread("wrk:worker_1234567", [&] { long_name = nameOfThisThread(); }).join();
  EXPECT_EQ(name, "wrk:worker_0");
  EXPECT_EQ(long_name, "wrk:worker_1234");
}

TEST(NamedThreadTest, LeavesSignalsToMain) {
  sigset_t inside, outside;
  startThread("quiet", [&] { pthread_sigmask(SIG_SETMASK, nullptr, &inside); }).join();
  pthread_sigmask(SIG_SETMASK, nullptr, &outside);
  EXPECT_TRUE(sigismember(&inside, SIGTERM));
  EXPECT_TRUE(sigismember(&inside, SIGUSR1));
  EXPECT_FALSE(sigismember(&inside, SIGSEGV));
  EXPECT_FALSE(sigismember(&outside, SIGTERM));
}

}  // namespace
}  // namespace sluice::thread
