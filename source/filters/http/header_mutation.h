#pragma once

#include <memory>

#include "source/event/dispatcher.h"
#include "source/filters/common/config_tools.h"
#include "source/filters/http/factory.h"

namespace sluice::filters {

/** envoy.filters.http.header_mutation: changes headers and trailers, by the chain's settings and then the routes'. */
std::unique_ptr<HttpFilterFactory> headerMutationFactory(event::Dispatcher& main, const ConfigTools& tools);

}  // namespace sluice::filters
