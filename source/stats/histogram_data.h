#pragma once

#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace sluice::stats {

/**
 * The log-linear buckets that Envoy's histograms use, for whole numbers: two significant decimal digits. 0 to 99 have a
 * bucket each; above that there are 90 to a decade, as in [120, 130) and [1200, 1300).
 */
namespace bins {

inline constexpr uint32_t kPerGroup = 10;
/** 0..99, then decades up to that of 2^64. */
inline constexpr uint32_t kCount = 100 + 18 * 90;
inline constexpr uint32_t kGroups = kCount / kPerGroup;

uint32_t ofValue(uint64_t value);
double lowerBound(uint32_t bin);
/** As Envoy gives it: a tenth for 1 to 9, whose two digits are 10 to 90; none for 0. */
double width(uint32_t bin);

}  // namespace bins

/** A merged histogram: the buckets that are not empty, in order. */
struct HistogramData {
  struct Bin {
    uint16_t bin;
    uint64_t count;
  };
  std::vector<Bin> bins;
  uint64_t count = 0;
  /** Exact, of the recorded values. */
  uint64_t sum = 0;

  bool empty() const { return count == 0; }
  /** What came since `earlier` was read. */
  HistogramData since(const HistogramData& earlier) const;
  void add(const HistogramData& other);

  /** NaN if nothing was recorded. Within a bucket the values are taken to lie evenly spread. */
  double quantile(double q) const;
  /** How many values lie at or below `bound`, to the precision of the buckets. */
  uint64_t countUpTo(double bound) const;
};

/** P0 to P100 as Envoy's pages list them. */
absl::Span<const double> supportedQuantiles();
/** In milliseconds, as Envoy has them. */
absl::Span<const double> defaultBuckets();

}  // namespace sluice::stats
