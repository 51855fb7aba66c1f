#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"

#include "source/cluster/cluster_info.h"
#include "source/cluster/tcp_upstream.h"
#include "source/thread/slot.h"

namespace sluice::cluster {

class LocalCluster;

/**
 * A counted pin of a worker's cluster: requests and connections hold it so that the cluster outlives its removal. The
 * count is not atomic: one worker's.
 */
class LocalClusterRef;

/** This worker's clusters by name. The object of the cluster manager's slot; one thread. */
class LocalClusters : public thread::ThreadLocalObject {
 public:
  /** Null when there is no such cluster (yet, or any more). */
  LocalCluster* find(absl::string_view name) const;
};

/** Where filters find their worker's clusters: handed to their factories, used on any worker. */
class ClusterProvider {
 public:
  virtual ~ClusterProvider() = default;
  virtual LocalClusters& localClusters() const = 0;
};

}  // namespace sluice::cluster
