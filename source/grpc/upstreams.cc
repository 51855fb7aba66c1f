#include "source/grpc/upstreams.h"

#include "source/cluster/load_balancer.h"

namespace sluice::grpc {

Upstreams::Opened ClusterUpstreams::open(absl::string_view cluster, const http::HeaderMap& headers,
                                         http::StreamReceiver& receiver, cluster::HttpUpstreamCallbacks& callbacks,
                                         const cluster::HttpStreamOptions& options) const {
  cluster::LocalCluster* found = clusters_.localClusters().find(cluster);
  if (found == nullptr) {
    return {};
  }
  cluster::LoadBalancerContext context;
  context.request_headers = &headers;
  return {found->newHttpStream(receiver, callbacks, context, options), found->localInfo()};
}

cluster::LocalInfo ClusterUpstreams::info(absl::string_view cluster) const {
  const cluster::LocalCluster* found = clusters_.localClusters().find(cluster);
  return found == nullptr ? cluster::LocalInfo() : found->localInfo();
}

}  // namespace sluice::grpc
