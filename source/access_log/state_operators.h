#pragma once

#include "source/access_log/operators.h"

namespace sluice::access_log {

/** Operators that read what filters and configuration left: filter state and metadata. */
void addStateOperators(OperatorTable& table);

/** For operators whose argument is "NAMESPACE:KEY:...": the path, into `parts`. */
absl::Status prepareMetadataPath(PreparedArgument& argument, const OperatorTable& table);

/** The metadata that %DYNAMIC_METADATA%, %CLUSTER_METADATA% and %UPSTREAM_METADATA% read; null when there is none. */
const envoy::config::core::v3::Metadata* dynamicMetadata(const LogContext& context);
const envoy::config::core::v3::Metadata* clusterMetadata(const LogContext& context);
const envoy::config::core::v3::Metadata* hostMetadata(const LogContext& context);

}  // namespace sluice::access_log
