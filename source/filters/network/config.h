#pragma once

#include <memory>

#include "source/access_log/factory.h"
#include "source/cluster/local_clusters.h"
#include "source/event/dispatcher.h"
#include "source/listener/filter_factory.h"
#include "source/stats/stats.h"
#include "source/thread/slot.h"

namespace sluice::filters {

// Factories of the network filters. Each turns its message into plain settings once, on main; what they are given
// outlives them.

std::unique_ptr<listener::NetworkFilterFactory> tcpProxyFactory(event::Dispatcher& main, thread::SlotAllocator& slots,
                                                                stats::ScopePtr root,
                                                                const cluster::ClusterProvider& clusters,
                                                                const access_log::LoggerFactory& loggers);
std::unique_ptr<listener::NetworkFilterFactory> echoFactory(event::Dispatcher& main);
std::unique_ptr<listener::NetworkFilterFactory> directResponseFactory(event::Dispatcher& main);

}  // namespace sluice::filters
