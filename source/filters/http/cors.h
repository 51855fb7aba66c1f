#pragma once

#include <memory>

#include "source/event/dispatcher.h"
#include "source/filters/http/factory.h"
#include "source/runtime/snapshot.h"

namespace sluice::filters {

/** envoy.filters.http.cors: answers preflights and marks answers, by the policies of routes (CorsPolicy). */
std::unique_ptr<HttpFilterFactory> corsFactory(event::Dispatcher& main, const runtime::Snapshot& runtime);

}  // namespace sluice::filters
