#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"

#include "source/stats/cells.h"

namespace sluice::stats {

/**
 * Handles to statistics. A handle is an index of a cell that every thread holds for itself (cells.h): adding is a
 * relaxed load and store of the calling thread's own cell, never a locked instruction. A handle is valid as long as the
 * Scope that gave it out (or another scope of the same name) lives; copy it freely. Names are resolved when
 * configuration is loaded, never on the data path. A default-made handle counts into a cell that nobody reads.
 */
class Counter {
 public:
  Counter() = default;
  explicit Counter(CellIndex cell) : cell_(cell) {}
  void inc() const { add(1); }
  void add(uint64_t amount) const { addToCell(cell_, amount); }
  CellIndex cell() const { return cell_; }

 private:
  CellIndex cell_ = kNullCell;
};

/** The value is the sum over threads; set() is for gauges that a single thread writes, as it replaces that thread's part. */
class Gauge {
 public:
  Gauge() = default;
  explicit Gauge(CellIndex cell) : cell_(cell) {}
  void inc() const { add(1); }
  void dec() const { sub(1); }
  void add(uint64_t amount) const { addToCell(cell_, amount); }
  void sub(uint64_t amount) const { addToCell(cell_, uint64_t{0} - amount); }
  void set(uint64_t value) const { setCell(cell_, value); }
  CellIndex cell() const { return cell_; }

 private:
  CellIndex cell_ = kNullCell;
};

enum class Unit : uint8_t { Unspecified, Bytes, Milliseconds, Microseconds };

/** Log-linear buckets, one set for each thread, made with first use and merged when read. */
class Histogram {
 public:
  Histogram() = default;
  explicit Histogram(HistogramIndex index) : index_(index) {}
  void record(uint64_t value) const { recordValue(index_, value); }
  HistogramIndex index() const { return index_; }

 private:
  HistogramIndex index_ = kNullHistogram;
};

class Scope;
using ScopePtr = std::shared_ptr<Scope>;

/**
 * A prefix of names, and what keeps their statistics. Asking for a name twice, also by another scope of the same
 * prefix, gives the same cell. When the last scope that asked for a name goes, the statistic goes from every page.
 * Main thread only, its destructor included; the handles are for any thread.
 */
class Scope : public std::enable_shared_from_this<Scope> {
 public:
  virtual ~Scope() = default;
  /** `name` is appended to the prefix with a dot between; characters that Envoy sanitises (':' and "://") become '_'. */
  virtual Counter counter(absl::string_view name) = 0;
  virtual Gauge gauge(absl::string_view name) = 0;
  virtual Histogram histogram(absl::string_view name, Unit unit) = 0;
  /** A text readout (such as control_plane.identifier): set on main. */
  virtual void setText(absl::string_view name, std::string value) = 0;
  virtual ScopePtr createScope(absl::string_view prefix) = 0;
};

}  // namespace sluice::stats
