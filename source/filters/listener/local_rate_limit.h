#pragma once

#include <memory>

#include "source/event/dispatcher.h"
#include "source/listener/filter_factory.h"
#include "source/runtime/snapshot.h"
#include "source/stats/stats.h"

namespace sluice::filters {

/** envoy.filters.listener.local_ratelimit: closes connections that come faster than a token bucket fills. */
std::unique_ptr<listener::ListenerFilterFactory> listenerLocalRateLimitFactory(event::Dispatcher& main,
                                                                               stats::ScopePtr root,
                                                                               const runtime::Snapshot& runtime);

}  // namespace sluice::filters
