#pragma once

#include "source/stats/stats.h"

namespace sluice::cluster {

/**
 * A cluster's statistics under "cluster.<alt_stat_name or name>.", with Envoy's names. Resolved on main, counted on any
 * thread.
 */
struct ClusterStats {
  explicit ClusterStats(stats::Scope& scope);

  // Counted by connections, of TCP (tcp_connection.cc) and HTTP (http_client.cc).
  stats::Counter upstream_cx_total;
  stats::Gauge upstream_cx_active;
  stats::Counter upstream_cx_connect_fail;
  stats::Counter upstream_cx_connect_timeout;
  stats::Counter upstream_cx_destroy;
  stats::Counter upstream_cx_destroy_local;
  stats::Counter upstream_cx_destroy_remote;
  stats::Counter upstream_cx_destroy_with_active_rq;
  stats::Counter upstream_cx_destroy_local_with_active_rq;
  stats::Counter upstream_cx_destroy_remote_with_active_rq;
  stats::Counter upstream_cx_none_healthy;
  stats::Counter upstream_cx_overflow;
  stats::Counter upstream_cx_rx_bytes_total;
  stats::Gauge upstream_cx_rx_bytes_buffered;
  stats::Counter upstream_cx_tx_bytes_total;
  stats::Gauge upstream_cx_tx_bytes_buffered;
  stats::Counter bind_errors;
  /** As Envoy has it, a TCP connection is a request of its pool: pending while it connects, active while it is up. */
  stats::Counter upstream_rq_total;
  stats::Gauge upstream_rq_active;
  stats::Counter upstream_rq_pending_total;
  stats::Gauge upstream_rq_pending_active;
  stats::Counter upstream_rq_pending_overflow;
  stats::Counter upstream_rq_pending_failure_eject;
  stats::Histogram upstream_cx_connect_ms;
  stats::Histogram upstream_cx_length_ms;
  stats::Counter lb_healthy_panic;
  /** What a request names as its destination is no address (ORIGINAL_DST). */
  stats::Counter original_dst_host_invalid;

  // Counted by HTTP's connections and pools (http_client.cc, http_pool.cc, http_request.cc).
  stats::Counter upstream_cx_http1_total;
  stats::Counter upstream_cx_http2_total;
  stats::Counter upstream_cx_close_notify;
  stats::Counter upstream_cx_idle_timeout;
  stats::Counter upstream_cx_max_duration_reached;
  stats::Counter upstream_cx_max_requests;
  stats::Counter upstream_cx_pool_overflow;
  stats::Counter upstream_cx_protocol_error;
  stats::Counter upstream_rq_active_overflow;
  stats::Counter upstream_rq_cancelled;
  stats::Counter upstream_rq_rx_reset;
  stats::Counter upstream_rq_tx_reset;
  stats::Histogram upstream_rq_per_cx;

  // Counted by the router.
  stats::Counter upstream_rq_maintenance_mode;
  stats::Counter upstream_rq_max_duration_reached;
  stats::Counter upstream_rq_per_try_idle_timeout;
  stats::Counter upstream_rq_per_try_timeout;
  stats::Counter upstream_rq_timeout;
  stats::Counter upstream_rq_rx_reset_no_error;
  stats::Counter upstream_rq_retry;
  stats::Counter upstream_rq_retry_backoff_exponential;
  stats::Counter upstream_rq_retry_backoff_ratelimited;
  stats::Counter upstream_rq_retry_limit_exceeded;
  stats::Counter upstream_rq_retry_overflow;
  stats::Counter upstream_rq_retry_success;
  stats::Counter retry_or_shadow_abandoned;
  stats::Counter upstream_internal_redirect_failed_total;
  stats::Counter upstream_internal_redirect_succeeded_total;
  stats::Counter upstream_flow_control_backed_up_total;
  stats::Counter upstream_flow_control_drained_total;

  // Counted for who uses the connections (TcpUpstream).
  stats::Counter upstream_cx_connect_attempts_exceeded;
  stats::Counter upstream_flow_control_paused_reading_total;
  stats::Counter upstream_flow_control_resumed_reading_total;

  // Counted on main.
  stats::Counter membership_change;
  stats::Gauge membership_total;
  stats::Gauge membership_healthy;
  stats::Gauge membership_degraded;
  stats::Gauge membership_excluded;
  stats::Gauge max_host_weight;
  stats::Gauge warming_state;
  stats::Counter update_attempt;
  stats::Counter update_success;
  stats::Counter update_failure;
  stats::Counter update_empty;
  stats::Counter update_no_rebuild;
  stats::Gauge version;
};

}  // namespace sluice::cluster
