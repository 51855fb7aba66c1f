#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "source/http/header_map.h"
#include "source/http/route.h"
#include "source/http/stream_info.h"

namespace sluice::filters {

/**
 * What a route's hash policies make of a request, as Envoy combines them (xxHash64); none when no policy finds anything.
 * Cookies that a policy makes are added to the request's hash and, as Set-Cookie values, to `new_cookies`.
 */
std::optional<uint64_t> requestHash(const std::vector<http::HashPolicy>& policies, const http::HeaderMap& request,
                                    const http::StreamInfo& info, std::vector<std::string>& new_cookies);

}  // namespace sluice::filters
