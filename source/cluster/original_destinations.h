#pragma once

#include <memory>
#include <optional>

#include "absl/container/flat_hash_map.h"

#include "source/cluster/load_balancer.h"
#include "source/cluster/local_clusters.h"
#include "source/event/dispatcher.h"
#include "source/net/address.h"

namespace sluice::cluster {

/**
 * The endpoints of one worker's cluster of type ORIGINAL_DST, each made by the first connection or request that is meant
 * for it, and forgotten once nothing has used it for a while. Main is told of both, for its pages. Worker thread; the
 * LocalCluster's, made with its first pick.
 */
class OriginalDestinations {
 public:
  explicit OriginalDestinations(LocalCluster& cluster);
  OriginalDestinations(const OriginalDestinations&) = delete;
  ~OriginalDestinations();

  /** Nothing where there is no telling where it was meant to go. */
  PickedEndpoint pick(const LoadBalancerContext& context);
  bool knows(const Endpoint& endpoint) const;

 private:
  struct Known {
    /** A set of this one endpoint, which those who were given it pin. */
    LocalEndpoints set;
    /** Since the last clean-up. */
    bool used = true;
    const std::shared_ptr<Endpoint>& endpoint() const { return (*set)->entries().front().endpoint; }
  };

  std::optional<net::Address> destination(const LoadBalancerContext& context) const;
  std::optional<net::Address> parse(absl::string_view text) const;
  const OriginalDestinationRules& rules() const { return *cluster_.info().original_destination; }
  void tell(const std::shared_ptr<Endpoint>& endpoint, bool known) const;
  void armCleanup();
  void cleanUp();

  LocalCluster& cluster_;
  absl::flat_hash_map<net::Address, Known> known_;
  std::unique_ptr<event::Timer> timer_;
};

}  // namespace sluice::cluster
