#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

#include "source/stats/name_filter.h"
#include "source/stats/stats.h"
#include "source/stats/tags.h"

namespace sluice::stats {

/** bootstrap.stats_config's histogram_bucket_settings: the first entry that matches a name gives its buckets. */
struct BucketRule {
  NameMatcher match;
  /** Upper bounds, ascending. */
  std::vector<double> buckets;
};

struct StoreOptions {
  NameFilter filter;
  /** Null for Envoy's default tags. */
  std::shared_ptr<const TagExtractor> tags;
  std::vector<BucketRule> buckets;
};

class StoreState;

/**
 * All the statistics of the process: hands out scopes, and is what the pages read. Made on main, whose it is; scopes
 * may outlive it. What the pages do (stat_cursor.h, page.h), resetCounters() and counterValue() are for any thread.
 */
class Store {
 public:
  explicit Store(StoreOptions options = {});
  ~Store();

  /** The scope of names without a prefix. */
  const ScopePtr& root() const { return root_; }
  ScopePtr createScope(absl::string_view prefix) { return root_->createScope(prefix); }

  /** From now on counters count from 0; gauges and histograms stay. Any thread; takes its lock scope by scope. */
  void resetCounters();

  /**
   * Ends an interval of the histograms and begins the next one (stats_flush_interval), for the next `max_scopes` scopes.
   * True when it has been through all of them; call it again, from main's loop, while it is false.
   */
  bool latchHistograms(size_t max_scopes);

  /** By full name, 0 if there is none: for tests and the few places that read what they count. Any thread. */
  uint64_t counterValue(absl::string_view name) const;
  uint64_t gaugeValue(absl::string_view name) const;
  uint64_t histogramCount(absl::string_view name) const;

  const std::shared_ptr<StoreState>& state() const { return state_; }

 private:
  std::shared_ptr<StoreState> state_;
  ScopePtr root_;
  std::string latch_cursor_;
  bool latch_running_ = false;
};

}  // namespace sluice::stats
