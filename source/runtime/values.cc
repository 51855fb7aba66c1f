#include "source/runtime/values.h"

#include "envoy/config/core/v3/base.pb.h"
#include "envoy/type/v3/percent.pb.h"

namespace sluice::runtime {

Fraction toFraction(const envoy::type::v3::FractionalPercent& percent) {
  switch (percent.denominator()) {
    case envoy::type::v3::FractionalPercent::TEN_THOUSAND:
      return {percent.numerator(), 10'000};
    case envoy::type::v3::FractionalPercent::MILLION:
      return {percent.numerator(), 1'000'000};
    default:
      return {percent.numerator(), 100};
  }
}

Fraction resolve(const envoy::config::core::v3::RuntimeFractionalPercent& percent, const Snapshot& runtime) {
  const Fraction fallback = toFraction(percent.default_value());
  return percent.runtime_key().empty() ? fallback : runtime.getFraction(percent.runtime_key(), fallback);
}

bool resolve(const envoy::config::core::v3::RuntimeFeatureFlag& flag, const Snapshot& runtime) {
  const bool fallback = flag.has_default_value() ? flag.default_value().value() : true;
  return flag.runtime_key().empty() ? fallback : runtime.getBool(flag.runtime_key(), fallback);
}

}  // namespace sluice::runtime
