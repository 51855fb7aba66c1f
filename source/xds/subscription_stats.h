#pragma once

#include <chrono>

#include "absl/strings/string_view.h"

#include "source/base/clock.h"
#include "source/stats/stats.h"

namespace sluice::xds {

/** What Envoy counts of each subscription, under its prefix ("cluster_manager.cds.", "cluster.be."). Main thread. */
class SubscriptionStats {
 public:
  SubscriptionStats(stats::Scope& root, absl::string_view prefix);

  void attempted() { update_attempt_.inc(); }
  /** `took`: from handing the update over to its verdict. */
  void accepted(absl::string_view version, base::SystemTime now, std::chrono::milliseconds took);
  void rejected();
  /** The stream or the file could not be had. */
  void failed();
  void timedOut();

 private:
  stats::ScopePtr scope_;
  stats::Counter update_attempt_;
  stats::Counter update_success_;
  stats::Counter update_rejected_;
  stats::Counter update_failure_;
  stats::Counter init_fetch_timeout_;
  stats::Gauge update_time_;
  stats::Gauge version_;
  stats::Histogram update_duration_;
};

}  // namespace sluice::xds
