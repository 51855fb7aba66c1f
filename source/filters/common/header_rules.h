#pragma once

#include <memory>
#include <vector>

#include "source/config/field_path.h"
#include "source/config/violations.h"
#include "source/filters/common/config_tools.h"
#include "source/http/header_matcher.h"
#include "source/http/header_mutations.h"
#include "source/http/stream_info.h"

namespace sluice::filters {

/** All of them must match. */
using HeaderMatchers = std::vector<http::HeaderMatcher>;

HeaderMatchers readHeaderMatchers(
    const google::protobuf::RepeatedPtrField<envoy::config::route::v3::HeaderMatcher>& protos,
    const runtime::Snapshot& runtime, const config::FieldPath& path, config::Violations& violations);
/** True when there are none. */
bool matchesAll(const HeaderMatchers& matchers, const http::HeaderMap& headers);

/** Null when there are none. */
std::shared_ptr<const http::HeaderMutations> readHeaderOptions(const http::HeaderMutations::Options& protos,
                                                               const ConfigTools& tools, const config::FieldPath& path,
                                                               config::Violations& violations);
/** What formats see of a stream. */
inline access_log::LogContext formatContext(const http::StreamInfo& info) {
  return {info, access_log::LogType::NotSet, &info, {}};
}

}  // namespace sluice::filters
