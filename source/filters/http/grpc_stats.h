#pragma once

#include <memory>

#include "source/event/dispatcher.h"
#include "source/filters/http/factory.h"
#include "source/stats/stats.h"

namespace sluice::filters {

/** envoy.filters.http.grpc_stats: counts gRPC calls and their messages by cluster and method. */
std::unique_ptr<HttpFilterFactory> grpcStatsFactory(event::Dispatcher& main, stats::ScopePtr root);

}  // namespace sluice::filters
