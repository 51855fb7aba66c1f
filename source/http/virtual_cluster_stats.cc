#include "source/http/route.h"

namespace sluice::http {

VirtualClusterStats::VirtualClusterStats(stats::Scope& scope)
    : upstream_rq_total(scope.counter("upstream_rq_total")),
      upstream_rq_retry(scope.counter("upstream_rq_retry")),
      upstream_rq_retry_success(scope.counter("upstream_rq_retry_success")),
      upstream_rq_retry_overflow(scope.counter("upstream_rq_retry_overflow")),
      upstream_rq_retry_limit_exceeded(scope.counter("upstream_rq_retry_limit_exceeded")),
      upstream_rq_timeout(scope.counter("upstream_rq_timeout")),
      upstream_rq_completed(scope.counter("upstream_rq_completed")),
      upstream_rq_1xx(scope.counter("upstream_rq_1xx")),
      upstream_rq_2xx(scope.counter("upstream_rq_2xx")),
      upstream_rq_3xx(scope.counter("upstream_rq_3xx")),
      upstream_rq_4xx(scope.counter("upstream_rq_4xx")),
      upstream_rq_5xx(scope.counter("upstream_rq_5xx")),
      upstream_rq_time(scope.histogram("upstream_rq_time", stats::Unit::Milliseconds)) {}

}  // namespace sluice::http
