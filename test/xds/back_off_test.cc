#include "source/xds/back_off.h"

#include "gtest/gtest.h"

namespace sluice::xds {
namespace {

using std::chrono::milliseconds;

TEST(BackOff, DoublesUpToItsMaximum) {
  BackOff back_off(milliseconds(500), milliseconds(3000));
  base::Random random(1);
  for (int expected : {500, 1000, 2000, 3000, 3000}) {
    EXPECT_EQ(back_off.interval(), milliseconds(expected));
    const milliseconds pause = back_off.next(random);
    EXPECT_GE(pause, milliseconds(0));
    EXPECT_LT(pause, milliseconds(expected));
  }
  back_off.reset();
  EXPECT_EQ(back_off.interval(), milliseconds(500));
}

TEST(BackOff, IsSpreadOverTheInterval) {
  base::Random random(7);
  int low = 0;
  for (int i = 0; i < 1000; ++i) {
    BackOff back_off(milliseconds(1000), milliseconds(1000));
    low += back_off.next(random) < milliseconds(500);
  }
  EXPECT_GT(low, 400);
  EXPECT_LT(low, 600);
}

}  // namespace
}  // namespace sluice::xds
