#pragma once

#include <cstdint>

#include "source/http/header_map.h"
#include "source/http/route.h"

namespace sluice::http {

/**
 * One of the action's clusters, as often as its weight says: by `random`, or by the number in the header that the action
 * names. Null when all weights are zero.
 */
const WeightedCluster* pickWeightedCluster(const ForwardAction& action, const HeaderMap& headers, uint64_t random);

}  // namespace sluice::http
