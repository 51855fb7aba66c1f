#include "source/http/weighted_cluster.h"

#include "absl/strings/numbers.h"

namespace sluice::http {

const WeightedCluster* pickWeightedCluster(const ForwardAction& action, const HeaderMap& headers, uint64_t random) {
  if (action.total_weight == 0) {
    return nullptr;
  }
  if (!action.random_value_header.empty()) {
    uint64_t given = 0;
    if (absl::SimpleAtoi(headers.get(action.random_value_header), &given)) {
      random = given;
    }
  }
  uint64_t left = random % action.total_weight;
  for (const WeightedCluster& cluster : action.weighted) {
    if (left < cluster.weight) {
      return &cluster;
    }
    left -= cluster.weight;
  }
  return nullptr;
}

}  // namespace sluice::http
