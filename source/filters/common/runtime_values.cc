#include "source/filters/common/runtime_values.h"

#include "envoy/config/core/v3/base.pb.h"
#include "envoy/type/v3/percent.pb.h"

#include "source/base/random.h"

namespace sluice::filters {

runtime::Fraction toFraction(const envoy::type::v3::FractionalPercent& percent) {
  switch (percent.denominator()) {
    case envoy::type::v3::FractionalPercent::TEN_THOUSAND:
      return {percent.numerator(), 10'000};
    case envoy::type::v3::FractionalPercent::MILLION:
      return {percent.numerator(), 1'000'000};
    default:
      return {percent.numerator(), 100};
  }
}

runtime::Fraction resolve(const envoy::config::core::v3::RuntimeFractionalPercent& percent,
                          const runtime::Snapshot& runtime) {
  const runtime::Fraction fallback = toFraction(percent.default_value());
  return percent.runtime_key().empty() ? fallback : runtime.getFraction(percent.runtime_key(), fallback);
}

bool resolve(const envoy::config::core::v3::RuntimeFeatureFlag& flag, const runtime::Snapshot& runtime) {
  const bool fallback = flag.has_default_value() ? flag.default_value().value() : true;
  return flag.runtime_key().empty() ? fallback : runtime.getBool(flag.runtime_key(), fallback);
}

bool drawn(const runtime::Fraction& share) {
  if (share.numerator == 0) {
    return false;
  }
  return share.numerator >= share.denominator || share.contains(base::threadRandom().next());
}

}  // namespace sluice::filters
