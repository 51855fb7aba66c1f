#pragma once

#include <memory>

#include "source/event/dispatcher.h"
#include "source/listener/filter_factory.h"

namespace sluice::filters {

/** envoy.transport_sockets.raw_buffer of a filter chain: bytes as they are. It has no settings. */
std::unique_ptr<listener::DownstreamTransportSocketFactory> rawBufferFactory(event::Dispatcher& main);

}  // namespace sluice::filters
