#include "source/stats/prometheus_page.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "fmt/format.h"

namespace sluice::stats {
namespace {

constexpr int kScopesPerCall = 64;

/** A name of Prometheus's: letters, digits and '_'. */
void appendSanitized(absl::string_view name, std::string& out) {
  for (const char c : name) {
    out += absl::ascii_isalnum(static_cast<unsigned char>(c)) ? c : '_';
  }
}

void appendLabel(absl::string_view name, absl::string_view value, std::string& out) {
  if (!out.empty()) {
    out += ',';
  }
  appendSanitized(name, out);
  out += "=\"";
  for (const char c : value) {
    if (c == '\n') {
      out += "\\n";
      continue;
    }
    if (c == '"' || c == '\\') {
      out += '\\';
    }
    out += c;
  }
  out += '"';
}

std::string withLabel(const std::string& labels, absl::string_view name, double value) {
  return absl::StrCat(labels, labels.empty() ? "" : ",", name, "=\"", fmt::format("{:.32g}", value), "\"");
}

}  // namespace

PrometheusPage::PrometheusPage(const Store& store, PageOptions options)
    : state_(store.state()), options_(std::move(options)) {
  for (const StatType type : {StatType::Counter, StatType::Gauge, StatType::TextReadout, StatType::Histogram}) {
    const bool asked =
        options_.types.empty() || std::find(options_.types.begin(), options_.types.end(), type) != options_.types.end();
    if (asked && (type != StatType::TextReadout || options_.prometheus_text_readouts)) {
      types_.push_back(type);
    }
  }
  startType();
}

PrometheusPage::~PrometheusPage() { releaseMetrics(); }

bool PrometheusPage::next(std::string& out) {
  const size_t before = out.size();
  while (step_ != Step::Done && out.size() - before < kPieceBytes) {
    if (step_ == Step::Collecting) {
      if (!collect()) {
        return true;
      }
      sortMetrics();
      step_ = Step::Writing;
    }
    if (metric_ == metrics_.size()) {
      startType();
    } else if (series_ == metrics_[metric_].series.size()) {
      ++metric_;
      series_ = 0;
      head_written_ = false;
    } else {
      write(metrics_[metric_].name, metrics_[metric_].series[series_], out);
      ++series_;
    }
  }
  return step_ != Step::Done;
}

void PrometheusPage::startType() {
  releaseMetrics();
  scopes_.clear();
  metric_ = 0;
  series_ = 0;
  head_written_ = false;
  first_scope_ = true;
  if (next_type_ == types_.size()) {
    step_ = Step::Done;
    return;
  }
  type_ = types_[next_type_++];
  step_ = Step::Collecting;
}

void PrometheusPage::releaseMetrics() {
  const std::lock_guard<std::mutex> lock(state_->mutex);
  for (const Metric& metric : metrics_) {
    state_->names.release(metric.name);
  }
  metrics_.clear();
  metric_places_.clear();
}

bool PrometheusPage::collect() {
  for (int i = 0; i < kScopesPerCall; ++i) {
    const std::lock_guard<std::mutex> lock(state_->mutex);
    const std::shared_ptr<ScopeData> scope = first_scope_ ? state_->firstScope() : state_->nextScope(last_prefix_);
    if (scope == nullptr) {
      return true;
    }
    first_scope_ = false;
    last_prefix_ = scope->prefix;
    collectScope(scope);
  }
  return false;
}

void PrometheusPage::collectScope(const std::shared_ptr<ScopeData>& scope) {
  bool any = false;
  for (uint32_t place = 0; place < scope->entries.size(); ++place) {
    ScopeData::Entry& entry = scope->entries[place];
    if (entry.users == 0 || entry.type != type_) {
      continue;
    }
    if (options_.selection.used_only && !isUsed(*scope, place)) {
      continue;
    }
    if (options_.selection.filter != nullptr &&
        !options_.selection.allows(absl::StrCat(scope->prefix, state_->names.name(entry.name)))) {
      continue;
    }
    const NameId name = metricOf(*scope, entry);
    const auto [found, added] = metric_places_.emplace(name, static_cast<uint32_t>(metrics_.size()));
    if (added) {
      state_->names.addUser(name);
      metrics_.push_back({name, {}});
    }
    metrics_[found->second].series.push_back({static_cast<uint32_t>(scopes_.size()), place});
    any = true;
  }
  if (any) {
    scopes_.push_back(scope);
  }
}

bool PrometheusPage::isUsed(const ScopeData& scope, uint32_t place) const {
  const ScopeData::Entry& entry = scope.entries[place];
  switch (type_) {
    case StatType::Histogram:
      return !CellRegistry::get().readHistogram(entry.index).empty();
    case StatType::TextReadout: {
      const std::string* text = scope.textAt(place);
      return text != nullptr && !text->empty();
    }
    default:
      return CellRegistry::get().read(entry.index).used;
  }
}

NameId PrometheusPage::metricOf(ScopeData& scope, ScopeData::Entry& entry) {
  if (entry.metric == 0) {
    std::vector<Tag> tags;
    const std::string metric = state_->tags->extract(absl::StrCat(scope.prefix, state_->names.name(entry.name)), tags);
    entry.metric = state_->names.acquire(metric) + 1;
  }
  return entry.metric - 1;
}

void PrometheusPage::sortMetrics() {
  const std::lock_guard<std::mutex> lock(state_->mutex);
  std::sort(metrics_.begin(), metrics_.end(), [this](const Metric& a, const Metric& b) {
    return state_->names.name(a.name) < state_->names.name(b.name);
  });
}

void PrometheusPage::write(NameId metric_name, const Series& series, std::string& out) {
  StatValue value;
  if (!read(metric_name, series, value)) {
    return;
  }
  std::vector<Tag> tags;
  std::string metric = "envoy_";
  appendSanitized(state_->tags->extract(value.name, tags), metric);
  std::string labels;
  for (const Tag& tag : tags) {
    appendLabel(tag.name, tag.value, labels);
  }
  if (!head_written_) {
    const char* type = type_ == StatType::Counter                          ? "counter"
                       : type_ != StatType::Histogram                      ? "gauge"
                       : options_.buckets == PageOptions::Buckets::Summary ? "summary"
                                                                           : "histogram";
    absl::StrAppend(&out, "# TYPE ", metric, " ", type, "\n");
    head_written_ = true;
  }
  switch (type_) {
    case StatType::Counter:
    case StatType::Gauge:
      absl::StrAppend(&out, metric, "{", labels, "} ", value.value, "\n");
      break;
    case StatType::TextReadout:
      appendLabel("text_value", value.text, labels);
      absl::StrAppend(&out, metric, "{", labels, "} 0\n");
      break;
    case StatType::Histogram:
      writeHistogram(value, metric, labels, out);
      break;
  }
}

void PrometheusPage::writeHistogram(const StatValue& value, const std::string& metric, const std::string& labels,
                                    std::string& out) {
  const HistogramData* data = &value.histogram.cumulative;
  if (options_.buckets == PageOptions::Buckets::Summary) {
    // A summary tells of the last interval, as its quantiles cannot be added up.
    data = &value.histogram.interval;
    for (const double q : supportedQuantiles()) {
      absl::StrAppend(&out, metric, "{", withLabel(labels, "quantile", q), "} ",
                      fmt::format("{:.32g}", data->quantile(q)), "\n");
    }
  } else {
    for (const double bound : state_->bucketsOf(value.name)) {
      absl::StrAppend(&out, metric, "_bucket{", withLabel(labels, "le", bound), "} ", data->countUpTo(bound), "\n");
    }
    absl::StrAppend(&out, metric, "_bucket{", labels, labels.empty() ? "" : ",", "le=\"+Inf\"} ", data->count, "\n");
  }
  absl::StrAppend(&out, metric, "_sum{", labels, "} ", data->sum, "\n");
  absl::StrAppend(&out, metric, "_count{", labels, "} ", data->count, "\n");
}

bool PrometheusPage::read(NameId metric, const Series& series, StatValue& value) {
  const std::lock_guard<std::mutex> lock(state_->mutex);
  const ScopeData& scope = *scopes_[series.scope];
  // It may have gone since, and its place have been given to another.
  if (series.place >= scope.entries.size()) {
    return false;
  }
  const ScopeData::Entry& entry = scope.entries[series.place];
  if (entry.users == 0 || entry.type != type_ || entry.metric != metric + 1) {
    return false;
  }
  value.name = absl::StrCat(scope.prefix, state_->names.name(entry.name));
  value.type = type_;
  switch (type_) {
    case StatType::Counter:
    case StatType::Gauge:
      value.value = CellRegistry::get().read(entry.index).value;
      break;
    case StatType::TextReadout: {
      const std::string* text = scope.textAt(series.place);
      value.text = text == nullptr ? "" : *text;
      break;
    }
    case StatType::Histogram: {
      value.histogram.cumulative = CellRegistry::get().readHistogram(entry.index);
      const LatchedHistogram* latched = scope.latchedAt(series.place);
      if (latched != nullptr) {
        value.histogram.interval = latched->interval;
      }
      break;
    }
  }
  return true;
}

}  // namespace sluice::stats
