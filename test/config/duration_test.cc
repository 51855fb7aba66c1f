#include "source/config/duration.h"

#include <limits>

#include "gtest/gtest.h"

namespace sluice::config {
namespace {

google::protobuf::Duration duration(int64_t seconds, int32_t nanos) {
  google::protobuf::Duration out;
  out.set_seconds(seconds);
  out.set_nanos(nanos);
  return out;
}

TEST(Duration, IsConvertedRoundingTowardsZero) {
  EXPECT_EQ(toNanoseconds(duration(1, 5)), 1'000'000'005);
  EXPECT_EQ(toMilliseconds(duration(1, 999'999)), 1'000);
  EXPECT_EQ(toMilliseconds(duration(-1, -500'000'000)), -1'500);
}

TEST(Duration, SaturatesInsteadOfOverflowing) {
  EXPECT_EQ(toNanoseconds(duration(315'576'000'000, 0)), std::numeric_limits<int64_t>::max());
  EXPECT_EQ(toNanoseconds(duration(-315'576'000'000, -1)), std::numeric_limits<int64_t>::min());
  EXPECT_EQ(toMilliseconds(duration(std::numeric_limits<int64_t>::max(), 0)), std::numeric_limits<int64_t>::max());
}

TEST(Duration, FallsBackWhereItIsNotSet) {
  EXPECT_EQ(durationOr(false, duration(1, 0), 5'000), 5'000);
  EXPECT_EQ(durationOr(true, duration(0, 0), 5'000), 0);
}

}  // namespace
}  // namespace sluice::config
