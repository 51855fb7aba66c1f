#pragma once

#include <cstdint>

#include "absl/strings/string_view.h"

namespace sluice::xds {

/**
 * XXH64 with seed 0: what Envoy's `version` gauges show of a version_info, so that a fleet of both can be compared by the
 * same numbers.
 */
uint64_t versionHash(absl::string_view version);

}  // namespace sluice::xds
