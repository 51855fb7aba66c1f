#pragma once

#include "source/stats/stats.h"

namespace sluice::http {

// clang-format off
#define SLUICE_CONNECTION_MANAGER_STATS(COUNTER, GAUGE)                         \
  COUNTER(downstream_cx_delayed_close_timeout) COUNTER(downstream_cx_destroy)   \
  COUNTER(downstream_cx_destroy_active_rq) COUNTER(downstream_cx_destroy_local) \
  COUNTER(downstream_cx_destroy_local_active_rq) COUNTER(downstream_cx_destroy_remote) \
  COUNTER(downstream_cx_destroy_remote_active_rq) COUNTER(downstream_cx_drain_close) \
  COUNTER(downstream_cx_http1_total) COUNTER(downstream_cx_http2_total)         \
  COUNTER(downstream_cx_http3_total) COUNTER(downstream_cx_http1_soft_drain)    \
  COUNTER(downstream_cx_idle_timeout) COUNTER(downstream_cx_max_duration_reached) \
  COUNTER(downstream_cx_max_requests_reached) COUNTER(downstream_cx_overload_disable_keepalive) \
  COUNTER(downstream_cx_protocol_error) COUNTER(downstream_cx_rx_bytes_total)   \
  COUNTER(downstream_cx_ssl_total) COUNTER(downstream_cx_total)                 \
  COUNTER(downstream_cx_tx_bytes_total) COUNTER(downstream_cx_upgrades_total)   \
  COUNTER(downstream_flow_control_paused_reading_total)                         \
  COUNTER(downstream_flow_control_resumed_reading_total)                        \
  COUNTER(downstream_rq_1xx) COUNTER(downstream_rq_2xx) COUNTER(downstream_rq_3xx) \
  COUNTER(downstream_rq_4xx) COUNTER(downstream_rq_5xx) COUNTER(downstream_rq_completed) \
  COUNTER(downstream_rq_failed_path_normalization) COUNTER(downstream_rq_http1_total) \
  COUNTER(downstream_rq_http2_total) COUNTER(downstream_rq_http3_total)         \
  COUNTER(downstream_rq_idle_timeout) COUNTER(downstream_rq_non_relative_path)  \
  COUNTER(downstream_rq_overload_close) COUNTER(downstream_rq_redirected_with_normalized_path) \
  COUNTER(downstream_rq_rejected_via_ip_detection) COUNTER(downstream_rq_response_before_rq_complete) \
  COUNTER(downstream_rq_rx_reset) COUNTER(downstream_rq_too_many_premature_resets) \
  COUNTER(downstream_rq_timeout) COUNTER(downstream_rq_header_timeout)          \
  COUNTER(downstream_rq_too_large) COUNTER(downstream_rq_total)                 \
  COUNTER(downstream_rq_tx_reset) COUNTER(downstream_rq_max_duration_reached)   \
  COUNTER(downstream_rq_ws_on_non_ws_route) COUNTER(rs_too_large)               \
  GAUGE(downstream_cx_active) GAUGE(downstream_cx_http1_active)                 \
  GAUGE(downstream_cx_http2_active) GAUGE(downstream_cx_http3_active)           \
  GAUGE(downstream_cx_rx_bytes_buffered) GAUGE(downstream_cx_ssl_active)        \
  GAUGE(downstream_cx_tx_bytes_buffered) GAUGE(downstream_cx_upgrades_active)   \
  GAUGE(downstream_rq_active)
// clang-format on

/** http.<stat_prefix>.*, with Envoy's names. Made and destroyed on main. */
struct ConnectionManagerStats {
  explicit ConnectionManagerStats(stats::Scope& scope);
#define SLUICE_COUNTER(name) stats::Counter name;
#define SLUICE_GAUGE(name) stats::Gauge name;
  SLUICE_CONNECTION_MANAGER_STATS(SLUICE_COUNTER, SLUICE_GAUGE)
#undef SLUICE_COUNTER
#undef SLUICE_GAUGE
  stats::Histogram downstream_cx_length_ms;
  stats::Histogram downstream_rq_time;
};

/** Responses by the class of their status; 1xx to 5xx. */
struct StatusClassStats {
  explicit StatusClassStats(stats::Scope& scope);
  /** Of one response whose headers were sent. */
  void count(uint32_t status) const;
  stats::Counter classes[5];
  stats::Counter completed;
};

}  // namespace sluice::http
