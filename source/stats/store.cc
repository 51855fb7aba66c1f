#include "source/stats/store.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"

#include "source/stats/store_state.h"

namespace sluice::stats {
namespace {

/** Names as Envoy writes them: an address or URL in a prefix must not look like more than one token's worth of syntax. */
std::string sanitize(absl::string_view name) {
  return absl::StrReplaceAll(name, {{"://", "_"}, {":/", "_"}, {":", "_"}, {absl::string_view("\0", 1), "_"}});
}

/** A prefix with exactly one dot at its end, or nothing. */
std::string normalizePrefix(absl::string_view prefix) {
  while (absl::ConsumePrefix(&prefix, ".")) {
  }
  while (absl::ConsumeSuffix(&prefix, ".")) {
  }
  return prefix.empty() ? std::string() : absl::StrCat(sanitize(prefix), ".");
}

class PrefixScope : public Scope {
 public:
  PrefixScope(std::shared_ptr<StoreState> state, absl::string_view prefix)
      : state_(std::move(state)), data_(state_->addScope(prefix)) {}
  ~PrefixScope() override { state_->removeScope(data_, asked_); }

  Counter counter(absl::string_view name) override {
    return Counter(index(name, StatType::Counter, Unit::Unspecified));
  }
  Gauge gauge(absl::string_view name) override { return Gauge(index(name, StatType::Gauge, Unit::Unspecified)); }
  Histogram histogram(absl::string_view name, Unit unit) override {
    return Histogram(index(name, StatType::Histogram, unit));
  }

  void setText(absl::string_view name, std::string value) override {
    const uint32_t place = state_->findOrAdd(*data_, asked_, sanitize(name), StatType::TextReadout, Unit::Unspecified);
    if (place != StoreState::kNone) {
      const std::lock_guard<std::mutex> lock(state_->mutex);
      if (data_->texts == nullptr) {
        data_->texts = std::make_unique<absl::flat_hash_map<uint32_t, std::string>>();
      }
      (*data_->texts)[place] = std::move(value);
    }
  }

  ScopePtr createScope(absl::string_view prefix) override {
    return std::make_shared<PrefixScope>(state_, absl::StrCat(data_->prefix, normalizePrefix(prefix)));
  }

 private:
  uint32_t index(absl::string_view name, StatType type, Unit unit) {
    const uint32_t place = state_->findOrAdd(*data_, asked_, sanitize(name), type, unit);
    // Index 0 is the null cell and the null histogram alike. Entries change on main alone, so reading needs no lock.
    return place == StoreState::kNone ? 0 : data_->entries[place].index;
  }

  const std::shared_ptr<StoreState> state_;
  const std::shared_ptr<ScopeData> data_;
  /** A bit for each of the data's entries that this scope has asked for. */
  std::vector<uint64_t> asked_;
};

}  // namespace

Store::Store(StoreOptions options)
    : state_(std::make_shared<StoreState>(std::move(options))), root_(std::make_shared<PrefixScope>(state_, "")) {}

Store::~Store() = default;

void Store::resetCounters() {
  std::string after;
  std::vector<CellIndex> cells;
  // The root comes first by itself: nothing sorts before its empty prefix.
  for (bool first = true;; first = false) {
    const std::lock_guard<std::mutex> lock(state_->mutex);
    const std::shared_ptr<ScopeData> scope = first ? state_->firstScope() : state_->nextScope(after);
    if (scope == nullptr) {
      return;
    }
    cells.clear();
    for (const ScopeData::Entry& entry : scope->entries) {
      if (entry.users != 0 && entry.type == StatType::Counter && entry.index != kNullCell) {
        cells.push_back(entry.index);
      }
    }
    CellRegistry::get().moveBaseline(cells);
    after = scope->prefix;
  }
}

bool Store::latchHistograms(size_t max_scopes) {
  for (size_t done = 0; done < max_scopes; ++done) {
    const std::lock_guard<std::mutex> lock(state_->mutex);
    const std::shared_ptr<ScopeData> next = latch_running_ ? state_->nextScope(latch_cursor_) : state_->firstScope();
    if (next == nullptr) {
      latch_running_ = false;
      return true;
    }
    ScopeData& scope = *next;
    latch_running_ = true;
    latch_cursor_ = scope.prefix;
    for (uint32_t place = 0; place < scope.entries.size(); ++place) {
      const ScopeData::Entry& entry = scope.entries[place];
      if (entry.users == 0 || entry.type != StatType::Histogram || entry.index == kNullHistogram) {
        continue;
      }
      HistogramData now = CellRegistry::get().readHistogram(entry.index);
      if (now.empty()) {
        continue;
      }
      if (scope.latched == nullptr) {
        scope.latched = std::make_unique<absl::flat_hash_map<uint32_t, LatchedHistogram>>();
      }
      LatchedHistogram& latched = (*scope.latched)[place];
      latched.interval = now.since(latched.cumulative);
      latched.cumulative = std::move(now);
    }
  }
  return false;
}

uint64_t Store::counterValue(absl::string_view name) const {
  const std::lock_guard<std::mutex> lock(state_->mutex);
  const ScopeData::Entry* entry = state_->find(name, StatType::Counter);
  return entry == nullptr ? 0 : CellRegistry::get().read(entry->index).value;
}

uint64_t Store::gaugeValue(absl::string_view name) const {
  const std::lock_guard<std::mutex> lock(state_->mutex);
  const ScopeData::Entry* entry = state_->find(name, StatType::Gauge);
  return entry == nullptr ? 0 : CellRegistry::get().read(entry->index).value;
}

uint64_t Store::histogramCount(absl::string_view name) const {
  const std::lock_guard<std::mutex> lock(state_->mutex);
  const ScopeData::Entry* entry = state_->find(name, StatType::Histogram);
  return entry == nullptr ? 0 : CellRegistry::get().readHistogram(entry->index).count;
}

}  // namespace sluice::stats
