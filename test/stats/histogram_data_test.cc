#include "source/stats/histogram_data.h"

#include <cmath>
#include <limits>
#include <map>

#include <gtest/gtest.h>

namespace sluice::stats {
namespace {

HistogramData of(std::initializer_list<uint64_t> values) {
  std::map<uint16_t, uint64_t> counts;
  HistogramData data;
  for (const uint64_t value : values) {
    ++counts[static_cast<uint16_t>(bins::ofValue(value))];
    ++data.count;
    data.sum += value;
  }
  for (const auto& [bin, count] : counts) {
    data.bins.push_back({bin, count});
  }
  return data;
}

TEST(Bins, HoldTheirValues) {
  uint32_t previous = 0;
  for (uint64_t value = 0; value < 2000000; value += value < 2000 ? 1 : 997) {
    const uint32_t bin = bins::ofValue(value);
    ASSERT_LT(bin, bins::kCount);
    ASSERT_GE(bin, previous);
    previous = bin;
    ASSERT_LE(bins::lowerBound(bin), static_cast<double>(value));
    ASSERT_LT(static_cast<double>(value), bins::lowerBound(bin) + std::max(1.0, bins::width(bin)));
  }
}

TEST(Bins, ReachToTheLargestNumber) {
  EXPECT_EQ(bins::ofValue(99), 99u);
  EXPECT_EQ(bins::ofValue(100), 100u);
  EXPECT_EQ(bins::ofValue(109), 100u);
  EXPECT_EQ(bins::ofValue(110), 101u);
  EXPECT_EQ(bins::ofValue(999), 189u);
  EXPECT_EQ(bins::ofValue(1000), 190u);
  const uint32_t last = bins::ofValue(std::numeric_limits<uint64_t>::max());
  EXPECT_LT(last, bins::kCount);
  EXPECT_EQ(bins::lowerBound(last), 1.8e19);
  uint64_t power = 1;
  for (int i = 0; i < 19; ++i, power *= 10) {
    EXPECT_EQ(bins::lowerBound(bins::ofValue(power)), static_cast<double>(power));
    EXPECT_EQ(bins::ofValue(power), bins::ofValue(power - 1) + 1);
  }
}

// What Envoy 1.40 printed for the same values.
TEST(HistogramData, QuantilesAreEnvoys) {
  const HistogramData data = of({1, 1, 2, 4});
  EXPECT_DOUBLE_EQ(data.quantile(0), 1.0333333333333334);
  EXPECT_DOUBLE_EQ(data.quantile(0.25), 1.0333333333333334);
  EXPECT_DOUBLE_EQ(data.quantile(0.5), 1.0666666666666667);
  EXPECT_DOUBLE_EQ(data.quantile(0.75), 2.05);
  EXPECT_DOUBLE_EQ(data.quantile(0.9), 4.05);
  EXPECT_DOUBLE_EQ(data.quantile(1), 4.05);
  EXPECT_DOUBLE_EQ(of({40}).quantile(0.5), 40.5);
  EXPECT_DOUBLE_EQ(of({0, 0, 0}).quantile(0.99), 0);
  EXPECT_TRUE(std::isnan(HistogramData().quantile(0.5)));
}

TEST(HistogramData, CountsUpToABoundAreEnvoys) {
  const HistogramData data = of({0, 0, 0, 1, 1, 2, 250, 251, 260});
  EXPECT_EQ(data.countUpTo(0.5), 3u);
  EXPECT_EQ(data.countUpTo(1), 5u);
  EXPECT_EQ(data.countUpTo(5), 6u);
  EXPECT_EQ(data.countUpTo(100), 6u);
  EXPECT_EQ(data.countUpTo(250), 8u);
  EXPECT_EQ(data.countUpTo(3600000), 9u);
}

TEST(HistogramData, DifferenceAndSumAreInverse) {
  const HistogramData earlier = of({1, 5, 500});
  HistogramData later = of({1, 5, 500, 5, 7, 100000});
  const HistogramData interval = later.since(earlier);
  EXPECT_EQ(interval.count, 3u);
  EXPECT_EQ(interval.sum, 100012u);
  ASSERT_EQ(interval.bins.size(), 3u);
  EXPECT_EQ(interval.bins[0].bin, bins::ofValue(5));
  EXPECT_EQ(interval.bins[0].count, 1u);
  HistogramData again = earlier;
  again.add(interval);
  EXPECT_EQ(again.count, later.count);
  ASSERT_EQ(again.bins.size(), later.bins.size());
  for (size_t i = 0; i < again.bins.size(); ++i) {
    EXPECT_EQ(again.bins[i].bin, later.bins[i].bin);
    EXPECT_EQ(again.bins[i].count, later.bins[i].count);
  }
}

}  // namespace
}  // namespace sluice::stats
