#pragma once

#include <memory>

#include "source/event/dispatcher.h"
#include "source/filters/common/config_tools.h"
#include "source/filters/http/factory.h"

namespace sluice::filters {

/** envoy.filters.http.set_filter_state: puts texts made of a request into its stream's filter state. */
std::unique_ptr<HttpFilterFactory> setFilterStateFactory(event::Dispatcher& main, const ConfigTools& tools);

}  // namespace sluice::filters
