#include "source/server/process_stats.h"

#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <limits>

#include "absl/strings/numbers.h"

#include "source/base/version.h"

#ifdef SLUICE_JEMALLOC
#include <jemalloc/jemalloc.h>
#endif

namespace sluice::server {
namespace {

#ifdef SLUICE_JEMALLOC
uint64_t allocatorFigure(const char* name) {
  size_t value = 0;
  size_t size = sizeof(value);
  return mallctl(name, &value, &size, nullptr, 0) == 0 ? value : 0;
}
#endif

/** Envoy shows the first six hexadecimal digits of its revision as a number. */
uint64_t revisionNumber() {
  uint64_t number = 0;
  return absl::SimpleHexAtoi(base::versionString().substr(0, 6), &number) ? number : 0;
}

}  // namespace

const char* stateName(State state) {
  switch (state) {
    case State::Live:
      return "LIVE";
    case State::Draining:
      return "DRAINING";
    case State::PreInitializing:
      return "PRE_INITIALIZING";
    case State::Initializing:
      return "INITIALIZING";
  }
  return "";
}

MemoryUse memoryUse() {
  MemoryUse out;
#ifdef SLUICE_JEMALLOC
  uint64_t epoch = 1;
  size_t size = sizeof(epoch);
  mallctl("epoch", &epoch, &size, &epoch, sizeof(epoch));
  out.allocated = allocatorFigure("stats.allocated");
  out.heap_size = allocatorFigure("stats.mapped");
  out.unmapped = allocatorFigure("stats.retained");
#else
  const struct mallinfo2 info = mallinfo2();
  out.allocated = info.uordblks + info.hblkhd;
  out.heap_size = info.arena + info.hblkhd;
#endif
  std::ifstream statm("/proc/self/statm");
  uint64_t total = 0;
  uint64_t resident = 0;
  if (statm >> total >> resident) {
    out.physical_size = resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  }
  return out;
}

ProcessStats::ProcessStats(stats::Scope& root, uint32_t concurrency)
    : scope_(root.createScope("server")),
      state_(scope_->gauge("state")),
      live_(scope_->gauge("live")),
      uptime_(scope_->gauge("uptime")),
      concurrency_(scope_->gauge("concurrency")),
      memory_allocated_(scope_->gauge("memory_allocated")),
      memory_heap_size_(scope_->gauge("memory_heap_size")),
      memory_physical_size_(scope_->gauge("memory_physical_size")),
      parent_connections_(scope_->gauge("parent_connections")),
      total_connections_(scope_->gauge("total_connections")),
      days_until_first_cert_expiring_(scope_->gauge("days_until_first_cert_expiring")),
      version_(scope_->gauge("version")),
      hot_restart_epoch_(scope_->gauge("hot_restart_epoch")),
      static_unknown_fields_(scope_->counter("static_unknown_fields")),
      dynamic_unknown_fields_(scope_->counter("dynamic_unknown_fields")),
      ignored_fields_(scope_->counter("ignored_fields")),
      initialization_time_ms_(scope_->histogram("initialization_time_ms", stats::Unit::Milliseconds)) {
  concurrency_.set(concurrency);
  version_.set(revisionNumber());
  parent_connections_.set(0);
  hot_restart_epoch_.set(0);
}

void ProcessStats::setState(State state) {
  state_.set(static_cast<uint64_t>(state));
  live_.set(state == State::Live ? 1 : 0);
}

void ProcessStats::refresh(std::chrono::seconds uptime, uint64_t connections) {
  const MemoryUse memory = memoryUse();
  uptime_.set(static_cast<uint64_t>(uptime.count()));
  memory_allocated_.set(memory.allocated);
  memory_heap_size_.set(memory.heap_size);
  memory_physical_size_.set(memory.physical_size);
  total_connections_.set(connections);
}

void ProcessStats::setFirstExpiry(std::optional<std::chrono::seconds> until) {
  constexpr int64_t kSecondsOfDay = 24 * 3600;
  days_until_first_cert_expiring_.set(until.has_value()
                                          ? static_cast<uint64_t>(std::max<int64_t>(0, until->count() / kSecondsOfDay))
                                          : std::numeric_limits<uint32_t>::max());
}

}  // namespace sluice::server
