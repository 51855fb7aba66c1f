#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

#include "source/event/dispatcher.h"
#include "source/filters/common/dynamic_stats.h"
#include "source/filters/common/header_rules.h"
#include "source/filters/http/factory.h"
#include "source/http/filter.h"
#include "source/runtime/snapshot.h"

namespace google::protobuf {
class Struct;
}

namespace sluice::filters {

/** envoy.filters.http.fault. `runtime` outlives what the factory makes. */
std::unique_ptr<HttpFilterFactory> faultFactory(event::Dispatcher& main, const runtime::Snapshot& runtime);

/** How often a fault is injected. */
struct FaultShare {
  runtime::Fraction share;
  /** The runtime's word, which beats the message's and the request's. */
  std::optional<runtime::Fraction> runtime;
};

struct FaultDelay : FaultShare {
  /** None: the request's header says it. */
  std::optional<std::chrono::milliseconds> fixed;
  std::optional<uint64_t> runtime_milliseconds;
};

struct FaultAbort : FaultShare {
  std::optional<uint32_t> http_status;
  std::optional<uint32_t> grpc_status;
  bool by_header = false;
  std::optional<uint64_t> runtime_http_status;
  std::optional<uint64_t> runtime_grpc_status;
};

struct FaultRateLimit : FaultShare {
  /** KiB a second; none: the request's header says it. */
  std::optional<uint64_t> fixed;
};

/** What an HTTPFault message says, as plain data; the filter's own or a route's. */
struct FaultSettings {
  std::optional<FaultDelay> delay;
  std::optional<FaultAbort> abort;
  std::optional<FaultRateLimit> rate_limit;
  std::string upstream_cluster;
  HeaderMatchers headers;
  std::vector<std::string> downstream_nodes;
  std::optional<uint64_t> max_active;
  bool count_downstream_clusters = true;
  /** Null when there is none. */
  std::shared_ptr<const google::protobuf::Struct> metadata;
};

struct FaultPerRoute : http::PerRouteConfig {
  FaultSettings settings;
};

/** http.<stat_prefix>.fault.* */
struct FaultStats {
  explicit FaultStats(stats::Scope& scope);
  stats::Counter aborts_injected;
  stats::Counter delays_injected;
  stats::Counter faults_overflow;
  stats::Counter response_rl_injected;
  stats::Gauge active_faults;
};

/** One fault filter of a chain. Made on main; shared by all workers. */
class FaultConfig : public http::HttpFilterConfig {
 public:
  FaultConfig(event::Dispatcher& main, const runtime::Snapshot& runtime, stats::ScopePtr scope, FaultSettings settings);
  void addTo(http::FilterChainBuilder& chain) const override;

  const FaultSettings& settings() const { return settings_; }
  const FaultStats& stats() const { return stats_; }
  /** http.<stat_prefix>.fault.<downstream cluster>.<name> */
  const DynamicStats<NamedCounter>& clusterStats() const { return cluster_stats_; }
  const runtime::Snapshot& runtime() const { return runtime_; }
  /** The runtime has shares by downstream cluster (fault.http.<cluster>.…). */
  bool hasClusterRuntime() const { return has_cluster_runtime_; }

  /** Across the process, for max_active_faults. */
  bool mayBegin(const std::optional<uint64_t>& max) const {
    return !max.has_value() || active_.load(std::memory_order_relaxed) < *max;
  }
  void begin() const {
    active_.fetch_add(1, std::memory_order_relaxed);
    stats_.active_faults.inc();
  }
  void end() const {
    active_.fetch_sub(1, std::memory_order_relaxed);
    stats_.active_faults.dec();
  }

 private:
  const FaultSettings settings_;
  const runtime::Snapshot& runtime_;
  const stats::ScopePtr scope_;
  const FaultStats stats_;
  const DynamicStats<NamedCounter> cluster_stats_;
  const bool has_cluster_runtime_;
  alignas(64) mutable std::atomic<uint64_t> active_{0};
};

}  // namespace sluice::filters
