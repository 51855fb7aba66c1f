#pragma once

#include <memory>

#include "source/listener/filter_factory.h"
#include "source/stats/stats.h"

namespace sluice::filters {

/** envoy.filters.listener.proxy_protocol: takes a PROXY protocol header off a connection and believes it. */
std::unique_ptr<listener::ListenerFilterFactory> proxyProtocolFactory(stats::ScopePtr root);

}  // namespace sluice::filters
