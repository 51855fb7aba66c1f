#pragma once

#include <memory>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"

#include "source/event/dispatcher.h"
#include "source/http/code_stats.h"
#include "source/stats/stats.h"

namespace sluice::http {

/**
 * What is counted of requests beside their cluster: of a virtual cluster (vhost.<host>.vcluster.<name>.*) and of a route
 * with a stat_prefix (vhost.<host>.route.<prefix>.*). Made and destroyed on main, counted on any thread.
 */
struct RequestStats {
  RequestStats(event::Dispatcher& main, stats::ScopePtr scope);
  stats::Counter upstream_rq_total;
  stats::Counter upstream_rq_retry;
  stats::Counter upstream_rq_retry_success;
  stats::Counter upstream_rq_retry_overflow;
  stats::Counter upstream_rq_retry_limit_exceeded;
  stats::Counter upstream_rq_timeout;
  CodeStats codes;
};

/** Those that one request counts in; either may be null. */
struct RequestCounts {
  const RequestStats* virtual_cluster = nullptr;
  const RequestStats* route = nullptr;

  void inc(stats::Counter RequestStats::*counter) const {
    each([counter](const RequestStats& stats) { (stats.*counter).inc(); });
  }
  template <class Use>
  void each(Use use) const {
    if (virtual_cluster != nullptr) {
      use(*virtual_cluster);
    }
    if (route != nullptr) {
      use(*route);
    }
  }
};

/**
 * Hands out RequestStats by name. Route tables that follow one another share them, so that a code's counter, which comes
 * with first use, stays with its count. Main thread; outlives what it makes.
 */
class RequestStatsTable {
 public:
  RequestStatsTable(event::Dispatcher& main, stats::ScopePtr root) : main_(main), root_(std::move(root)) {}
  RequestStatsTable(const RequestStatsTable&) = delete;

  std::shared_ptr<const RequestStats> get(const std::string& prefix);

 private:
  using Known = absl::flat_hash_map<std::string, std::weak_ptr<const RequestStats>>;

  event::Dispatcher& main_;
  const stats::ScopePtr root_;
  /** Shared with those that it hands out, which take themselves out of it. */
  const std::shared_ptr<Known> known_ = std::make_shared<Known>();
};

}  // namespace sluice::http
