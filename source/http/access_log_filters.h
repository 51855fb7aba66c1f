#pragma once

#include "source/access_log/log_filter.h"

namespace sluice::http {

/**
 * The access log filters that look at requests: status_code_filter, not_health_check_filter, traceable_filter,
 * runtime_filter by x-request-id, header_filter, grpc_status_filter; and metadata_filter. For access_log::LogFilterFactory; on main.
 */
access_log::LogFilterPtr makeAccessLogFilter(const envoy::config::accesslog::v3::AccessLogFilter& config,
                                             const access_log::LogFilterFactory::Runtime& runtime,
                                             const config::FieldPath& path, config::Violations& violations);

}  // namespace sluice::http
