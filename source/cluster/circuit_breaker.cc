#include "source/cluster/circuit_breaker.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace sluice::cluster {

void BreakerLimit::setLimit(uint32_t limit, std::optional<stats::Gauge> remaining) {
  if (remaining.has_value()) {
    remaining_.store(remaining->cell(), std::memory_order_relaxed);
  }
  uint64_t current = word_.load(std::memory_order_relaxed);
  Word next;
  do {
    next = unpack(current);
    next.limit = limit;
    next.told = remaining.has_value();
  } while (!word_.compare_exchange_weak(current, pack(next), std::memory_order_release, std::memory_order_relaxed));
  Word before = unpack(current);
  if (!limit_known_) {
    // A limit that nobody has set yet is not open.
    before.limit = UINT32_MAX;
    limit_known_ = true;
  }
  tell(before, next);
}

bool BreakerLimit::tryAcquire() {
  uint64_t current = word_.load(std::memory_order_relaxed);
  Word next;
  do {
    next = unpack(current);
    if (next.open()) {
      return false;
    }
    ++next.count;
  } while (!word_.compare_exchange_weak(current, pack(next), std::memory_order_acquire, std::memory_order_relaxed));
  tell(unpack(current), next);
  return true;
}

void BreakerLimit::acquire() {
  uint64_t current = word_.load(std::memory_order_relaxed);
  Word next;
  do {
    next = unpack(current);
    ++next.count;
  } while (!word_.compare_exchange_weak(current, pack(next), std::memory_order_acquire, std::memory_order_relaxed));
  tell(unpack(current), next);
}

void BreakerLimit::release() {
  uint64_t current = word_.load(std::memory_order_relaxed);
  Word next;
  do {
    next = unpack(current);
    --next.count;
  } while (!word_.compare_exchange_weak(current, pack(next), std::memory_order_acquire, std::memory_order_relaxed));
  tell(unpack(current), next);
}

void BreakerLimit::tell(Word before, Word after) const {
  // Each thread adds the difference that it made to its own cell: in their sum every step is there once.
  if (before.open() != after.open()) {
    if (after.open()) {
      open_.inc();
    } else {
      open_.dec();
    }
  }
  if (before.remaining() != after.remaining()) {
    stats::Gauge(remaining_.load(std::memory_order_relaxed)).add(after.remaining() - before.remaining());
  }
}

namespace {

/** A limit that is none. */
constexpr uint32_t kUnlimited = UINT32_MAX;

constexpr absl::string_view kNormal = "circuit_breakers.default.";
constexpr absl::string_view kHigh = "circuit_breakers.high.";

void nameGauges(CircuitBreakers::Limits& limits, absl::string_view prefix, stats::Scope& scope) {
  limits.connections.setGauge(scope.gauge(absl::StrCat(prefix, "cx_open")));
  limits.pending.setGauge(scope.gauge(absl::StrCat(prefix, "rq_pending_open")));
  limits.requests.setGauge(scope.gauge(absl::StrCat(prefix, "rq_open")));
  limits.retries.setGauge(scope.gauge(absl::StrCat(prefix, "rq_retry_open")));
  limits.pools.setGauge(scope.gauge(absl::StrCat(prefix, "cx_pool_open")));
}

void setLimits(CircuitBreakers::Limits& limits, const Thresholds& thresholds, absl::string_view prefix,
               stats::Scope& scope) {
  const auto remaining = [&](absl::string_view name, bool limited = true) {
    return thresholds.track_remaining && limited ? std::optional(scope.gauge(absl::StrCat(prefix, name)))
                                                 : std::nullopt;
  };
  const bool retries_limited = !thresholds.retry_budget.has_value();
  const bool pools_limited = thresholds.max_connection_pools.has_value();
  limits.connections.setLimit(thresholds.max_connections, remaining("remaining_cx"));
  limits.pending.setLimit(thresholds.max_pending_requests, remaining("remaining_pending"));
  limits.requests.setLimit(thresholds.max_requests, remaining("remaining_rq"));
  limits.retries.setLimit(retries_limited ? thresholds.max_retries : kUnlimited,
                          remaining("remaining_retries", retries_limited));
  limits.pools.setLimit(thresholds.max_connection_pools.value_or(kUnlimited),
                        remaining("remaining_cx_pools", pools_limited));
}

}  // namespace

CircuitBreakers::CircuitBreakers(stats::Scope& cluster_scope) {
  nameGauges(normal_, kNormal, cluster_scope);
  nameGauges(high_, kHigh, cluster_scope);
}

void CircuitBreakers::setThresholds(const Thresholds& normal, const Thresholds& high, stats::Scope& cluster_scope) {
  setLimits(normal_, normal, kNormal, cluster_scope);
  setLimits(high_, high, kHigh, cluster_scope);
}

bool CircuitBreakers::Limits::tryAcquireRetry(const Thresholds& thresholds) {
  if (thresholds.retry_budget.has_value()) {
    // A request that comes or goes meanwhile moves the budget by a fraction of one retry.
    const double under_way = static_cast<double>(requests.count()) + pending.count();
    const double budget = thresholds.retry_budget->percent / 100 * under_way;
    if (retries.count() >=
        std::max<uint64_t>(static_cast<uint64_t>(budget), thresholds.retry_budget->min_concurrency)) {
      return false;
    }
  }
  return retries.tryAcquire();
}

}  // namespace sluice::cluster
