#pragma once

#include <string>

#include "source/filters/common/config_tools.h"
#include "source/filters/http/factory.h"

namespace sluice::filters {

/** The HTTP filters that need nothing but what is here; all of it outlives them. `local_cluster` is the node's. */
struct HttpFilterNeeds {
  event::Dispatcher& main;
  stats::ScopePtr root;
  const cluster::ClusterProvider& clusters;
  ConfigTools tools;
  std::string local_cluster;
};
void addHttpFilters(const HttpFilterNeeds& needs, HttpFilterFactories& out);

}  // namespace sluice::filters
