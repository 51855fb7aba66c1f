#include "source/base/random.h"

#include <thread>

#include <gtest/gtest.h>

namespace sluice::base {
namespace {

TEST(Random, ASeedRepeatsItsSequence) {
  Random a(42);
  Random b(42);
  Random c(43);
  bool differs = false;
  for (int i = 0; i < 100; ++i) {
    const uint64_t value = a.next();
    EXPECT_EQ(value, b.next());
    differs = differs || value != c.next();
  }
  EXPECT_TRUE(differs);
}

TEST(Random, BelowIsEvenAndInBounds) {
  Random random(1);
  int counts[5] = {};
  for (int i = 0; i < 50000; ++i) {
    const uint64_t value = random.below(5);
    ASSERT_LT(value, 5u);
    ++counts[value];
  }
  for (const int count : counts) {
    EXPECT_NEAR(count, 10000, 500);
  }
  EXPECT_EQ(random.below(0), 0u);
  EXPECT_EQ(random.below(1), 0u);
}

TEST(Random, FractionIsBelowOne) {
  Random random(2);
  double sum = 0;
  for (int i = 0; i < 10000; ++i) {
    const double value = random.fraction();
    ASSERT_GE(value, 0);
    ASSERT_LT(value, 1);
    sum += value;
  }
  EXPECT_NEAR(sum / 10000, 0.5, 0.02);
}

TEST(Random, ThreadsHaveGeneratorsOfTheirOwn) {
  const uint64_t mine = threadRandom().next();
  uint64_t other = 0;
  Random* address = nullptr;
  std::thread([&] {
    address = &threadRandom();
    other = address->next();
  }).join();
  EXPECT_NE(address, &threadRandom());
  EXPECT_NE(mine, other);
}

}  // namespace
}  // namespace sluice::base
