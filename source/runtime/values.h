#pragma once

#include "source/runtime/snapshot.h"

namespace envoy::config::core::v3 {
class RuntimeFeatureFlag;
class RuntimeFractionalPercent;
}  // namespace envoy::config::core::v3
namespace envoy::type::v3 {
class FractionalPercent;
}

namespace sluice::runtime {

// Runtime values never change while the program runs, so what a message says with them is settled when it is read.

Fraction toFraction(const envoy::type::v3::FractionalPercent& percent);
/// The runtime's value, or the default where its key is not set.
Fraction resolve(const envoy::config::core::v3::RuntimeFractionalPercent& percent, const Snapshot& runtime);
bool resolve(const envoy::config::core::v3::RuntimeFeatureFlag& flag, const Snapshot& runtime);

}  // namespace sluice::runtime
