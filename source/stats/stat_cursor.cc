#include "source/stats/stat_cursor.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace sluice::stats {
namespace {

constexpr int kScopesPerCall = 64;

}  // namespace

void StatCursor::OpenScope::setCurrent() {
  if (at < items.size()) {
    current = absl::StrCat(prefix, absl::string_view(suffixes).substr(items[at].begin, items[at].size));
  }
}

StatCursor::StatCursor(std::shared_ptr<StoreState> state, std::vector<StatType> types, Selection selection)
    : state_(std::move(state)), types_(std::move(types)), selection_(std::move(selection)) {
  const std::lock_guard<std::mutex> lock(state_->mutex);
  const std::shared_ptr<ScopeData> first = state_->firstScope();
  if (first != nullptr) {
    more_scopes_ = true;
    next_prefix_ = first->prefix;
  }
}

StatCursor::Result StatCursor::next(StatValue& value) {
  // Every name of a scope sorts after its prefix: open all that may hold the next name.
  for (int opened = 0; more_scopes_;) {
    const auto least = std::min_element(open_.begin(), open_.end(),
                                        [](const OpenScope& a, const OpenScope& b) { return a.current < b.current; });
    if (least != open_.end() && least->current < next_prefix_) {
      break;
    }
    if (opened++ == kScopesPerCall) {
      return Result::Pause;
    }
    openNext();
  }
  const auto least = std::min_element(open_.begin(), open_.end(),
                                      [](const OpenScope& a, const OpenScope& b) { return a.current < b.current; });
  if (least == open_.end()) {
    return Result::End;
  }
  const Item item = least->items[least->at];
  value = StatValue();
  value.name = least->current;
  value.type = item.type;
  // Two scopes may spell the same full name with their dots between prefix and name elsewhere: it is one statistic.
  for (OpenScope& scope : open_) {
    if (scope.current != value.name || scope.items[scope.at].type != value.type) {
      continue;
    }
    const Item& same = scope.items[scope.at];
    if (same.type == StatType::TextReadout) {
      value.text = std::move(scope.texts[same.value]);
    } else if (same.type == StatType::Histogram) {
      value.histogram.cumulative.add(scope.histograms[same.value].cumulative);
      value.histogram.interval.add(scope.histograms[same.value].interval);
    } else {
      value.value += same.value;
    }
    ++scope.at;
    scope.setCurrent();
  }
  open_.erase(
      std::remove_if(open_.begin(), open_.end(), [](const OpenScope& scope) { return scope.at == scope.items.size(); }),
      open_.end());
  return Result::Found;
}

void StatCursor::openNext() {
  OpenScope open;
  {
    const std::lock_guard<std::mutex> lock(state_->mutex);
    auto scope = state_->scopes.lower_bound(next_prefix_);
    if (scope == state_->scopes.end()) {
      more_scopes_ = false;
      return;
    }
    // The one that was expected may have gone, and this one belong further on: then it waits for its turn.
    if (scope->second->prefix != next_prefix_) {
      next_prefix_ = scope->second->prefix;
      return;
    }
    read(*scope->second, open);
    open.prefix = scope->second->prefix;
    ++scope;
    more_scopes_ = scope != state_->scopes.end();
    if (more_scopes_) {
      next_prefix_ = scope->second->prefix;
    }
  }
  if (selection_.filter != nullptr) {
    open.items.erase(std::remove_if(open.items.begin(), open.items.end(),
                                    [this, &open](const Item& item) {
                                      return !selection_.allows(absl::StrCat(
                                          open.prefix, absl::string_view(open.suffixes).substr(item.begin, item.size)));
                                    }),
                     open.items.end());
  }
  if (open.items.empty()) {
    return;
  }
  std::sort(open.items.begin(), open.items.end(), [&open](const Item& a, const Item& b) {
    const int order = absl::string_view(open.suffixes)
                          .substr(a.begin, a.size)
                          .compare(absl::string_view(open.suffixes).substr(b.begin, b.size));
    return order != 0 ? order < 0 : a.type < b.type;
  });
  open.setCurrent();
  open_.push_back(std::move(open));
}

void StatCursor::read(const ScopeData& scope, OpenScope& open) const {
  std::vector<CellIndex> cells;
  std::vector<const ScopeData::Entry*> entries;
  for (uint32_t place = 0; place < scope.entries.size(); ++place) {
    const ScopeData::Entry& entry = scope.entries[place];
    if (entry.users == 0 || std::find(types_.begin(), types_.end(), entry.type) == types_.end()) {
      continue;
    }
    uint64_t value = 0;
    if (entry.type == StatType::TextReadout) {
      const std::string* text = scope.textAt(place);
      if (text == nullptr || (selection_.used_only && text->empty())) {
        continue;
      }
      value = open.texts.size();
      open.texts.push_back(*text);
    } else if (entry.type == StatType::Histogram) {
      LatchedHistogram histogram;
      histogram.cumulative = CellRegistry::get().readHistogram(entry.index);
      if (selection_.used_only && histogram.cumulative.empty()) {
        continue;
      }
      const LatchedHistogram* latched = scope.latchedAt(place);
      if (latched != nullptr) {
        histogram.interval = latched->interval;
      }
      value = open.histograms.size();
      open.histograms.push_back(std::move(histogram));
    } else {
      cells.push_back(entry.index);
      entries.push_back(&entry);
      continue;
    }
    const absl::string_view suffix = state_->names.name(entry.name);
    open.items.push_back(
        {static_cast<uint32_t>(open.suffixes.size()), static_cast<uint32_t>(suffix.size()), entry.type, value});
    absl::StrAppend(&open.suffixes, suffix);
  }
  std::vector<CellRegistry::Value> values(cells.size());
  CellRegistry::get().read(cells, values.data());
  for (size_t i = 0; i < cells.size(); ++i) {
    if (selection_.used_only && !values[i].used) {
      continue;
    }
    const absl::string_view suffix = state_->names.name(entries[i]->name);
    open.items.push_back({static_cast<uint32_t>(open.suffixes.size()), static_cast<uint32_t>(suffix.size()),
                          entries[i]->type, values[i].value});
    absl::StrAppend(&open.suffixes, suffix);
  }
}

}  // namespace sluice::stats
