#pragma once

#include <memory>

#include "absl/strings/string_view.h"

#include "source/cluster/http_upstream.h"
#include "source/cluster/local_clusters.h"
#include "source/http/header_map.h"

namespace sluice::grpc {

/**
 * Where calls get their streams from: this worker's clusters (ClusterUpstreams), or what a test has in their place. Used
 * on any worker; outlives the calls.
 */
class Upstreams {
 public:
  struct Opened {
    /** Null when this worker knows no such cluster. Not started. */
    std::unique_ptr<cluster::HttpUpstream> stream;
    /** The cluster's version, for its statistics; a test's has none. */
    cluster::LocalInfo info;
  };

  virtual ~Upstreams() = default;
  /** As LocalCluster::newHttpStream(). */
  virtual Opened open(absl::string_view cluster, const http::HeaderMap& headers, http::StreamReceiver& receiver,
                      cluster::HttpUpstreamCallbacks& callbacks, const cluster::HttpStreamOptions& options) const = 0;
  /** A cluster's newest version; null when this worker knows no such cluster. */
  virtual cluster::LocalInfo info(absl::string_view cluster) const = 0;
};

class ClusterUpstreams final : public Upstreams {
 public:
  explicit ClusterUpstreams(const cluster::ClusterProvider& clusters) : clusters_(clusters) {}
  Opened open(absl::string_view cluster, const http::HeaderMap& headers, http::StreamReceiver& receiver,
              cluster::HttpUpstreamCallbacks& callbacks, const cluster::HttpStreamOptions& options) const override;
  cluster::LocalInfo info(absl::string_view cluster) const override;

 private:
  const cluster::ClusterProvider& clusters_;
};

}  // namespace sluice::grpc
