#pragma once

#include <memory>

#include "source/cluster/transport_factory.h"
#include "source/event/dispatcher.h"

namespace sluice::filters {

/**
 * envoy.transport_sockets.upstream_proxy_protocol: connections begin with a PROXY protocol header that tells of the
 * downstream connection, and go on as another transport socket has them. `all`, which outlives the factory, makes that.
 */
std::unique_ptr<cluster::UpstreamTransportSocketFactory> upstreamProxyProtocolFactory(
    event::Dispatcher& main, const cluster::UpstreamTransportSocketFactories& all);

}  // namespace sluice::filters
