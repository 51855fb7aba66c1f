#pragma once

#include <vector>

#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"

#include "source/filters/http/factory.h"
#include "source/http/filter_entry.h"
#include "source/http/route.h"

namespace sluice::filters {

/** A list of HTTP filters as configuration gives it, checked as Envoy does: exactly its last one is terminal. On main. */
std::vector<http::NamedFilter> makeHttpFilterChain(
    const google::protobuf::RepeatedPtrField<
        envoy::extensions::filters::network::http_connection_manager::v3::HttpFilter>& filters,
    const HttpFilterFactories& factories, const stats::ScopePtr& scope, xds::InitManager& init_manager,
    const config::FieldPath& path, config::Violations& violations);

/**
 * One entry of a typed_per_filter_config: the settings of a filter, or a FilterConfig around them. A type that is not
 * known is passed over where the FilterConfig says that it is optional.
 */
http::FilterOverride makeFilterOverride(const google::protobuf::Any& any, const HttpFilterFactories& factories,
                                        const config::FieldPath& path, config::Violations& violations);

}  // namespace sluice::filters
