#include "source/http/header_map.h"

#include <algorithm>
#include <array>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

#include "source/base/assert.h"

namespace sluice::http {
namespace {

constexpr std::array<absl::string_view, kHeaderIds> kNames = {absl::string_view(),
#define SLUICE_HTTP_HEADER_NAME(id, name) absl::string_view(name),
                                                              SLUICE_HTTP_HEADERS(SLUICE_HTTP_HEADER_NAME)
#undef SLUICE_HTTP_HEADER_NAME
};

/** Known names by a hash of their length and three of their letters; collisions go to the next free place. */
class NameTable {
 public:
  constexpr NameTable() {
    for (size_t id = 1; id < kHeaderIds; ++id) {
      size_t at = place(kNames[id]);
      while (ids_[at] != 0) {
        at = (at + 1) % kPlaces;
      }
      ids_[at] = static_cast<uint8_t>(id);
    }
  }
  HeaderId find(absl::string_view name) const {
    if (name.empty()) {
      return HeaderId::Other;
    }
    for (size_t at = place(name); ids_[at] != 0; at = (at + 1) % kPlaces) {
      if (kNames[ids_[at]] == name) {
        return static_cast<HeaderId>(ids_[at]);
      }
    }
    return HeaderId::Other;
  }

 private:
  static constexpr size_t kPlaces = 512;
  static constexpr size_t place(absl::string_view name) {
    const auto letter = [&](size_t i) { return static_cast<size_t>(static_cast<unsigned char>(name[i])); };
    const size_t n = name.size();
    return (n * 131 + letter(0) * 7 + letter(n / 2) * 37 + letter(n - 1) * 101) % kPlaces;
  }
  std::array<uint8_t, kPlaces> ids_{};
};

static_assert(kHeaderIds < 256, "ids are bytes");
constexpr NameTable kTable;

/** Null data stands for no field at all. */
absl::string_view nonNull(absl::string_view value) {
  return value.data() == nullptr ? absl::string_view("", 0) : value;
}

}  // namespace

absl::string_view headerName(HeaderId id) { return kNames[static_cast<size_t>(id)]; }

HeaderId headerId(absl::string_view name) { return kTable.find(name); }

Header& HeaderMap::push(absl::string_view name, absl::string_view value, HeaderId id) {
  if (used_ == capacity_) {
    SLUICE_CHECK(used_ < kMaxFields, "a header map is full");
    const uint32_t capacity = std::min<uint32_t>(std::max<uint32_t>(24, 2u * capacity_), kMaxFields);
    auto* entries = static_cast<Header*>(arena_.allocate(capacity * sizeof(Header), alignof(Header)));
    std::uninitialized_copy_n(entries_, used_, entries);
    entries_ = entries;
    capacity_ = static_cast<uint16_t>(capacity);
  }
  Header* field = new (&entries_[used_++]) Header{name, nonNull(value), nullptr, id, false};
  ++live_;
  uint16_t& first = first_[static_cast<size_t>(id)];
  if (id != HeaderId::Other && first == 0) {
    first = used_;
  }
  return *field;
}

void HeaderMap::drop(uint16_t index) {
  Header& field = entries_[index];
  const HeaderId id = field.id;
  field.name = {};
  --live_;
  uint16_t& first = first_[static_cast<size_t>(id)];
  if (id == HeaderId::Other || first != index + 1) {
    return;
  }
  first = 0;
  for (uint16_t i = index + 1; i < used_; ++i) {
    if (entries_[i].id == id && entries_[i].name.data() != nullptr) {
      first = i + 1;
      return;
    }
  }
}

void HeaderMap::add(absl::string_view lower_name, absl::string_view value) {
  const HeaderId id = headerId(lower_name);
  const absl::string_view name = id == HeaderId::Other ? arena_.copy(lower_name) : headerName(id);
  push(name, arena_.copy(value), id);
}

Header& HeaderMap::addView(absl::string_view lower_name, absl::string_view value) {
  return push(lower_name, value, headerId(lower_name));
}

Header& HeaderMap::addView(HeaderId id, absl::string_view value) { return push(headerName(id), value, id); }

void HeaderMap::addNumber(HeaderId id, uint64_t value) {
  char digits[absl::numbers_internal::kFastToBufferSize];
  const char* end = absl::numbers_internal::FastIntToBuffer(value, digits);
  add(id, absl::string_view(digits, static_cast<size_t>(end - digits)));
}

void HeaderMap::setView(HeaderId id, absl::string_view value) {
  const uint16_t at = first_[static_cast<size_t>(id)];
  if (at == 0) {
    addView(id, value);
    return;
  }
  entries_[at - 1].value = nonNull(value);
  for (uint16_t i = at; i < used_; ++i) {
    if (entries_[i].id == id && entries_[i].name.data() != nullptr) {
      drop(i);
    }
  }
}

void HeaderMap::set(absl::string_view lower_name, absl::string_view value) {
  const HeaderId id = headerId(lower_name);
  if (id != HeaderId::Other) {
    set(id, value);
    return;
  }
  auto* field = const_cast<Header*>(find(lower_name));
  if (field == nullptr) {
    add(lower_name, value);
    return;
  }
  field->value = arena_.copy(value);
  for (const Header* later = next(*field); later != nullptr;) {
    const auto index = static_cast<uint16_t>(later - entries_);
    later = next(*later);
    drop(index);
  }
}

void HeaderMap::setNumber(HeaderId id, uint64_t value) {
  char digits[absl::numbers_internal::kFastToBufferSize];
  const char* end = absl::numbers_internal::FastIntToBuffer(value, digits);
  set(id, absl::string_view(digits, static_cast<size_t>(end - digits)));
}

void HeaderMap::append(HeaderId id, absl::string_view value, absl::string_view separator) {
  append(headerName(id), value, separator);
}

void HeaderMap::append(absl::string_view lower_name, absl::string_view value, absl::string_view separator) {
  auto* field = const_cast<Header*>(find(lower_name));
  if (field == nullptr) {
    add(lower_name, value);
    return;
  }
  if (field->value.empty()) {
    field->value = arena_.copy(value);
    return;
  }
  const size_t size = field->value.size() + separator.size() + value.size();
  char* joined = static_cast<char*>(arena_.allocate(size, 1));
  char* end = std::copy(field->value.begin(), field->value.end(), joined);
  end = std::copy(separator.begin(), separator.end(), end);
  std::copy(value.begin(), value.end(), end);
  field->value = {joined, size};
}

absl::string_view HeaderMap::get(absl::string_view lower_name) const {
  const Header* field = find(lower_name);
  return field == nullptr ? absl::string_view() : field->value;
}

const Header* HeaderMap::find(absl::string_view lower_name) const {
  const HeaderId id = headerId(lower_name);
  if (id != HeaderId::Other) {
    return find(id);
  }
  for (uint16_t i = 0; i < used_; ++i) {
    if (entries_[i].id == HeaderId::Other && entries_[i].name.data() != nullptr && entries_[i].name == lower_name) {
      return &entries_[i];
    }
  }
  return nullptr;
}

const Header* HeaderMap::next(const Header& field) const {
  for (const Header* later = &field + 1; later != entries_ + used_; ++later) {
    if (later->name.data() != nullptr && later->id == field.id &&
        (field.id != HeaderId::Other || later->name == field.name)) {
      return later;
    }
  }
  return nullptr;
}

absl::string_view HeaderMap::joined(absl::string_view lower_name, base::Arena& scratch) const {
  const Header* first = find(lower_name);
  if (first == nullptr) {
    return {};
  }
  size_t size = first->value.size();
  size_t count = 1;
  for (const Header* field = next(*first); field != nullptr; field = next(*field)) {
    size += 1 + field->value.size();
    ++count;
  }
  if (count == 1) {
    return first->value;
  }
  char* text = static_cast<char*>(scratch.allocate(size, 1));
  char* end = std::copy(first->value.begin(), first->value.end(), text);
  for (const Header* field = next(*first); field != nullptr; field = next(*field)) {
    *end++ = ',';
    end = std::copy(field->value.begin(), field->value.end(), end);
  }
  return {text, size};
}

size_t HeaderMap::remove(HeaderId id) {
  if (!has(id)) {
    return 0;
  }
  return removeIf([id](const Header& field) { return field.id == id; });
}

size_t HeaderMap::remove(absl::string_view lower_name) {
  const HeaderId id = headerId(lower_name);
  if (id != HeaderId::Other) {
    return remove(id);
  }
  return removeIf([&](const Header& field) { return field.id == HeaderId::Other && field.name == lower_name; });
}

void HeaderMap::clear() {
  used_ = live_ = 0;
  std::memset(first_, 0, sizeof(first_));
}

uint64_t HeaderMap::byteSize() const {
  uint64_t bytes = 0;
  forEach([&](const Header& field) { bytes += field.name.size() + field.value.size(); });
  return bytes;
}

void HeaderMap::copyFrom(const HeaderMap& other) {
  const bool copy = &arena_ != &other.arena_;
  other.forEach([&](const Header& field) {
    const absl::string_view name = copy && field.id == HeaderId::Other ? arena_.copy(field.name) : field.name;
    Header& added = push(name, copy ? arena_.copy(field.value) : field.value, field.id);
    if (field.original_name != nullptr) {
      added.original_name = copy ? arena_.copy({field.original_name, field.name.size()}).data() : field.original_name;
    }
    added.sensitive = field.sensitive;
  });
}

std::string HeaderMap::toString() const {
  std::string out;
  forEach([&](const Header& field) { absl::StrAppend(&out, "'", field.name, "', '", field.value, "'\n"); });
  return out;
}

}  // namespace sluice::http
