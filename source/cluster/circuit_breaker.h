#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

#include "source/stats/stats.h"

namespace sluice::cluster {

/**
 * One limit of a circuit breaker: a count that all threads share. Count, limit and whether what remains is told live in
 * one word, so that each change sees both of them at one moment and can tell the gauges by how much they moved. Any
 * thread; setLimit() on main.
 */
class BreakerLimit {
 public:
  /** 1 while the count has reached the limit. Before all else. */
  void setGauge(stats::Gauge open) { open_ = open; }
  /** `remaining` tells how far the limit is, if that is asked for; always the same gauge. */
  void setLimit(uint32_t limit, std::optional<stats::Gauge> remaining);

  /** Takes one; false at the limit. */
  bool tryAcquire();
  /** Takes one even beyond the limit. */
  void acquire();
  void release();

  uint32_t count() const { return unpack(word_.load(std::memory_order_relaxed)).count; }
  uint32_t limit() const { return unpack(word_.load(std::memory_order_relaxed)).limit; }

 private:
  struct Word {
    uint32_t limit;
    uint32_t count;  // 31 bits
    bool told;
    bool open() const { return count >= limit; }
    uint64_t remaining() const { return told && limit > count ? limit - count : 0; }
  };
  static Word unpack(uint64_t word) {
    return {static_cast<uint32_t>(word >> 32), static_cast<uint32_t>(word) >> 1, (word & 1) != 0};
  }
  static uint64_t pack(Word word) {
    return uint64_t{word.limit} << 32 | uint64_t{word.count} << 1 | (word.told ? 1 : 0);
  }
  void tell(Word before, Word after) const;

  /** A padded word: each connection of the process goes through it. */
  alignas(64) std::atomic<uint64_t> word_{0};
  stats::Gauge open_;
  /** Written before `told` is set, with release; read after it was seen. */
  std::atomic<stats::CellIndex> remaining_{stats::kNullCell};
  /** Main's. */
  bool limit_known_ = false;
};

/** How many retries may be under way for each request that is (circuit_breakers.thresholds.retry_budget). */
struct RetryBudget {
  double percent = 20;
  uint32_t min_concurrency = 3;

  friend bool operator==(const RetryBudget&, const RetryBudget&) = default;
};

/** The thresholds of one priority. */
struct Thresholds {
  uint32_t max_connections = 1024;
  uint32_t max_pending_requests = 1024;
  uint32_t max_requests = 1024;
  uint32_t max_retries = 3;
  std::optional<uint32_t> max_connection_pools;
  /** In place of max_retries. */
  std::optional<RetryBudget> retry_budget;
  bool track_remaining = false;

  friend bool operator==(const Thresholds&, const Thresholds&) = default;
};

/**
 * What a cluster's circuit breakers count, across threads and across the cluster's updates, for each priority by itself.
 * Made on main and kept by every version of the cluster (cluster_info.h).
 */
class CircuitBreakers {
 public:
  /** Of one priority. */
  struct Limits {
    BreakerLimit connections;
    BreakerLimit pending;
    BreakerLimit requests;
    BreakerLimit retries;
    /** HTTP connection pools: endpoints and workers that have connections. */
    BreakerLimit pools;

    /** Takes a place among the retries, as `thresholds` have it; to be given back with retries.release(). */
    bool tryAcquireRetry(const Thresholds& thresholds);
  };

  explicit CircuitBreakers(stats::Scope& cluster_scope);
  /** Main. A lower limit than the count lets nothing new in, and ends nothing. */
  void setThresholds(const Thresholds& normal, const Thresholds& high, stats::Scope& cluster_scope);

  Limits& of(bool high_priority) { return high_priority ? high_ : normal_; }
  /** Of the normal priority, which is that of TCP. */
  BreakerLimit& connections() { return normal_.connections; }
  BreakerLimit& pending() { return normal_.pending; }

 private:
  Limits normal_;
  Limits high_;
};

}  // namespace sluice::cluster
