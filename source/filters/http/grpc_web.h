#pragma once

#include <memory>

#include "source/event/dispatcher.h"
#include "source/filters/http/factory.h"
#include "source/stats/stats.h"

namespace sluice::filters {

/** envoy.filters.http.grpc_web: turns gRPC-Web requests into gRPC ones, and the answers back; binary and text (base64). */
std::unique_ptr<HttpFilterFactory> grpcWebFactory(event::Dispatcher& main, stats::ScopePtr root);

}  // namespace sluice::filters
