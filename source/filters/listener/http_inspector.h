#pragma once

#include <memory>

#include "source/listener/filter_factory.h"
#include "source/stats/stats.h"

namespace sluice::filters {

/** envoy.filters.listener.http_inspector: finds out which HTTP a client speaks that speaks it without TLS. */
std::unique_ptr<listener::ListenerFilterFactory> httpInspectorFactory(stats::ScopePtr root);

}  // namespace sluice::filters
