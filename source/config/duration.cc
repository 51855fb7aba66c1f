#include "source/config/duration.h"

#include <limits>

namespace sluice::config {
namespace {

// Seconds and nanos of a valid duration have the same sign, so their sum leaves the range only in one direction.
int64_t toUnits(const google::protobuf::Duration& duration, int64_t units_per_second) {
  const int64_t rest = duration.nanos() / (1'000'000'000 / units_per_second);
  int64_t whole = 0;
  int64_t sum = 0;
  if (__builtin_mul_overflow(duration.seconds(), units_per_second, &whole) ||
      __builtin_add_overflow(whole, rest, &sum)) {
    return duration.seconds() < 0 ? std::numeric_limits<int64_t>::min() : std::numeric_limits<int64_t>::max();
  }
  return sum;
}

}  // namespace

int64_t toNanoseconds(const google::protobuf::Duration& duration) { return toUnits(duration, 1'000'000'000); }
int64_t toMilliseconds(const google::protobuf::Duration& duration) { return toUnits(duration, 1'000); }

int64_t durationOr(bool has, const google::protobuf::Duration& duration, int64_t fallback_ms) {
  return has ? toMilliseconds(duration) : fallback_ms;
}

}  // namespace sluice::config
