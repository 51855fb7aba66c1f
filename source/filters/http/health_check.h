#pragma once

#include <memory>
#include <string>

#include "source/cluster/local_clusters.h"
#include "source/event/dispatcher.h"
#include "source/filters/http/factory.h"
#include "source/runtime/snapshot.h"

namespace sluice::filters {

/**
 * envoy.filters.http.health_check: answers health checks itself, or lets them pass and remembers their answers.
 * `local_cluster` is the node's, which answers are marked with.
 */
std::unique_ptr<HttpFilterFactory> healthCheckFactory(event::Dispatcher& main, const runtime::Snapshot& runtime,
                                                      const cluster::ClusterProvider& clusters,
                                                      std::string local_cluster);

}  // namespace sluice::filters
