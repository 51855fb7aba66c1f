#pragma once

#include <memory>

#include "source/event/dispatcher.h"
#include "source/filters/http/factory.h"

namespace sluice::filters {

/** envoy.filters.http.buffer: holds a request until it is there as a whole, up to a limit (413 beyond it). */
std::unique_ptr<HttpFilterFactory> bufferFactory(event::Dispatcher& main);

}  // namespace sluice::filters
