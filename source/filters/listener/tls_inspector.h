#pragma once

#include <memory>

#include "source/listener/filter_factory.h"
#include "source/stats/stats.h"

namespace sluice::filters {

/** envoy.filters.listener.tls_inspector: finds out whether a client speaks TLS, whom it asks for and what it offers. */
std::unique_ptr<listener::ListenerFilterFactory> tlsInspectorFactory(stats::ScopePtr root);

}  // namespace sluice::filters
