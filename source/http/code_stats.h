#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"

#include "source/event/dispatcher.h"
#include "source/stats/stats.h"

namespace sluice::http {

/**
 * The counters `<prefix>upstream_rq_<code>`, `<prefix>upstream_rq_<1..5>xx`, `<prefix>upstream_rq_completed` and the
 * histogram `<prefix>upstream_rq_time`: each comes into being with its first use, as in Envoy. Names are main's to
 * resolve, so what a worker counts before that goes to main with the name; from then on it is the worker's own cell.
 * Made and destroyed on main, used on any thread.
 */
class CodeStats {
 public:
  /** `prefix` is "" or ends with a dot ("external."). `main` outlives all use. */
  CodeStats(event::Dispatcher& main, stats::ScopePtr scope, absl::string_view prefix);
  CodeStats(const CodeStats&) = delete;
  ~CodeStats();

  /** A response is complete: its code's counter, its class's, and upstream_rq_completed. */
  void countResponse(uint32_t code) const;
  /** The class and upstream_rq_completed alone, which is what Envoy counts where dynamic statistics are suppressed. */
  void countClass(uint32_t code) const;
  void recordTime(uint64_t milliseconds) const;

 private:
  struct State;
  struct Table;

  void count(uint32_t place) const;
  Table& table() const;

  event::Dispatcher& main_;
  const std::shared_ptr<State> state_;
};

}  // namespace sluice::http
