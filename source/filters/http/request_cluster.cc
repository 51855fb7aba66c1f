#include "source/filters/http/request_cluster.h"

#include "source/http/route.h"

namespace sluice::filters {

absl::string_view servingCluster(http::StreamFilterCallbacks& callbacks) {
  const http::StreamInfo& info = callbacks.streamInfo();
  if (info.upstream != nullptr) {
    if (info.upstream->cluster_alt_stat_name != nullptr && !info.upstream->cluster_alt_stat_name->empty()) {
      return *info.upstream->cluster_alt_stat_name;
    }
    if (info.upstream->cluster_name != nullptr) {
      return *info.upstream->cluster_name;
    }
  }
  return info.request_headers == nullptr ? absl::string_view() : chosenCluster(callbacks, *info.request_headers);
}

absl::string_view chosenCluster(http::StreamFilterCallbacks& callbacks, const http::HeaderMap& headers) {
  const http::Route* route = callbacks.route();
  if (route == nullptr || route->kind != http::Route::Kind::Forward) {
    return {};
  }
  const http::WeightedCluster* weighted = callbacks.streamInfo().weighted_cluster;
  const std::string& name = weighted != nullptr ? weighted->name : route->cluster;
  const std::string& header = weighted != nullptr ? weighted->header : route->forward->cluster_header;
  return name.empty() && !header.empty() ? headers.get(header) : absl::string_view(name);
}

}  // namespace sluice::filters
