#include "source/http/request_stats.h"

#include <utility>

namespace sluice::http {

RequestStats::RequestStats(event::Dispatcher& main, stats::ScopePtr scope)
    : upstream_rq_total(scope->counter("upstream_rq_total")),
      upstream_rq_retry(scope->counter("upstream_rq_retry")),
      upstream_rq_retry_success(scope->counter("upstream_rq_retry_success")),
      upstream_rq_retry_overflow(scope->counter("upstream_rq_retry_overflow")),
      upstream_rq_retry_limit_exceeded(scope->counter("upstream_rq_retry_limit_exceeded")),
      upstream_rq_timeout(scope->counter("upstream_rq_timeout")),
      codes(main, std::move(scope), "") {}

std::shared_ptr<const RequestStats> RequestStatsTable::get(const std::string& prefix) {
  std::weak_ptr<const RequestStats>& known = (*known_)[prefix];
  if (std::shared_ptr<const RequestStats> found = known.lock(); found != nullptr) {
    return found;
  }
  std::shared_ptr<const RequestStats> made(
      new RequestStats(main_, root_->createScope(prefix)), [all = known_, prefix](const RequestStats* stats) {
        // Another may have been made by that name since the last user went.
        if (const auto it = all->find(prefix); it != all->end() && it->second.expired()) {
          all->erase(it);
        }
        delete stats;
      });
  known = made;
  return made;
}

}  // namespace sluice::http
