#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "source/base/clock.h"
#include "source/stats/stats.h"

namespace sluice::server {

/** Envoy's server states; the numbers are those of the statistic server.state. */
enum class State : uint8_t { Live = 0, Draining = 1, PreInitializing = 2, Initializing = 3 };

const char* stateName(State state);

/** What the process allocates, in bytes. */
struct MemoryUse {
  uint64_t allocated = 0;
  uint64_t heap_size = 0;
  uint64_t physical_size = 0;
  uint64_t unmapped = 0;
};
MemoryUse memoryUse();

/** server.*, with Envoy's names. Main thread. */
class ProcessStats {
 public:
  /** `root` is the scope without prefix. */
  ProcessStats(stats::Scope& root, uint32_t concurrency);

  void setState(State state);
  void countStaticUnknownFields(uint64_t count) { static_unknown_fields_.add(count); }
  void countDynamicUnknownFields(uint64_t count) { dynamic_unknown_fields_.add(count); }
  void countIgnoredFields(uint64_t count) { ignored_fields_.add(count); }
  void initialized(std::chrono::milliseconds took) {
    initialization_time_ms_.record(static_cast<uint64_t>(took.count()));
  }
  /** Whatever is read rather than counted: uptime, memory, connections. */
  void refresh(std::chrono::seconds uptime, uint64_t connections);
  /** None: nothing is there that could expire, which Envoy shows as the biggest number of its type. */
  void setFirstExpiry(std::optional<std::chrono::seconds> until);

 private:
  const stats::ScopePtr scope_;
  stats::Gauge state_;
  stats::Gauge live_;
  stats::Gauge uptime_;
  stats::Gauge concurrency_;
  stats::Gauge memory_allocated_;
  stats::Gauge memory_heap_size_;
  stats::Gauge memory_physical_size_;
  stats::Gauge parent_connections_;
  stats::Gauge total_connections_;
  stats::Gauge days_until_first_cert_expiring_;
  stats::Gauge version_;
  stats::Gauge hot_restart_epoch_;
  stats::Counter static_unknown_fields_;
  stats::Counter dynamic_unknown_fields_;
  /** Ours: fields that were set and have no effect, as docs/xds_support.md lists them. */
  stats::Counter ignored_fields_;
  stats::Histogram initialization_time_ms_;
};

}  // namespace sluice::server
