#pragma once

#include <memory>

#include "source/event/dispatcher.h"
#include "source/filters/common/config_tools.h"
#include "source/listener/filter_factory.h"

namespace sluice::filters {

/** envoy.filters.network.set_filter_state: puts texts made of a new connection into its filter state. */
std::unique_ptr<listener::NetworkFilterFactory> networkSetFilterStateFactory(event::Dispatcher& main,
                                                                             const ConfigTools& tools);

}  // namespace sluice::filters
