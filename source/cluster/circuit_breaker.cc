#include "source/cluster/circuit_breaker.h"

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

CircuitBreakers::CircuitBreakers(stats::Scope& cluster_scope) {
  connections_.setGauge(cluster_scope.gauge("circuit_breakers.default.cx_open"));
  pending_.setGauge(cluster_scope.gauge("circuit_breakers.default.rq_pending_open"));
  high_connections_.setGauge(cluster_scope.gauge("circuit_breakers.high.cx_open"));
  high_pending_.setGauge(cluster_scope.gauge("circuit_breakers.high.rq_pending_open"));
}

void CircuitBreakers::setThresholds(const Thresholds& normal, const Thresholds& high, stats::Scope& cluster_scope) {
  const auto remaining = [&cluster_scope](const Thresholds& thresholds, absl::string_view name) {
    return thresholds.track_remaining ? std::optional(cluster_scope.gauge(name)) : std::nullopt;
  };
  connections_.setLimit(normal.max_connections, remaining(normal, "circuit_breakers.default.remaining_cx"));
  pending_.setLimit(normal.max_pending_requests, remaining(normal, "circuit_breakers.default.remaining_pending"));
  high_connections_.setLimit(high.max_connections, remaining(high, "circuit_breakers.high.remaining_cx"));
  high_pending_.setLimit(high.max_pending_requests, remaining(high, "circuit_breakers.high.remaining_pending"));
}

}  // namespace sluice::cluster
