#pragma once

#include <memory>
#include <utility>

#include "source/stats/store.h"
#include "source/stats/tags.h"

namespace sluice::fuzz {

/** For a store at each run: making one's tags anew takes longer than most runs. */
inline stats::StoreOptions quickStore() {
  static const std::shared_ptr<const stats::TagExtractor> tags = *stats::TagExtractor::create(stats::TagConfig{});
  stats::StoreOptions options;
  options.tags = tags;
  return options;
}

}  // namespace sluice::fuzz
