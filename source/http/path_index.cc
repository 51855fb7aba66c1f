#include "source/http/path_index.h"

#include <algorithm>

#include "absl/container/inlined_vector.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"

namespace sluice::http {
namespace {

bool isPrefix(const PathMatch& path) {
  return path.kind == PathMatch::Kind::Prefix || path.kind == PathMatch::Kind::SeparatedPrefix;
}

}  // namespace

PathIndex::PathIndex(const std::vector<RouteMatch>& matches) : next_(matches.size(), kNone) {
  for (const bool ignore_case : {false, true}) {
    Paths& paths = ignore_case ? insensitive_ : sensitive_;
    addExact(paths, matches, ignore_case);
    addPrefixes(paths, matches, ignore_case);
  }
  // From behind, so that each list is in order.
  for (size_t i = matches.size(); i-- > 0;) {
    const PathMatch& path = matches[i].path;
    if (path.kind != PathMatch::Kind::Exact && !isPrefix(path)) {
      next_[i] = rest_;
      rest_ = static_cast<uint32_t>(i);
    }
  }
}

void PathIndex::addExact(Paths& paths, const std::vector<RouteMatch>& matches, bool ignore_case) {
  for (size_t i = matches.size(); i-- > 0;) {
    const PathMatch& path = matches[i].path;
    if (path.kind == PathMatch::Kind::Exact && path.ignore_case == ignore_case) {
      uint32_t& first = paths.exact.try_emplace(path.text, kNone).first->second;
      next_[i] = first;
      first = static_cast<uint32_t>(i);
    }
  }
}

void PathIndex::addPrefixes(Paths& paths, const std::vector<RouteMatch>& matches, bool ignore_case) {
  std::vector<uint32_t> order;
  for (size_t i = 0; i < matches.size(); ++i) {
    if (isPrefix(matches[i].path) && matches[i].path.ignore_case == ignore_case) {
      order.push_back(static_cast<uint32_t>(i));
    }
  }
  // Of equal texts the later routes come first, as they are put at the head of their list.
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    const int compared = matches[a].path.text.compare(matches[b].path.text);
    return compared != 0 ? compared < 0 : a > b;
  });
  for (const uint32_t route : order) {
    const absl::string_view text = matches[route].path.text;
    if (paths.prefixes.empty() || paths.prefixes.back().text != text) {
      // Sorted as they are, the prefixes of this text are the one before it or among those that that one begins with.
      uint32_t parent = static_cast<uint32_t>(paths.prefixes.size()) - 1;
      while (parent != kNone && !absl::StartsWith(text, paths.prefixes[parent].text)) {
        parent = paths.prefixes[parent].parent;
      }
      paths.prefixes.push_back({text, parent, kNone});
    }
    next_[route] = paths.prefixes.back().first;
    paths.prefixes.back().first = route;
  }
  paths.prefixes.shrink_to_fit();
}

template <class Cursors>
void PathIndex::collect(const Paths& paths, absl::string_view path, Cursors& cursors) {
  if (!paths.exact.empty()) {
    const auto found = paths.exact.find(path);
    if (found != paths.exact.end()) {
      cursors.push_back(found->second);
    }
  }
  const auto after = std::upper_bound(paths.prefixes.begin(), paths.prefixes.end(), path,
                                      [](absl::string_view text, const Prefix& prefix) { return text < prefix.text; });
  // Every prefix of the path sorts before it, and is a prefix of all that comes between the two.
  uint32_t at = static_cast<uint32_t>(after - paths.prefixes.begin()) - 1;
  while (at != kNone && !absl::StartsWith(path, paths.prefixes[at].text)) {
    at = paths.prefixes[at].parent;
  }
  for (; at != kNone; at = paths.prefixes[at].parent) {
    cursors.push_back(paths.prefixes[at].first);
  }
}

uint32_t PathIndex::find(absl::string_view path, absl::FunctionRef<bool(uint32_t route)> check) const {
  absl::InlinedVector<uint32_t, 32> cursors;
  collect(sensitive_, path, cursors);
  if (!insensitive_.empty()) {
    absl::InlinedVector<char, 512> lower(path.begin(), path.end());
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](char c) { return absl::ascii_tolower(static_cast<unsigned char>(c)); });
    collect(insensitive_, absl::string_view(lower.data(), lower.size()), cursors);
  }
  if (rest_ != kNone) {
    cursors.push_back(rest_);
  }
  while (!cursors.empty()) {
    const auto smallest = std::min_element(cursors.begin(), cursors.end());
    const uint32_t route = *smallest;
    if (check(route)) {
      return route;
    }
    *smallest = next_[route];
    if (*smallest == kNone) {
      *smallest = cursors.back();
      cursors.pop_back();
    }
  }
  return kNone;
}

}  // namespace sluice::http
