#pragma once

#include "source/cluster/cluster_stats.h"
#include "source/net/connection.h"

namespace sluice::cluster {

/** What a cluster's connections count of themselves. */
inline net::ConnectionStats connectionStats(const ClusterStats& stats) {
  return {.read_total = stats.upstream_cx_rx_bytes_total,
          .read_buffered = stats.upstream_cx_rx_bytes_buffered,
          .write_total = stats.upstream_cx_tx_bytes_total,
          .write_buffered = stats.upstream_cx_tx_bytes_buffered,
          .bind_errors = stats.bind_errors,
          .delayed_close_timeouts = {}};
}

}  // namespace sluice::cluster
