#include "source/stats/store_state.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace sluice::stats {
namespace {

/** Scopes with more statistics than this look them up in a map. */
constexpr size_t kLookThrough = 128;

uint64_t mapKey(NameId name, StatType type) { return (uint64_t{name} << 8) | static_cast<uint64_t>(type); }

std::shared_ptr<const TagExtractor> defaultExtractor() {
  return std::shared_ptr<const TagExtractor>(std::move(*TagExtractor::create(TagConfig{})));
}

}  // namespace

const std::string* ScopeData::textAt(uint32_t place) const {
  if (texts == nullptr) {
    return nullptr;
  }
  const auto found = texts->find(place);
  return found == texts->end() ? nullptr : &found->second;
}

const LatchedHistogram* ScopeData::latchedAt(uint32_t place) const {
  if (latched == nullptr) {
    return nullptr;
  }
  const auto found = latched->find(place);
  return found == latched->end() ? nullptr : &found->second;
}

StoreState::StoreState(StoreOptions options)
    : filter(std::move(options.filter)),
      tags(options.tags != nullptr ? std::move(options.tags) : defaultExtractor()),
      buckets(std::move(options.buckets)) {}

std::shared_ptr<ScopeData> StoreState::firstScope() const { return scopes.empty() ? nullptr : scopes.begin()->second; }

std::shared_ptr<ScopeData> StoreState::nextScope(absl::string_view after) const {
  const auto next = scopes.upper_bound(after);
  return next == scopes.end() ? nullptr : next->second;
}

std::shared_ptr<ScopeData> StoreState::addScope(absl::string_view prefix) {
  const std::lock_guard<std::mutex> lock(mutex);
  const auto found = scopes.find(prefix);
  if (found != scopes.end()) {
    ++found->second->scopes;
    return found->second;
  }
  auto scope = std::make_shared<ScopeData>();
  scope->prefix = std::string(prefix);
  scope->scopes = 1;
  scopes.emplace(scope->prefix, scope);
  return scope;
}

void StoreState::removeScope(const std::shared_ptr<ScopeData>& scope, const std::vector<uint64_t>& asked) {
  const std::lock_guard<std::mutex> lock(mutex);
  for (uint32_t place = 0; place < asked.size() * 64; ++place) {
    if (((asked[place / 64] >> (place % 64)) & 1) != 0 && --scope->entries[place].users == 0) {
      removeEntry(*scope, place);
    }
  }
  if (--scope->scopes == 0) {
    for (const CellIndex chunk : scope->chunks) {
      CellRegistry::get().freeChunk(chunk);
    }
    scope->entries.clear();
    scopes.erase(scope->prefix);
  }
}

uint32_t StoreState::findEntry(const ScopeData& scope, NameId name, StatType type) const {
  if (scope.by_name != nullptr) {
    const auto found = scope.by_name->find(mapKey(name, type));
    return found == scope.by_name->end() ? kNone : found->second;
  }
  for (uint32_t place = 0; place < scope.entries.size(); ++place) {
    const ScopeData::Entry& entry = scope.entries[place];
    if (entry.users != 0 && entry.name == name && entry.type == type) {
      return place;
    }
  }
  return kNone;
}

uint32_t StoreState::findOrAdd(ScopeData& scope, std::vector<uint64_t>& asked, absl::string_view name, StatType type,
                               Unit unit) {
  if (!filter.allowsAll() && !filter.allows(absl::StrCat(scope.prefix, name))) {
    return kNone;
  }
  const std::lock_guard<std::mutex> lock(mutex);
  const NameId id = names.acquire(name);
  uint32_t place = findEntry(scope, id, type);
  if (place == kNone) {
    uint32_t index = 0;
    if (type == StatType::Histogram) {
      index = CellRegistry::get().allocateHistogram();
    } else if (type != StatType::TextReadout) {
      index = allocateCell(scope);
    }
    if (scope.free_entries == 0) {
      place = static_cast<uint32_t>(scope.entries.size());
      scope.entries.emplace_back();
    } else {
      for (place = 0; scope.entries[place].users != 0; ++place) {
      }
      --scope.free_entries;
    }
    scope.entries[place] = ScopeData::Entry{id, index, 0, 0, type, unit};
    if (scope.by_name == nullptr && scope.entries.size() > kLookThrough) {
      scope.by_name = std::make_unique<absl::flat_hash_map<uint64_t, uint32_t>>();
      for (uint32_t i = 0; i < scope.entries.size(); ++i) {
        scope.by_name->emplace(mapKey(scope.entries[i].name, scope.entries[i].type), i);
      }
    } else if (scope.by_name != nullptr) {
      scope.by_name->emplace(mapKey(id, type), place);
    }
  } else {
    names.release(id);
  }
  if (asked.size() <= place / 64) {
    asked.resize(place / 64 + 1);
  }
  const uint64_t bit = uint64_t{1} << (place % 64);
  if ((asked[place / 64] & bit) == 0) {
    asked[place / 64] |= bit;
    ++scope.entries[place].users;
  }
  return place;
}

CellIndex StoreState::allocateCell(ScopeData& scope) {
  if (!scope.free_cells.empty()) {
    const CellIndex cell = scope.free_cells.back();
    scope.free_cells.pop_back();
    CellRegistry::get().clearCell(cell);
    return cell;
  }
  if (scope.used_in_last_chunk == detail::kCellsPerChunk) {
    const CellIndex first = CellRegistry::get().allocateChunk();
    if (first == kNullCell) {
      return kNullCell;
    }
    scope.chunks.push_back(first);
    scope.used_in_last_chunk = 0;
  }
  return scope.chunks.back() + scope.used_in_last_chunk++;
}

void StoreState::removeEntry(ScopeData& scope, uint32_t place) {
  ScopeData::Entry& entry = scope.entries[place];
  if (scope.by_name != nullptr) {
    scope.by_name->erase(mapKey(entry.name, entry.type));
  }
  if (entry.type == StatType::Histogram) {
    CellRegistry::get().freeHistogram(entry.index);
    if (scope.latched != nullptr) {
      scope.latched->erase(place);
    }
  } else if (entry.type == StatType::TextReadout) {
    if (scope.texts != nullptr) {
      scope.texts->erase(place);
    }
  } else if (entry.index != kNullCell) {
    scope.free_cells.push_back(entry.index);
  }
  names.release(entry.name);
  if (entry.metric != 0) {
    names.release(entry.metric - 1);
  }
  entry = ScopeData::Entry{};
  ++scope.free_entries;
}

const ScopeData::Entry* StoreState::find(absl::string_view full_name, StatType type) const {
  // Any of the name's dots may be the one where its scope's prefix ends.
  for (size_t end = full_name.rfind('.');; end = full_name.rfind('.', end - 1)) {
    const size_t prefix_size = end == absl::string_view::npos ? 0 : end + 1;
    const auto scope = scopes.find(full_name.substr(0, prefix_size));
    if (scope != scopes.end()) {
      for (const ScopeData::Entry& entry : scope->second->entries) {
        if (entry.users != 0 && entry.type == type && names.name(entry.name) == full_name.substr(prefix_size)) {
          return &entry;
        }
      }
    }
    if (end == absl::string_view::npos || end == 0) {
      return nullptr;
    }
  }
}

absl::Span<const double> StoreState::bucketsOf(absl::string_view full_name) const {
  for (const BucketRule& rule : buckets) {
    if (rule.match.matches(full_name)) {
      return rule.buckets;
    }
  }
  return defaultBuckets();
}

}  // namespace sluice::stats
