#include "source/stats/text_page.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "fmt/format.h"

namespace sluice::stats {
namespace {

void appendQuantiles(const LatchedHistogram& histogram, std::string& out) {
  auto at = std::back_inserter(out);
  const char* separator = "";
  for (const double q : supportedQuantiles()) {
    fmt::format_to(at, "{}P{:g}({},{})", separator, q * 100, histogram.interval.quantile(q),
                   histogram.cumulative.quantile(q));
    separator = " ";
  }
}

void appendBuckets(const LatchedHistogram& histogram, absl::Span<const double> bounds, bool disjoint,
                   std::string& out) {
  auto at = std::back_inserter(out);
  uint64_t interval_before = 0;
  uint64_t cumulative_before = 0;
  const char* separator = "";
  for (const double bound : bounds) {
    const uint64_t interval = histogram.interval.countUpTo(bound);
    const uint64_t cumulative = histogram.cumulative.countUpTo(bound);
    fmt::format_to(at, "{}B{:g}({},{})", separator, bound, interval - interval_before, cumulative - cumulative_before);
    separator = " ";
    if (disjoint) {
      interval_before = interval;
      cumulative_before = cumulative;
    }
  }
}

void appendBins(absl::string_view title, const HistogramData& data, std::string& out) {
  absl::StrAppend(&out, "\n  ", title, "=");
  auto at = std::back_inserter(out);
  const char* separator = "";
  for (const HistogramData::Bin& bin : data.bins) {
    fmt::format_to(at, "{}{:g},{:g}:{}", separator, bins::lowerBound(bin.bin), bins::width(bin.bin), bin.count);
    separator = ", ";
  }
}

}  // namespace

PagePhases::PagePhases(std::shared_ptr<StoreState> state, const PageOptions& options)
    : state_(std::move(state)), types_(options.types), selection_(options.selection) {
  startPhase();
}

bool PagePhases::shows(StatType type) const {
  return types_.empty() || std::find(types_.begin(), types_.end(), type) != types_.end();
}

bool PagePhases::startPhase() {
  static constexpr StatType kPhases[][2] = {{StatType::TextReadout, StatType::TextReadout},
                                            {StatType::Counter, StatType::Gauge},
                                            {StatType::Histogram, StatType::Histogram}};
  cursor_.reset();
  while (phase_ < 3) {
    std::vector<StatType> types;
    for (const StatType type : kPhases[phase_]) {
      if (shows(type)) {
        types.push_back(type);
      }
    }
    ++phase_;
    if (!types.empty()) {
      cursor_ = std::make_unique<StatCursor>(state_, std::move(types), selection_);
      return true;
    }
  }
  return false;
}

StatCursor::Result PagePhases::next(StatValue& value) {
  while (cursor_ != nullptr) {
    const StatCursor::Result result = cursor_->next(value);
    if (result != StatCursor::Result::End) {
      return result;
    }
    startPhase();
  }
  return StatCursor::Result::End;
}

TextPage::TextPage(const Store& store, PageOptions options)
    : state_(store.state()), buckets_(options.buckets), phases_(store.state(), options) {}

bool TextPage::next(std::string& out) {
  StatValue value;
  const size_t before = out.size();
  while (out.size() - before < kPieceBytes) {
    switch (phases_.next(value)) {
      case StatCursor::Result::Found:
        append(value, out);
        break;
      case StatCursor::Result::Pause:
        return true;
      case StatCursor::Result::End:
        return false;
    }
  }
  return true;
}

void TextPage::append(const StatValue& value, std::string& out) const {
  switch (value.type) {
    case StatType::TextReadout:
      absl::StrAppend(&out, value.name, ": \"", value.text, "\"\n");
      return;
    case StatType::Counter:
    case StatType::Gauge:
      absl::StrAppend(&out, value.name, ": ", value.value, "\n");
      return;
    case StatType::Histogram:
      break;
  }
  absl::StrAppend(&out, value.name, ":");
  if (value.histogram.cumulative.empty()) {
    out += " No recorded values\n";
    return;
  }
  switch (buckets_) {
    case PageOptions::Buckets::Cumulative:
    case PageOptions::Buckets::Disjoint:
      out += ' ';
      appendBuckets(value.histogram, state_->bucketsOf(value.name), buckets_ == PageOptions::Buckets::Disjoint, out);
      break;
    case PageOptions::Buckets::Detailed:
      appendBins("totals", value.histogram.cumulative, out);
      appendBins("intervals", value.histogram.interval, out);
      out += "\n  summary=";
      appendQuantiles(value.histogram, out);
      break;
    default:
      out += ' ';
      appendQuantiles(value.histogram, out);
  }
  out += '\n';
}

}  // namespace sluice::stats
