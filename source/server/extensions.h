#pragma once

#include "source/access_log/factory.h"
#include "source/cluster/local_clusters.h"
#include "source/event/dispatcher.h"
#include "source/listener/filter_factory.h"
#include "source/stats/stats.h"
#include "source/thread/slot.h"

namespace sluice::server {

/** What extensions are given; all of it outlives them. */
struct ExtensionContext {
  event::Dispatcher& main;
  thread::SlotAllocator& slots;
  stats::Scope& root;
  const cluster::ClusterProvider& clusters;
  const access_log::LoggerFactory& access_loggers;
};

/** The one list of every extension that listeners may name. What is not in it does not exist. */
listener::FilterFactories makeFilterFactories(const ExtensionContext& context);

}  // namespace sluice::server
