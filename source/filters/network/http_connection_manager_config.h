#pragma once

#include <memory>
#include <string>

#include "source/filters/http/factory.h"
#include "source/http/route_provider.h"
#include "source/listener/filter_factory.h"

namespace sluice::filters {

/** What connection managers tell of this node. */
struct NodeIdentity {
  std::string id;
  std::string cluster;
};

/** All references outlive the factory and what it makes. */
std::unique_ptr<listener::NetworkFilterFactory> httpConnectionManagerFactory(const HttpFilterServices& services,
                                                                             const HttpFilterFactories& filters,
                                                                             const http::RouteProviderFactory& routes,
                                                                             NodeIdentity node);

}  // namespace sluice::filters
