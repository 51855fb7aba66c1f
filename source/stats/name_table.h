#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"

namespace sluice::stats {

using NameId = uint32_t;

/**
 * Each distinct name once, under a small number, counted by its users: the 60 names of 10,000 clusters' statistics are
 * 60 strings. Guarded by its store's lock.
 */
class NameTable {
 public:
  /** The name's number, with one more user. */
  NameId acquire(absl::string_view name);
  /** As acquire(), for a number that is in use. */
  void addUser(NameId id) { ++entries_[id].users; }
  void release(NameId id);
  /** Valid until the name's last user goes. */
  absl::string_view name(NameId id) const { return entries_[id].name; }
  size_t size() const { return ids_.size(); }

 private:
  struct Entry {
    std::string name;
    uint32_t users = 0;
  };

  // A deque, for the map's keys point into it.
  std::deque<Entry> entries_;
  std::vector<NameId> free_;
  absl::flat_hash_map<absl::string_view, NameId> ids_;
};

}  // namespace sluice::stats
