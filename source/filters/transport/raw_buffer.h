#pragma once

#include <memory>

#include "source/cluster/transport_factory.h"
#include "source/event/dispatcher.h"
#include "source/listener/filter_factory.h"

namespace sluice::filters {

/** envoy.transport_sockets.raw_buffer: bytes as they are. It has no settings. Of a filter chain, and of a cluster. */
std::unique_ptr<listener::DownstreamTransportSocketFactory> rawBufferFactory(event::Dispatcher& main);
std::unique_ptr<cluster::UpstreamTransportSocketFactory> upstreamRawBufferFactory();

}  // namespace sluice::filters
