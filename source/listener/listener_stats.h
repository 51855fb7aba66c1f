#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

#include "source/stats/stats.h"

namespace sluice::listener {

/**
 * Handles to `listener.<address or stat_prefix>.*`. Made and destroyed on main (the scope is main's); counted into by
 * every worker.
 */
struct ListenerStats {
  /** `workers` names that many `worker_N.` pairs. */
  ListenerStats(stats::Scope& root, absl::string_view prefix, uint32_t workers);

  struct PerWorker {
    stats::Counter cx_total;
    stats::Gauge cx_active;
  };

  const std::string prefix;
  const stats::ScopePtr scope;
  stats::Counter cx_total;
  stats::Gauge cx_active;
  stats::Counter cx_destroy;
  stats::Counter cx_overflow;
  stats::Counter cx_overload_reject;
  stats::Counter global_cx_overflow;
  stats::Counter cx_transport_socket_connect_timeout;
  stats::Gauge pre_cx_active;
  stats::Counter pre_cx_timeout;
  stats::Counter listener_filter_error;
  stats::Counter listener_filter_remote_close;
  stats::Counter no_filter_chain_match;
  /** Of filter chains without a network filter: their connections are closed at once. Envoy's name for it. */
  stats::Counter network_extension_config_missing;
  stats::Counter extension_config_missing;
  /** The process or the system had no descriptor left; accepting paused. Sluice's own. */
  stats::Counter accept_out_of_descriptors;
  stats::Counter accept_error;
  stats::Histogram cx_length_ms;
  stats::Histogram accepted_per_socket_event;
  std::vector<PerWorker> workers;
};

}  // namespace sluice::listener
