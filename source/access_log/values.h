#pragma once

#include <charconv>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"

namespace sluice::access_log {

// What operators are made of: each appends a value, and tells whether there is one.

inline bool appendNumber(uint64_t value, std::string& out) {
  char digits[20];
  const auto end = std::to_chars(digits, digits + sizeof(digits), value);
  out.append(digits, static_cast<size_t>(end.ptr - digits));
  return true;
}

inline bool appendSigned(int64_t value, std::string& out) {
  char digits[20];
  const auto end = std::to_chars(digits, digits + sizeof(digits), value);
  out.append(digits, static_cast<size_t>(end.ptr - digits));
  return true;
}

/** An empty text is no value. */
inline bool appendText(absl::string_view value, std::string& out) {
  out.append(value.data(), value.size());
  return !value.empty();
}

inline bool appendText(const char* value, std::string& out) {
  return value != nullptr && appendText(absl::string_view(value), out);
}

inline bool appendText(const std::shared_ptr<const std::string>& value, std::string& out) {
  return value != nullptr && appendText(absl::string_view(*value), out);
}

/**
 * A host name that a client gave. What no name holds is written as '_' behind "invalid:", so that no client writes
 * lines or fields of its own into a log.
 */
bool appendHostName(absl::string_view name, std::string& out);

}  // namespace sluice::access_log
