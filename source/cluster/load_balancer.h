#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "source/base/random.h"
#include "source/cluster/cluster_info.h"
#include "source/cluster/endpoint.h"

namespace sluice::net {
struct StreamInfo;
}

namespace sluice::cluster {

/** What a balancer may know of what it picks for. */
struct LoadBalancerContext {
  LoadBalancerContext() = default;
  // Not explicit: a connection's or stream's information is all that there is to tell.
  LoadBalancerContext(const net::StreamInfo& stream) : downstream(&stream) {}  // NOLINT(google-explicit-constructor)

  /** The downstream connection or stream; null for what Sluice does of itself. */
  const net::StreamInfo* downstream = nullptr;
};

/**
 * Picks endpoints of one set, on one worker; made with the set's first pick and replaced with the set. A set of several
 * weights is picked from smoothly: over any stretch each endpoint has its share, to within one pick.
 */
class LoadBalancer {
 public:
  virtual ~LoadBalancer() = default;
  /** Null when there is nothing to give. `panicked` is set when health was ignored. */
  virtual const EndpointSet::Entry* pick(const LoadBalancerContext& context, bool& panicked) = 0;

  /** `random` outlives the balancer, as does `set`. */
  static std::unique_ptr<LoadBalancer> create(LbPolicy policy, const EndpointSet& set, base::Random& random);
};

}  // namespace sluice::cluster
