#include "source/stats/histogram_data.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace sluice::stats {
namespace {

constexpr uint64_t kPowersOfTen[] = {1,
                                     10,
                                     100,
                                     1000,
                                     10000,
                                     100000,
                                     1000000,
                                     10000000,
                                     100000000,
                                     1000000000,
                                     10000000000,
                                     100000000000,
                                     1000000000000,
                                     10000000000000,
                                     100000000000000,
                                     1000000000000000,
                                     10000000000000000,
                                     100000000000000000,
                                     1000000000000000000,
                                     10000000000000000000u};

constexpr double kQuantiles[] = {0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 1};
constexpr double kBuckets[] = {0.5,  1,    5,     10,    25,    50,     100,    250,     500,    1000,
                               2500, 5000, 10000, 30000, 60000, 300000, 600000, 1800000, 3600000};

}  // namespace

namespace bins {

uint32_t ofValue(uint64_t value) {
  if (value < 100) {
    return static_cast<uint32_t>(value);
  }
  // 1233/4096 is just above log10(2); the estimate of the decade is right or one too high.
  uint32_t digits = ((64 - static_cast<uint32_t>(__builtin_clzll(value))) * 1233) >> 12;
  if (value >= kPowersOfTen[digits]) {
    ++digits;
  }
  const uint64_t two_digits = value / kPowersOfTen[digits - 2];
  return 100 + (digits - 3) * 90 + static_cast<uint32_t>(two_digits - 10);
}

double lowerBound(uint32_t bin) {
  if (bin < 100) {
    return bin;
  }
  const uint32_t decade = (bin - 100) / 90 + 1;
  return static_cast<double>((bin - 100) % 90 + 10) * static_cast<double>(kPowersOfTen[decade]);
}

double width(uint32_t bin) {
  if (bin == 0) {
    return 0;
  }
  if (bin < 10) {
    return 0.1;
  }
  return bin < 100 ? 1 : static_cast<double>(kPowersOfTen[(bin - 100) / 90 + 1]);
}

}  // namespace bins

HistogramData HistogramData::since(const HistogramData& earlier) const {
  HistogramData result;
  result.count = count - earlier.count;
  result.sum = sum - earlier.sum;
  auto before = earlier.bins.begin();
  for (const Bin& bin : bins) {
    while (before != earlier.bins.end() && before->bin < bin.bin) {
      ++before;
    }
    const uint64_t known = before != earlier.bins.end() && before->bin == bin.bin ? before->count : 0;
    if (bin.count != known) {
      result.bins.push_back({bin.bin, bin.count - known});
    }
  }
  return result;
}

void HistogramData::add(const HistogramData& other) {
  std::vector<Bin> merged;
  merged.reserve(bins.size() + other.bins.size());
  auto mine = bins.begin();
  auto theirs = other.bins.begin();
  while (mine != bins.end() || theirs != other.bins.end()) {
    if (theirs == other.bins.end() || (mine != bins.end() && mine->bin < theirs->bin)) {
      merged.push_back(*mine++);
    } else if (mine == bins.end() || theirs->bin < mine->bin) {
      merged.push_back(*theirs++);
    } else {
      merged.push_back({mine->bin, mine->count + theirs->count});
      ++mine;
      ++theirs;
    }
  }
  bins = std::move(merged);
  count += other.count;
  sum += other.sum;
}

double HistogramData::quantile(double q) const {
  if (count == 0) {
    return std::numeric_limits<double>::quiet_NaN();
  }
  // The rank of the value that is asked for, from 1.
  const double rank = std::max(1.0, std::ceil(q * static_cast<double>(count)));
  double below = 0;
  for (const Bin& bin : bins) {
    const double here = static_cast<double>(bin.count);
    if (below + here >= rank) {
      return bins::lowerBound(bin.bin) + bins::width(bin.bin) * ((rank - below) / (here + 1));
    }
    below += here;
  }
  return bins::lowerBound(bins.back().bin);
}

uint64_t HistogramData::countUpTo(double bound) const {
  uint64_t total = 0;
  for (const Bin& bin : bins) {
    if (bins::lowerBound(bin.bin) > bound) {
      break;
    }
    total += bin.count;
  }
  return total;
}

absl::Span<const double> supportedQuantiles() { return kQuantiles; }
absl::Span<const double> defaultBuckets() { return kBuckets; }

}  // namespace sluice::stats
