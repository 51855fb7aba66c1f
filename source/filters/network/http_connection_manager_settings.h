#pragma once

#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"

#include "source/access_log/log_filter.h"
#include "source/access_log/operators.h"
#include "source/config/field_path.h"
#include "source/config/violations.h"
#include "source/http/connection_manager_settings.h"

namespace sluice::filters {

/**
 * All of an HttpConnectionManager that needs no factories: its filters, upgrades, routes, access logs and codec options are
 * the caller's to add. On main.
 */
http::ConnectionManagerSettings readConnectionManager(
    const envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager& proto,
    const access_log::OperatorTable& operators, const access_log::LogFilterFactory& log_filters,
    const config::FieldPath& path, config::Violations& violations);

}  // namespace sluice::filters
