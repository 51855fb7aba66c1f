#include "source/listener/listener_stats.h"

#include "absl/strings/str_cat.h"

namespace sluice::listener {

ListenerStats::ListenerStats(stats::Scope& root, absl::string_view name, uint32_t worker_count)
    : prefix(name),
      scope(root.createScope(absl::StrCat("listener.", name))),
      cx_total(scope->counter("downstream_cx_total")),
      cx_active(scope->gauge("downstream_cx_active")),
      cx_destroy(scope->counter("downstream_cx_destroy")),
      cx_overflow(scope->counter("downstream_cx_overflow")),
      cx_overload_reject(scope->counter("downstream_cx_overload_reject")),
      global_cx_overflow(scope->counter("downstream_global_cx_overflow")),
      cx_transport_socket_connect_timeout(scope->counter("downstream_cx_transport_socket_connect_timeout")),
      pre_cx_active(scope->gauge("downstream_pre_cx_active")),
      pre_cx_timeout(scope->counter("downstream_pre_cx_timeout")),
      listener_filter_error(scope->counter("downstream_listener_filter_error")),
      listener_filter_remote_close(scope->counter("downstream_listener_filter_remote_close")),
      no_filter_chain_match(scope->counter("no_filter_chain_match")),
      network_extension_config_missing(scope->counter("network_extension_config_missing")),
      extension_config_missing(scope->counter("extension_config_missing")),
      accept_out_of_descriptors(scope->counter("downstream_cx_accept_out_of_descriptors")),
      accept_error(scope->counter("downstream_cx_accept_error")),
      cx_length_ms(scope->histogram("downstream_cx_length_ms", stats::Unit::Milliseconds)),
      accepted_per_socket_event(scope->histogram("connections_accepted_per_socket_event", stats::Unit::Unspecified)) {
  workers.reserve(worker_count);
  for (uint32_t i = 0; i < worker_count; ++i) {
    workers.push_back({scope->counter(absl::StrCat("worker_", i, ".downstream_cx_total")),
                       scope->gauge(absl::StrCat("worker_", i, ".downstream_cx_active"))});
  }
}

}  // namespace sluice::listener
