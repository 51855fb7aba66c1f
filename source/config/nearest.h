#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace sluice::config {

/// The candidate that `word` is probably a misspelling of, or an empty string if none is near.
std::string nearest(absl::string_view word, const std::vector<std::string>& candidates);

/// " (did you mean 'x'?)" for the nearest candidate, or an empty string.
std::string didYouMean(absl::string_view word, const std::vector<std::string>& candidates);

}  // namespace sluice::config
