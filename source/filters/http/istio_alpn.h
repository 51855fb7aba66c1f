#pragma once

#include <memory>

#include "source/cluster/local_clusters.h"
#include "source/event/dispatcher.h"
#include "source/filters/http/factory.h"

namespace sluice::filters {

/**
 * istio.alpn: has the upstream connections of requests offer other protocols by ALPN, by the protocol that the route's
 * cluster is asked in. A cluster whose metadata says istio: {alpn_override: "false"} is left alone.
 */
std::unique_ptr<HttpFilterFactory> istioAlpnFactory(event::Dispatcher& main, const cluster::ClusterProvider& clusters);

}  // namespace sluice::filters
