#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/endpoint/v3/endpoint.pb.h"

#include "source/base/clock.h"
#include "source/cluster/cluster_info.h"
#include "source/cluster/endpoint.h"

namespace sluice::cluster {

/** An update of a cluster that was refused (envoy.admin.v3.UpdateFailureState). Kept until one is taken, or it goes. */
struct ClusterFailure {
  std::shared_ptr<const google::protobuf::Message> failed_configuration;
  base::SystemTime last_update_attempt;
  std::string details;
  std::string version;
};

/**
 * One version of a cluster as the admin pages show it; a cluster whose update warms is shown twice. What it points at
 * lives during the visit only. Main thread.
 */
struct ClusterView {
  absl::string_view name;
  const envoy::config::cluster::v3::Cluster& config;
  absl::string_view version;
  base::SystemTime last_updated;
  /** From CDS; false for the bootstrap's. */
  bool added_via_api = false;
  /** It waits for its first endpoints, and does not serve yet. */
  bool warming = false;
  /** What warming waits for ("EDS endpoints of be"), and since when. */
  absl::string_view waits_for;
  base::MonotonicTime waits_since;
  const ClusterInfo& info;
  /** Null while none are known. */
  std::shared_ptr<const EndpointSet> endpoints;
  /** The assignment that `endpoints` came from; entries name their place in it (EndpointSet::Entry::group_index). Null
   * while none are known. */
  const envoy::config::endpoint::v3::ClusterLoadAssignment* assignment = nullptr;
  /** The last refused update; null if none. */
  const ClusterFailure* failure = nullptr;
};

/** As /clusters prints it: "healthy", "/failed_eds_health", "/degraded_eds_health", "/eds_status_draining". */
absl::string_view healthFlags(EdsHealth health);

}  // namespace sluice::cluster
