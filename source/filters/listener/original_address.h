#pragma once

#include <memory>

#include "source/listener/filter_factory.h"

namespace sluice::filters {

/**
 * envoy.filters.listener.original_dst: restores where a connection was going that iptables redirected here, or TPROXY
 * gave us.
 */
std::unique_ptr<listener::ListenerFilterFactory> originalDstFactory();

/** envoy.filters.listener.original_src: has upstream connections come from the client's address. */
std::unique_ptr<listener::ListenerFilterFactory> originalSrcFactory();

}  // namespace sluice::filters
