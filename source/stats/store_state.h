#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"

#include "source/stats/cell_registry.h"
#include "source/stats/name_table.h"
#include "source/stats/store.h"

namespace sluice::stats {

enum class StatType : uint8_t { Counter, Gauge, TextReadout, Histogram };

/** A merged histogram as it was at the end of the last interval, and what that interval brought. */
struct LatchedHistogram {
  HistogramData cumulative;
  HistogramData interval;
};

/**
 * The statistics of one prefix, shared by all scopes of that prefix: 16 bytes for each, and its name once in the whole
 * store. Guarded by the store's lock; a reader may keep it after its last scope has gone, and finds it empty then.
 */
struct ScopeData {
  struct Entry {
    NameId name;
    /** CellIndex or HistogramIndex; nothing for a text readout. */
    uint32_t index;
    /** The id of the name without its tags, once a page has asked for it, plus one. */
    NameId metric;
    /** How many scopes asked for it; 0 for a free entry. */
    uint32_t users : 24;
    StatType type : 4;
    Unit unit : 4;
  };

  /** With its final dot, so that prefixes sort as the full names do; "" for the root. */
  std::string prefix;
  uint32_t scopes = 0;
  std::vector<Entry> entries;
  uint32_t free_entries = 0;
  /** First cells of the chunks that are this prefix's own. */
  std::vector<CellIndex> chunks;
  uint8_t used_in_last_chunk = detail::kCellsPerChunk;
  /** Cells of statistics that went while the scope stayed. */
  std::vector<CellIndex> free_cells;
  /** From name to entry, once there are too many to look through. */
  std::unique_ptr<absl::flat_hash_map<uint64_t, uint32_t>> by_name;
  std::unique_ptr<absl::flat_hash_map<uint32_t, std::string>> texts;
  std::unique_ptr<absl::flat_hash_map<uint32_t, LatchedHistogram>> latched;

  /** Null if there is none, or not yet. */
  const std::string* textAt(uint32_t place) const;
  const LatchedHistogram* latchedAt(uint32_t place) const;
};

static_assert(sizeof(ScopeData::Entry) == 16, "there may be millions of these");

/** What Store, the scopes and the pages' cursors share. */
class StoreState {
 public:
  explicit StoreState(StoreOptions options);

  // The admin thread lists names while main goes on configuring: neither can wait for the other's loop on every name.
  // Held for one scope's statistics at a time, some microseconds.
  std::mutex mutex;
  NameTable names;
  absl::btree_map<absl::string_view, std::shared_ptr<ScopeData>> scopes;

  const NameFilter filter;
  const std::shared_ptr<const TagExtractor> tags;
  const std::vector<BucketRule> buckets;

  /** With the lock held: the first scope, or the one after that with this prefix; null after the last. */
  std::shared_ptr<ScopeData> firstScope() const;
  std::shared_ptr<ScopeData> nextScope(absl::string_view after) const;

  std::shared_ptr<ScopeData> addScope(absl::string_view prefix);
  void removeScope(const std::shared_ptr<ScopeData>& scope, const std::vector<uint64_t>& asked);

  static constexpr uint32_t kNone = UINT32_MAX;
  /** The entry's place, made if it is not there; kNone if the filter leaves it out. `asked` marks what this scope asked. */
  uint32_t findOrAdd(ScopeData& scope, std::vector<uint64_t>& asked, absl::string_view name, StatType type, Unit unit);

  /** With the lock held: the entry of this full name, or null. */
  const ScopeData::Entry* find(absl::string_view full_name, StatType type) const;

  absl::Span<const double> bucketsOf(absl::string_view full_name) const;

 private:
  uint32_t findEntry(const ScopeData& scope, NameId name, StatType type) const;
  CellIndex allocateCell(ScopeData& scope);
  void removeEntry(ScopeData& scope, uint32_t place);
};

}  // namespace sluice::stats
