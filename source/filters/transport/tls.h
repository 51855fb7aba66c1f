#pragma once

#include <memory>

#include "source/cluster/transport_factory.h"
#include "source/filters/transport/tls_config.h"
#include "source/listener/filter_factory.h"

namespace sluice::filters {

/** envoy.transport_sockets.tls of a filter chain: DownstreamTlsContext. */
std::unique_ptr<listener::DownstreamTransportSocketFactory> tlsDownstreamFactory(TlsServices services);

/** envoy.transport_sockets.tls of a cluster: UpstreamTlsContext. */
std::unique_ptr<cluster::UpstreamTransportSocketFactory> tlsUpstreamFactory(TlsServices services);

}  // namespace sluice::filters
