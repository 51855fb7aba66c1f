#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"

#include "source/stats/page.h"

namespace sluice::stats {

/**
 * /stats/prometheus. Its format wants all series of a metric in one place, while a metric's series come from many
 * scopes; so each type goes over the scopes once for an index of its series by metric (8 bytes for each), and then writes
 * series by series, reading each when its turn comes.
 */
class PrometheusPage : public Page {
 public:
  PrometheusPage(const Store& store, PageOptions options);
  ~PrometheusPage() override;
  bool next(std::string& out) override;
  absl::string_view contentType() const override { return "text/plain; charset=UTF-8"; }

 private:
  /** One series: the entry at a place of one of scopes_. */
  struct Series {
    uint32_t scope;
    uint32_t place;
  };
  struct Metric {
    /** Without its tags; the page holds on to it until it has written the metric's series. */
    NameId name;
    std::vector<Series> series;
  };

  void startType();
  /** Goes over some scopes; true when through with all. */
  bool collect();
  void collectScope(const std::shared_ptr<ScopeData>& scope);
  bool isUsed(const ScopeData& scope, uint32_t place) const;
  NameId metricOf(ScopeData& scope, ScopeData::Entry& entry);
  void sortMetrics();
  void write(NameId metric, const Series& series, std::string& out);
  void writeHistogram(const StatValue& value, const std::string& metric, const std::string& labels, std::string& out);
  bool read(NameId metric, const Series& series, StatValue& value);
  void releaseMetrics();

  const std::shared_ptr<StoreState> state_;
  const PageOptions options_;
  std::vector<StatType> types_;
  size_t next_type_ = 0;
  StatType type_ = StatType::Counter;

  enum class Step { Collecting, Writing, Done };
  Step step_ = Step::Collecting;
  bool first_scope_ = true;
  std::string last_prefix_;

  std::vector<std::shared_ptr<ScopeData>> scopes_;
  std::vector<Metric> metrics_;
  absl::flat_hash_map<NameId, uint32_t> metric_places_;
  /** The next to write, and whether its metric has its head line already. */
  size_t metric_ = 0;
  size_t series_ = 0;
  bool head_written_ = false;
};

}  // namespace sluice::stats
