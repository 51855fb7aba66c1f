#pragma once

#include <string>
#include <utility>
#include <vector>

#include "envoy/config/metrics/v3/stats.pb.h"

#include "source/config/field_path.h"
#include "source/config/violations.h"
#include "source/stats/store.h"

namespace sluice::server {

/** bootstrap.stats_config and --stats-tag as what the store is made with; mistakes go to `violations`, under `path`. */
stats::StoreOptions readStatsConfig(const envoy::config::metrics::v3::StatsConfig& config,
                                    const std::vector<std::pair<std::string, std::string>>& fixed_tags,
                                    const config::FieldPath& path, config::Violations& violations);

}  // namespace sluice::server
