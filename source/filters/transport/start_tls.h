#pragma once

#include <memory>

#include "source/cluster/transport_factory.h"
#include "source/filters/transport/tls_config.h"
#include "source/listener/filter_factory.h"

namespace sluice::filters {

/**
 * envoy.transport_sockets.starttls: connections begin in the clear, and speak TLS from when a network filter asks for it
 * (net::Connection::startSecureTransport(), net::ReadFilterCallbacks::startUpstreamSecureTransport()). Of a filter chain,
 * and of a cluster.
 */
std::unique_ptr<listener::DownstreamTransportSocketFactory> startTlsDownstreamFactory(TlsServices services);
std::unique_ptr<cluster::UpstreamTransportSocketFactory> startTlsUpstreamFactory(TlsServices services);

}  // namespace sluice::filters
