#include "source/http/code_stats.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace sluice::http {

namespace {

constexpr uint32_t kFirstCode = 100;
constexpr uint32_t kEndOfCodes = 600;
/** Places in the table: the codes, then the classes, then the total, then what is no code. */
constexpr uint32_t kClasses = kEndOfCodes - kFirstCode;
constexpr uint32_t kCompleted = kClasses + 5;
constexpr uint32_t kUnknown = kCompleted + 1;
constexpr uint32_t kPlaces = kUnknown + 1;

std::string nameOf(uint32_t place) {
  if (place == kCompleted) {
    return "completed";
  }
  if (place == kUnknown) {
    return "unknown";
  }
  return place < kClasses ? absl::StrCat(place + kFirstCode) : absl::StrCat(place - kClasses + 1, "xx");
}

bool isCode(uint32_t code) { return code >= kFirstCode && code < kEndOfCodes; }

}  // namespace

/** What is resolved already, as one more than the index; 0 for what is not. (A name that is filtered out has index 0.) */
struct CodeStats::Table {
  std::atomic<uint32_t> cells[kPlaces] = {};
  std::atomic<uint32_t> time{0};
};

/** Shared with closures on their way to main, which is where the last of them dies. */
struct CodeStats::State {
  ~State() { delete table.load(std::memory_order_relaxed); }

  const stats::ScopePtr scope;
  const std::string prefix;
  /** Made with the first response, as most of 10,000 clusters have none. */
  std::atomic<Table*> table{nullptr};
};

CodeStats::CodeStats(event::Dispatcher& main, stats::ScopePtr scope, absl::string_view prefix)
    : main_(main), state_(new State{.scope = std::move(scope), .prefix = std::string(prefix)}) {}

CodeStats::~CodeStats() = default;

CodeStats::Table& CodeStats::table() const {
  Table* table = state_->table.load(std::memory_order_acquire);
  if (table == nullptr) {
    auto made = std::make_unique<Table>();
    if (state_->table.compare_exchange_strong(table, made.get(), std::memory_order_acq_rel)) {
      table = made.release();
    }
  }
  return *table;
}

void CodeStats::count(uint32_t place) const {
  const uint32_t resolved = table().cells[place].load(std::memory_order_acquire);
  if (resolved != 0) {
    stats::Counter(resolved - 1).inc();
    return;
  }
  const auto resolve = [state = state_, place] {
    const stats::Counter counter = state->scope->counter(absl::StrCat(state->prefix, "upstream_rq_", nameOf(place)));
    counter.inc();
    state->table.load(std::memory_order_acquire)->cells[place].store(counter.cell() + 1, std::memory_order_release);
  };
  if (main_.isThreadSafe()) {
    resolve();
  } else {
    main_.post(resolve);
  }
}

void CodeStats::countClass(uint32_t code) const {
  if (isCode(code)) {
    count(kClasses + code / 100 - 1);
  }
  count(kCompleted);
}

void CodeStats::countResponse(uint32_t code) const {
  count(isCode(code) ? code - kFirstCode : kUnknown);
  countClass(code);
}

void CodeStats::recordTime(uint64_t milliseconds) const {
  const uint32_t resolved = table().time.load(std::memory_order_acquire);
  if (resolved != 0) {
    stats::Histogram(resolved - 1).record(milliseconds);
    return;
  }
  const auto resolve = [state = state_, milliseconds] {
    const stats::Histogram histogram =
        state->scope->histogram(absl::StrCat(state->prefix, "upstream_rq_time"), stats::Unit::Milliseconds);
    histogram.record(milliseconds);
    state->table.load(std::memory_order_acquire)->time.store(histogram.index() + 1, std::memory_order_release);
  };
  if (main_.isThreadSafe()) {
    resolve();
  } else {
    main_.post(resolve);
  }
}

}  // namespace sluice::http
