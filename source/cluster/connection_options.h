#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "source/cluster/cluster_info.h"
#include "source/cluster/load_balancer.h"
#include "source/cluster/local_shared.h"
#include "source/net/address.h"
#include "source/net/socket.h"
#include "source/net/transport_socket.h"

namespace sluice::cluster {

/** What one user's upstream connection is made with beyond its cluster's recipe. Connections with others serve him not. */
struct ConnectionOptions {
  net::TransportSocketOptions transport;
  /** What it is bound to in place of what is configured (net::UpstreamWishes); of kind None: nothing. */
  net::Address source;
  uint32_t mark = 0;

  friend bool operator==(const ConnectionOptions&, const ConnectionOptions&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const ConnectionOptions& options) {
    return H::combine(std::move(h), options.transport, options.source, options.mark);
  }
};

/** One worker's pin of options; empty where there are none. */
using LocalConnectionOptions = LocalShared<const ConnectionOptions>;

/**
 * What the downstream's filter state, its listener filters and the request's headers ask of a connection that is made by
 * `recipe`; null when nothing, which costs next to nothing. Good until the next call on the thread.
 */
const ConnectionOptions* connectionOptions(const ConnectionRecipe& recipe, const LoadBalancerContext& context);

/** The socket of a connection with these options; `options` may be null. */
net::ClientSocketOptions socketOptions(const ConnectionRecipe& recipe, const ConnectionOptions* options);

}  // namespace sluice::cluster
