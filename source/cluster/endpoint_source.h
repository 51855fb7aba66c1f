#pragma once

#include <string>

#include "absl/status/status.h"

#include "source/cluster/cluster_stats.h"
#include "source/cluster/endpoint_config.h"

namespace sluice::cluster {

/**
 * Where one cluster's endpoints come from: its configuration, EDS or DNS. Made with a version of the cluster and handed
 * on to later ones for as long as they say the same of their endpoints. Main thread; owned by a version; not deleted
 * inside its own callbacks.
 */
class EndpointSource {
 public:
  class Callbacks {
   public:
    virtual ~Callbacks() = default;
    /** All that is now known. */
    virtual void onEndpoints(EndpointSource& source, EndpointList endpoints) = 0;
    /** Once: the first endpoints are there, or there is nothing more to wait for. After onEndpoints(). */
    virtual void onWarm(EndpointSource& source) = 0;
    /** Those of the cluster's newest version. */
    virtual const ClusterStats& sourceStats(EndpointSource& source) = 0;
  };

  virtual ~EndpointSource() = default;
  /** Once; may call back before it returns. An error means that there is no such source. */
  virtual absl::Status start() = 0;
  /** What a cluster that warms waits for, for the admin pages. */
  virtual std::string waitsFor() const = 0;
};

}  // namespace sluice::cluster
