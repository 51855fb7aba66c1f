#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"

#include "source/stats/page.h"

namespace sluice::stats {

/**
 * /stats/prometheus. Its format wants all series of a metric in one place, while a metric's series come from many
 * scopes; so each type goes over the scopes once for an index of its series (12 bytes for each), sorts that, and then
 * writes series by series, reading each when its turn comes.
 */
class PrometheusPage : public Page {
 public:
  PrometheusPage(const Store& store, PageOptions options);
  ~PrometheusPage() override;
  bool next(std::string& out) override;
  absl::string_view contentType() const override { return "text/plain; version=0.0.4"; }

 private:
  struct Series {
    NameId metric;
    uint32_t scope;
    uint32_t place;
  };

  void startType();
  /** Goes over some scopes; true when through with all. */
  bool collect();
  void collectScope(const std::shared_ptr<ScopeData>& scope);
  bool isUsed(const ScopeData& scope, uint32_t place) const;
  NameId metricOf(ScopeData& scope, ScopeData::Entry& entry);
  void sortSeries();
  void write(const Series& series, std::string& out);
  void writeHistogram(const StatValue& value, const std::string& metric, const std::string& labels, std::string& out);
  bool read(const Series& series, StatValue& value);
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
  std::vector<Series> series_;
  size_t written_ = 0;
  /** The names of the type's metrics, which the page holds on to until it has written their series. */
  absl::flat_hash_set<NameId> metrics_;
  /** Of the series written last. */
  NameId metric_ = 0;
  bool any_written_ = false;
};

}  // namespace sluice::stats
