#pragma once

#include <memory>

#include "source/event/dispatcher.h"
#include "source/listener/filter_factory.h"
#include "source/runtime/snapshot.h"
#include "source/stats/stats.h"

namespace sluice::filters {

/** envoy.filters.network.rbac: closes connections that its rules do not allow. */
std::unique_ptr<listener::NetworkFilterFactory> networkRbacFactory(event::Dispatcher& main, stats::ScopePtr root,
                                                                   const runtime::Snapshot& runtime);

}  // namespace sluice::filters
