#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

#include "source/stats/stat_cursor.h"
#include "source/stats/store.h"

namespace sluice::stats {

struct PageOptions {
  enum class Format { Text, Json, Prometheus };
  enum class Buckets {
    /** Quantiles; in Prometheus's format the cumulative buckets. */
    Unset,
    Summary,
    Cumulative,
    Disjoint,
    Detailed,
  };

  Format format = Format::Text;
  Selection selection;
  /** All types if empty. */
  std::vector<StatType> types;
  Buckets buckets = Buckets::Unset;
  /** Prometheus has no texts; as series of value 0 they cost it memory. */
  bool prometheus_text_readouts = false;

  /** From a query's parameters, as /stats (and, with `prometheus`, /stats/prometheus) takes them; errors as Envoy's. */
  static absl::StatusOr<PageOptions> parse(absl::Span<const std::pair<std::string, std::string>> query,
                                           bool prometheus);
};

/**
 * A page of statistics, made piece by piece, so that a million series never sit in memory and their thread can do other
 * things in between. One thread at a time, any thread.
 */
class Page {
 public:
  static std::unique_ptr<Page> create(const Store& store, PageOptions options);
  virtual ~Page() = default;

  /** Appends the next piece (some 64 KiB, or less after a millisecond's worth of looking); false after the last. */
  virtual bool next(std::string& out) = 0;
  virtual absl::string_view contentType() const = 0;

 protected:
  static constexpr size_t kPieceBytes = 64 * 1024;
};

}  // namespace sluice::stats
