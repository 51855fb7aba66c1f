#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"

#include "source/http/route_match.h"

namespace sluice::http {

/**
 * Finds the first of many routes that may match a path without looking at those whose path does not fit: exact paths by
 * their hash, prefixes in a sorted array in which each knows the next shorter one that is a prefix of it. What cannot be
 * told by the path's text (regular expressions, CONNECT) is looked at in turn. Immutable; any thread.
 */
class PathIndex {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  /** The matches' texts outlive it, in their place. */
  explicit PathIndex(const std::vector<RouteMatch>& matches);

  /** The first route, in their order, that `check` takes; it is asked only for those that may match. */
  uint32_t find(absl::string_view path, absl::FunctionRef<bool(uint32_t route)> check) const;

 private:
  struct Prefix {
    absl::string_view text;
    /** Of `prefixes`: the longest one that this begins with. */
    uint32_t parent = kNone;
    uint32_t first = kNone;
  };
  /** Lists of routes by path: first of each here, the others by `next_`. */
  struct Paths {
    absl::flat_hash_map<absl::string_view, uint32_t> exact;
    std::vector<Prefix> prefixes;
    bool empty() const { return exact.empty() && prefixes.empty(); }
  };
  template <class Cursors>
  static void collect(const Paths& paths, absl::string_view path, Cursors& cursors);
  void addExact(Paths& paths, const std::vector<RouteMatch>& matches, bool ignore_case);
  void addPrefixes(Paths& paths, const std::vector<RouteMatch>& matches, bool ignore_case);

  Paths sensitive_;
  /** In lower case. */
  Paths insensitive_;
  /** The first that is in neither. */
  uint32_t rest_ = kNone;
  /** By route: the next one of the same list. */
  std::vector<uint32_t> next_;
};

}  // namespace sluice::http
