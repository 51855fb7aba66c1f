#include "source/http/connection_manager_stats.h"

#include "absl/strings/str_cat.h"

namespace sluice::http {

#define SLUICE_COUNTER(name) name(scope.counter(#name)),
#define SLUICE_GAUGE(name) name(scope.gauge(#name)),
ConnectionManagerStats::ConnectionManagerStats(stats::Scope& scope)
    : SLUICE_CONNECTION_MANAGER_STATS(SLUICE_COUNTER, SLUICE_GAUGE)
          downstream_cx_length_ms(scope.histogram("downstream_cx_length_ms", stats::Unit::Milliseconds)),
      downstream_rq_time(scope.histogram("downstream_rq_time", stats::Unit::Milliseconds)) {}
#undef SLUICE_COUNTER
#undef SLUICE_GAUGE

StatusClassStats::StatusClassStats(stats::Scope& scope) : completed(scope.counter("downstream_rq_completed")) {
  for (int i = 0; i < 5; ++i) {
    classes[i] = scope.counter(absl::StrCat("downstream_rq_", i + 1, "xx"));
  }
}

void StatusClassStats::count(uint32_t status) const {
  completed.inc();
  if (status >= 100 && status < 600) {
    classes[status / 100 - 1].inc();
  }
}

}  // namespace sluice::http
