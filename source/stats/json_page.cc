#include "source/stats/json_page.h"

#include <charconv>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "fmt/format.h"

namespace sluice::stats {
namespace {

void appendString(absl::string_view text, std::string& out) {
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      absl::StrAppend(&out, fmt::format("\\u{:04x}", static_cast<unsigned>(c)));
    } else {
      out += c;
    }
  }
  out += '"';
}

void appendNumber(double number, std::string& out) {
  if (std::isnan(number)) {
    out += "null";
    return;
  }
  char digits[64];
  const std::to_chars_result end = std::to_chars(digits, digits + sizeof(digits), number);
  out.append(digits, end.ptr);
}

void appendQuantiles(const LatchedHistogram& histogram, std::string& out) {
  out += '[';
  for (const double q : supportedQuantiles()) {
    if (out.back() != '[') {
      out += ',';
    }
    out += "{\"cumulative\":";
    appendNumber(histogram.cumulative.quantile(q), out);
    out += ",\"interval\":";
    appendNumber(histogram.interval.quantile(q), out);
    out += '}';
  }
  out += ']';
}

void appendBins(const HistogramData& data, std::string& out) {
  out += '[';
  for (const HistogramData::Bin& bin : data.bins) {
    if (out.back() != '[') {
      out += ',';
    }
    out += "{\"lower_bound\":";
    appendNumber(bins::lowerBound(bin.bin), out);
    out += ",\"width\":";
    appendNumber(bins::width(bin.bin), out);
    absl::StrAppend(&out, ",\"count\":", bin.count, "}");
  }
  out += ']';
}

void appendSupported(std::string& out) {
  out += '[';
  for (const double q : supportedQuantiles()) {
    if (out.back() != '[') {
      out += ',';
    }
    appendNumber(q * 100, out);
  }
  out += ']';
}

}  // namespace

JsonPage::JsonPage(const Store& store, PageOptions options)
    : state_(store.state()), buckets_(options.buckets), phases_(store.state(), options) {}

bool JsonPage::next(std::string& out) {
  if (!started_) {
    started_ = true;
    out += "{\"stats\":[";
  }
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
        if (in_histograms_) {
          const bool list_only =
              buckets_ == PageOptions::Buckets::Cumulative || buckets_ == PageOptions::Buckets::Disjoint;
          out += list_only ? "]}" : "]}}";
        }
        out += "]}";
        return false;
    }
  }
  return true;
}

void JsonPage::append(const StatValue& value, std::string& out) {
  if (value.type == StatType::Histogram && !in_histograms_) {
    openHistograms(out);
  }
  if (!first_) {
    out += ',';
  }
  first_ = false;
  out += "{\"name\":";
  appendString(value.name, out);
  if (value.type == StatType::Histogram) {
    appendHistogram(value, out);
  } else if (value.type == StatType::TextReadout) {
    out += ",\"value\":";
    appendString(value.text, out);
  } else {
    absl::StrAppend(&out, ",\"value\":", value.value);
  }
  out += '}';
}

void JsonPage::openHistograms(std::string& out) {
  if (!first_) {
    out += ',';
  }
  first_ = true;
  in_histograms_ = true;
  out += "{\"histograms\":";
  switch (buckets_) {
    case PageOptions::Buckets::Cumulative:
    case PageOptions::Buckets::Disjoint:
      out += '[';
      break;
    case PageOptions::Buckets::Detailed:
      out += "{\"supported_percentiles\":";
      appendSupported(out);
      out += ",\"details\":[";
      break;
    default:
      out += "{\"supported_quantiles\":";
      appendSupported(out);
      out += ",\"computed_quantiles\":[";
  }
}

void JsonPage::appendHistogram(const StatValue& value, std::string& out) const {
  switch (buckets_) {
    case PageOptions::Buckets::Cumulative:
    case PageOptions::Buckets::Disjoint:
      appendBuckets(value, out);
      break;
    case PageOptions::Buckets::Detailed:
      out += ",\"totals\":";
      appendBins(value.histogram.cumulative, out);
      out += ",\"intervals\":";
      appendBins(value.histogram.interval, out);
      out += ",\"percentiles\":";
      appendQuantiles(value.histogram, out);
      break;
    default:
      out += ",\"values\":";
      appendQuantiles(value.histogram, out);
  }
}

void JsonPage::appendBuckets(const StatValue& value, std::string& out) const {
  out += ",\"buckets\":[";
  uint64_t interval_before = 0;
  uint64_t cumulative_before = 0;
  for (const double bound : state_->bucketsOf(value.name)) {
    const uint64_t interval = value.histogram.interval.countUpTo(bound);
    const uint64_t cumulative = value.histogram.cumulative.countUpTo(bound);
    if (out.back() != '[') {
      out += ',';
    }
    out += "{\"upper_bound\":";
    appendNumber(bound, out);
    absl::StrAppend(&out, ",\"interval\":", interval - interval_before,
                    ",\"cumulative\":", cumulative - cumulative_before, "}");
    if (buckets_ == PageOptions::Buckets::Disjoint) {
      interval_before = interval;
      cumulative_before = cumulative;
    }
  }
  out += ']';
}

}  // namespace sluice::stats
