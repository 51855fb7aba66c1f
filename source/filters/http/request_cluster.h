#pragma once

#include "absl/strings/string_view.h"

#include "source/http/filter.h"

namespace sluice::filters {

/**
 * What statistics call the cluster that serves a stream: that of the endpoint that was picked, else the one that the
 * route names for sure; empty while neither is known.
 */
absl::string_view servingCluster(http::StreamFilterCallbacks& callbacks);

/** The cluster that the route chooses for a request, by its own name; empty when there is none. */
absl::string_view chosenCluster(http::StreamFilterCallbacks& callbacks, const http::HeaderMap& headers);

}  // namespace sluice::filters
