#pragma once

#include <cstdint>
#include <cstring>
#include <string>

#include "absl/strings/string_view.h"

#include "source/base/arena.h"
#include "source/http/header_names.h"

namespace sluice::http {

/** One header field. Its texts live in the map's arena, in static memory, or in what outlives both. */
struct Header {
  /** In lower case; null data when it was removed (HeaderMap::forEach() skips those). */
  absl::string_view name;
  absl::string_view value;
  /** As it came, where HTTP/1 is to keep its case: as long as `name`, else null. */
  const char* original_name = nullptr;
  HeaderId id = HeaderId::Other;
  /** HTTP/2's never-indexed. */
  bool sensitive = false;
};

/**
 * Header fields in order of arrival, pseudo-headers (":path") among them. Names are in lower case. Lives in an arena,
 * which holds its texts; a copy of a map is made with copyFrom(). Finding a known name (header_names.h) is an index;
 * others are searched. One thread.
 */
class HeaderMap {
 public:
  explicit HeaderMap(base::Arena& arena) : arena_(arena) { std::memset(first_, 0, sizeof(first_)); }
  HeaderMap(const HeaderMap&) = delete;
  HeaderMap& operator=(const HeaderMap&) = delete;

  base::Arena& arena() const { return arena_; }

  // Adding. Names and values are copied into the arena but where a function says that it keeps views.

  void add(absl::string_view lower_name, absl::string_view value);
  void add(HeaderId id, absl::string_view value) { addView(id, arena_.copy(value)); }
  /** For texts that are static or in the arena already; `lower_name` may be of a known header. */
  Header& addView(absl::string_view lower_name, absl::string_view value);
  Header& addView(HeaderId id, absl::string_view value);
  void addNumber(HeaderId id, uint64_t value);

  /** Replaces all fields of the name by one, in place of the first. */
  void set(HeaderId id, absl::string_view value) { setView(id, arena_.copy(value)); }
  void setView(HeaderId id, absl::string_view value);
  void set(absl::string_view lower_name, absl::string_view value);
  void setNumber(HeaderId id, uint64_t value);
  /** Appends to the first field of the name, with a comma between; adds it if there is none. */
  void append(HeaderId id, absl::string_view value, absl::string_view separator = ",");
  void append(absl::string_view lower_name, absl::string_view value, absl::string_view separator = ",");

  // Finding.

  /** The value of the first field of the name; null data when there is none. */
  absl::string_view get(HeaderId id) const {
    const uint16_t at = first_[static_cast<size_t>(id)];
    return at == 0 ? absl::string_view() : entries_[at - 1].value;
  }
  absl::string_view get(absl::string_view lower_name) const;
  bool has(HeaderId id) const { return first_[static_cast<size_t>(id)] != 0; }
  bool has(absl::string_view lower_name) const { return find(lower_name) != nullptr; }
  const Header* find(HeaderId id) const {
    const uint16_t at = first_[static_cast<size_t>(id)];
    return at == 0 ? nullptr : &entries_[at - 1];
  }
  const Header* find(absl::string_view lower_name) const;
  /** The next field of the same name; null after the last. */
  const Header* next(const Header& field) const;
  /** All values of a name with commas between, as header matchers see them; a view if there is one only. */
  absl::string_view joined(absl::string_view lower_name, base::Arena& scratch) const;

  size_t remove(HeaderId id);
  size_t remove(absl::string_view lower_name);
  /** Removes the fields for which `match(const Header&)` is true. */
  template <class Match>
  size_t removeIf(Match&& match);
  void clear();

  /** Calls visit(const Header&) for each field in order. */
  template <class Visit>
  void forEach(Visit&& visit) const {
    for (uint16_t i = 0; i < used_; ++i) {
      if (entries_[i].name.data() != nullptr) {
        visit(static_cast<const Header&>(entries_[i]));
      }
    }
  }

  uint32_t size() const { return live_; }
  bool empty() const { return live_ == 0; }
  /** Names and values, in bytes, without what a codec puts between. */
  uint64_t byteSize() const;

  /** Adds all of `other`, texts copied where the arenas differ. */
  void copyFrom(const HeaderMap& other);

  /** One field a line, for debug logs. */
  std::string toString() const;

  /** More fields than this are never kept: codecs refuse them long before. */
  static constexpr uint32_t kMaxFields = 60000;

 private:
  Header& push(absl::string_view name, absl::string_view value, HeaderId id);
  void drop(uint16_t index);

  base::Arena& arena_;
  Header* entries_ = nullptr;
  uint16_t used_ = 0;
  uint16_t capacity_ = 0;
  uint16_t live_ = 0;
  /** By id: index of the first field plus one; 0 when there is none. */
  uint16_t first_[kHeaderIds];
};

template <class Match>
size_t HeaderMap::removeIf(Match&& match) {
  size_t removed = 0;
  for (uint16_t i = 0; i < used_; ++i) {
    if (entries_[i].name.data() != nullptr && match(static_cast<const Header&>(entries_[i]))) {
      drop(i);
      ++removed;
    }
  }
  return removed;
}

}  // namespace sluice::http
