#pragma once

#include "source/admin/views.h"
#include "source/listener/listener_manager.h"

namespace sluice::admin {

/** The views of listeners and clusters from their managers, which outlive what is made of it. */
inline MainViews viewsOf(const listener::ListenerManager& listeners, const cluster::ClusterManager& clusters) {
  MainViews views;
  views.listener_names = [&listeners] { return listeners.names(); };
  views.listener = [&listeners](absl::string_view name) { return listeners.view(name); };
  views.lds_version = [&listeners] { return listeners.version(); };
  views.visit_clusters = [&clusters](absl::string_view after, MainViews::ClusterVisitor visit) {
    clusters.visit(after, visit);
  };
  views.cluster_failures = [&clusters]() -> const std::map<std::string, cluster::ClusterFailure>& {
    return clusters.failures();
  };
  views.cds_version = [&clusters] { return clusters.cdsVersion(); };
  views.pending_clusters = [&clusters] { return clusters.pending(); };
  return views;
}

}  // namespace sluice::admin
