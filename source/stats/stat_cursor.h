#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "re2/re2.h"

#include "source/stats/store_state.h"

namespace sluice::stats {

/** Which statistics a page shows. */
struct Selection {
  /** Only what was ever written. */
  bool used_only = false;
  /** Found anywhere in the full name. Null shows all. */
  std::shared_ptr<const re2::RE2> filter;
  bool invert_filter = false;

  bool allows(absl::string_view full_name) const {
    return filter == nullptr ||
           re2::RE2::PartialMatch(re2::StringPiece(full_name.data(), full_name.size()), *filter) != invert_filter;
  }
};

/** One statistic as a page shows it. */
struct StatValue {
  std::string name;
  StatType type = StatType::Counter;
  uint64_t value = 0;
  std::string text;
  /** Of a histogram: all there is now, and what the last whole interval brought. */
  LatchedHistogram histogram;
};

/**
 * Walks over the statistics of some types in order of their full names, while scopes come and go. It opens one scope
 * after the other, each under the store's lock for as long as it takes to read its values, and merges those whose names
 * interleave; so it holds a few scopes' values at a time, however many there are. One thread at a time, any thread.
 */
class StatCursor {
 public:
  StatCursor(std::shared_ptr<StoreState> state, std::vector<StatType> types, Selection selection);

  enum class Result {
    Found,
    /** So many scopes without a match were looked through that the caller may have better to do; call again. */
    Pause,
    End,
  };
  Result next(StatValue& value);

 private:
  struct Item {
    /** A part of its scope's `suffixes`. */
    uint32_t begin;
    uint32_t size;
    StatType type;
    /** The value; or the place in `texts` or `histograms`. */
    uint64_t value;
  };
  struct OpenScope {
    std::string prefix;
    std::string suffixes;
    std::vector<Item> items;
    std::vector<std::string> texts;
    std::vector<LatchedHistogram> histograms;
    size_t at = 0;
    /** The full name at `at`. */
    std::string current;

    void setCurrent();
  };

  void openNext();
  void read(const ScopeData& scope, OpenScope& open) const;

  const std::shared_ptr<StoreState> state_;
  const std::vector<StatType> types_;
  const Selection selection_;

  std::vector<OpenScope> open_;
  /** Prefix of the next scope to open; open_ has what came before it. */
  std::string next_prefix_;
  bool more_scopes_ = false;
};

}  // namespace sluice::stats
