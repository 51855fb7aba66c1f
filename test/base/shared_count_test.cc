#include "source/base/shared_count.h"

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace sluice::base {
namespace {

// On the heap, as in the product: GCC 12's AddressSanitizer does not align objects of 64 bytes on its fake stack.
TEST(SharedCount, StopsAtItsLimit) {
  const auto held = std::make_unique<SharedCount>();
  SharedCount& count = *held;
  EXPECT_TRUE(count.tryAcquire(2));
  EXPECT_TRUE(count.tryAcquire(2));
  EXPECT_FALSE(count.tryAcquire(2));
  EXPECT_TRUE(count.tryAcquire(3));
  count.release();
  EXPECT_EQ(count.value(), 2u);
  EXPECT_FALSE(count.tryAcquire(0));
}

TEST(SharedCount, NeverOvershootsUnderContention) {
  constexpr uint64_t kLimit = 3;
  const auto held = std::make_unique<SharedCount>();
  SharedCount& count = *held;
  std::atomic<uint64_t> most{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&count, &most] {
      for (int turn = 0; turn < 20000; ++turn) {
        if (count.tryAcquire(kLimit)) {
          const uint64_t now = count.value();
          uint64_t before = most.load();
          while (now > before && !most.compare_exchange_weak(before, now)) {
          }
          count.release();
        }
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_LE(most.load(), kLimit);
  EXPECT_GT(most.load(), 0u);
  EXPECT_EQ(count.value(), 0u);
}

}  // namespace
}  // namespace sluice::base
