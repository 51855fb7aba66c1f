#pragma once

#include "source/runtime/snapshot.h"

namespace envoy::config::core::v3 {
class RuntimeFeatureFlag;
class RuntimeFractionalPercent;
}  // namespace envoy::config::core::v3
namespace envoy::type::v3 {
class FractionalPercent;
}

namespace sluice::filters {

// Runtime values never change while the program runs, so what a message says with them is settled when it is read.

runtime::Fraction toFraction(const envoy::type::v3::FractionalPercent& percent);
/** The runtime's value, or the default where its key is not set. */
runtime::Fraction resolve(const envoy::config::core::v3::RuntimeFractionalPercent& percent,
                          const runtime::Snapshot& runtime);
bool resolve(const envoy::config::core::v3::RuntimeFeatureFlag& flag, const runtime::Snapshot& runtime);

/** Whether a thing that happens now is in the share: draws a random number unless all or none are. */
bool drawn(const runtime::Fraction& share);

}  // namespace sluice::filters
