#pragma once

#include "absl/strings/string_view.h"

#include "source/net/stream_info.h"

namespace sluice::http {

/** Tells of clusters what logs print, for requests that are answered before one has been asked. Used on workers. */
class ClusterDirectory {
 public:
  virtual ~ClusterDirectory() = default;
  /** Writes the cluster's names and metadata; false when this worker knows none of that name. */
  virtual bool describe(absl::string_view cluster, net::UpstreamInfo& to) const = 0;
};

}  // namespace sluice::http
