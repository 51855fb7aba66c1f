#include "source/stats/page.h"

#include <utility>

#include "absl/strings/str_cat.h"

#include "source/stats/json_page.h"
#include "source/stats/prometheus_page.h"
#include "source/stats/text_page.h"

namespace sluice::stats {
namespace {

absl::Status setFormat(const std::string& value, PageOptions& options) {
  if (value == "text") {
    options.format = PageOptions::Format::Text;
  } else if (value == "json") {
    options.format = PageOptions::Format::Json;
  } else if (value == "prometheus") {
    options.format = PageOptions::Format::Prometheus;
  } else {
    return absl::InvalidArgumentError("usage: /stats?format=(json|prometheus|text)\n\n");
  }
  return absl::OkStatus();
}

absl::Status setType(const std::string& value, PageOptions& options) {
  if (value == "Counters") {
    options.types = {StatType::Counter};
  } else if (value == "Gauges") {
    options.types = {StatType::Gauge};
  } else if (value == "Histograms") {
    options.types = {StatType::Histogram};
  } else if (value == "TextReadouts") {
    options.types = {StatType::TextReadout};
  } else if (value != "All") {
    return absl::InvalidArgumentError("invalid &type= param");
  }
  return absl::OkStatus();
}

absl::Status setBuckets(const std::string& value, PageOptions& options) {
  if (value == "summary" || value == "none") {
    options.buckets = PageOptions::Buckets::Summary;
  } else if (value == "cumulative") {
    options.buckets = PageOptions::Buckets::Cumulative;
  } else if (value == "disjoint") {
    options.buckets = PageOptions::Buckets::Disjoint;
  } else if (value == "detailed") {
    options.buckets = PageOptions::Buckets::Detailed;
  } else {
    return absl::InvalidArgumentError("usage: /stats?histogram_buckets=(cumulative|disjoint|detailed|summary)\n");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<PageOptions> PageOptions::parse(absl::Span<const std::pair<std::string, std::string>> query,
                                               bool prometheus) {
  PageOptions options;
  absl::Status status;
  for (const auto& [key, value] : query) {
    if (key == "usedonly") {
      options.selection.used_only = true;
    } else if (key == "filter" && !value.empty()) {
      auto regex = std::make_shared<re2::RE2>(value, re2::RE2::Quiet);
      if (!regex->ok()) {
        return absl::InvalidArgumentError(absl::StrCat("Invalid re2 regex: ", regex->error()));
      }
      options.selection.filter = std::move(regex);
    } else if (key == "invert_filter") {
      options.selection.invert_filter = value != "false" && value != "0";
    } else if (key == "format") {
      status.Update(setFormat(value, options));
    } else if (key == "type") {
      status.Update(setType(value, options));
    } else if (key == "histogram_buckets") {
      status.Update(setBuckets(value, options));
    } else if (key == "text_readouts") {
      options.prometheus_text_readouts = true;
    }
  }
  if (!status.ok()) {
    return status;
  }
  if (prometheus) {
    options.format = Format::Prometheus;
  }
  if (options.format == Format::Prometheus && options.buckets != Buckets::Unset &&
      options.buckets != Buckets::Summary && options.buckets != Buckets::Cumulative) {
    return absl::InvalidArgumentError("unsupported prometheus histogram bucket mode");
  }
  return options;
}

std::unique_ptr<Page> Page::create(const Store& store, PageOptions options) {
  switch (options.format) {
    case PageOptions::Format::Json:
      return std::make_unique<JsonPage>(store, std::move(options));
    case PageOptions::Format::Prometheus:
      return std::make_unique<PrometheusPage>(store, std::move(options));
    default:
      return std::make_unique<TextPage>(store, std::move(options));
  }
}

}  // namespace sluice::stats
