#pragma once

#include <string>

#include "absl/strings/string_view.h"

#include "source/base/arena.h"
#include "source/http/header_map.h"
#include "source/http/route.h"
#include "source/http/stream_info.h"

namespace sluice::filters {

/**
 * Makes a request what its route says that it goes upstream as: header mutations of all four levels, host, path.
 * `weighted` is null unless one of several clusters was drawn.
 */
void rewriteRequest(const http::Route& route, const http::WeightedCluster* weighted, http::HeaderMap& request,
                    const http::StreamInfo& info, bool insert_originals);

/** The response's mutations of all four levels. */
void rewriteResponse(const http::Route& route, const http::WeightedCluster* weighted, http::HeaderMap& response,
                     const http::StreamInfo& info);

/** Sets :authority, noting the old one in x-forwarded-host if `append` says so. */
void rewriteHost(http::HeaderMap& request, absl::string_view host, bool append_x_forwarded_host,
                 bool insert_original_host);

/** The path (with its query) that a rewrite makes of `path`; in the arena. */
absl::string_view rewritePath(const http::Route& route, const http::PathRewrite& rewrite, absl::string_view path,
                              base::Arena& arena);

/** Where a redirect sends the request: the whole URL. */
std::string redirectLocation(const http::Route& route, const http::HeaderMap& request);

}  // namespace sluice::filters
