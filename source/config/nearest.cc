#include "source/config/nearest.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace sluice::config {
namespace {

// Longer words cost quadratic time and are no misspellings of anything.
constexpr size_t kMaxWord = 100;

std::string normalised(absl::string_view word) {
  std::string out;
  for (const char c : word) {
    if (c != '_' && c != '-') {
      out.push_back(absl::ascii_tolower(c));
    }
  }
  return out;
}

// Optimal string alignment: insertions, deletions, replacements and swaps of neighbours cost one each.
size_t distance(absl::string_view a, absl::string_view b) {
  std::vector<size_t> before(b.size() + 1);
  std::vector<size_t> last(b.size() + 1);
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) {
    last[j] = j;
  }
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
    std::swap(before, last);
    std::swap(last, row);
  }
  return last[b.size()];
}

}  // namespace

std::string nearest(absl::string_view word, const std::vector<std::string>& candidates) {
  if (word.size() > kMaxWord) {
    return "";
  }
  const std::string wanted = normalised(word);
  const std::string* best = nullptr;
  size_t best_distance = std::max<size_t>(1, wanted.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    if (candidate.size() > kMaxWord) {
      continue;
    }
    const size_t candidate_distance = distance(wanted, normalised(candidate));
    if (candidate_distance < best_distance && candidate_distance < std::max<size_t>(1, candidate.size())) {
      best = &candidate;
      best_distance = candidate_distance;
    }
  }
  return best == nullptr ? "" : *best;
}

std::string didYouMean(absl::string_view word, const std::vector<std::string>& candidates) {
  const std::string found = nearest(word, candidates);
  return found.empty() ? "" : absl::StrCat(" (did you mean '", found, "'?)");
}

}  // namespace sluice::config
