#include "source/stats/name_table.h"

namespace sluice::stats {

NameId NameTable::acquire(absl::string_view name) {
  const auto found = ids_.find(name);
  if (found != ids_.end()) {
    ++entries_[found->second].users;
    return found->second;
  }
  NameId id;
  if (free_.empty()) {
    id = static_cast<NameId>(entries_.size());
    entries_.emplace_back();
  } else {
    id = free_.back();
    free_.pop_back();
  }
  Entry& entry = entries_[id];
  entry.name = std::string(name);
  entry.users = 1;
  ids_.emplace(entry.name, id);
  return id;
}

void NameTable::release(NameId id) {
  Entry& entry = entries_[id];
  if (--entry.users == 0) {
    ids_.erase(entry.name);
    entry.name = std::string();
    free_.push_back(id);
  }
}

}  // namespace sluice::stats
