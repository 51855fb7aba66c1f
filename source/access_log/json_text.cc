#include "source/access_log/json_text.h"

#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>

namespace sluice::access_log {
namespace {

constexpr absl::string_view kReplacement = "\xef\xbf\xbd";

/** The length of the well-formed UTF-8 sequence at `at`, above ASCII; 0 if there is none. */
size_t sequenceLength(absl::string_view text, size_t at) {
  const auto byte = [text](size_t index) -> uint32_t {
    return index < text.size() ? static_cast<uint8_t>(text[index]) : 0;
  };
  const auto continues = [&byte](size_t index) { return (byte(index) & 0xc0) == 0x80; };
  const uint32_t first = byte(at);
  const uint32_t second = byte(at + 1);
  if (first >= 0xc2 && first <= 0xdf) {
    return continues(at + 1) ? 2 : 0;
  }
  if (first >= 0xe0 && first <= 0xef) {
    const bool overlong = first == 0xe0 && second < 0xa0;
    const bool surrogate = first == 0xed && second > 0x9f;
    return continues(at + 1) && continues(at + 2) && !overlong && !surrogate ? 3 : 0;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    const bool overlong = first == 0xf0 && second < 0x90;
    const bool beyond = first == 0xf4 && second > 0x8f;
    return continues(at + 1) && continues(at + 2) && continues(at + 3) && !overlong && !beyond ? 4 : 0;
  }
  return 0;
}

/** Calls emit(piece) for what stands for the character at `at`; returns how many bytes that took of `text`. */
template <class Emit>
size_t escapeOne(absl::string_view text, size_t at, Emit&& emit) {
  const auto c = static_cast<uint8_t>(text[at]);
  if (c >= 0x80) {
    const size_t length = sequenceLength(text, at);
    emit(length == 0 ? kReplacement : text.substr(at, length));
    return length == 0 ? 1 : length;
  }
  switch (c) {
    case '"':
      emit("\\\"");
      return 1;
    case '\\':
      emit("\\\\");
      return 1;
    case '\b':
      emit("\\b");
      return 1;
    case '\f':
      emit("\\f");
      return 1;
    case '\n':
      emit("\\n");
      return 1;
    case '\r':
      emit("\\r");
      return 1;
    case '\t':
      emit("\\t");
      return 1;
    default:
      break;
  }
  if (c < 0x20) {
    constexpr char kHex[] = "0123456789abcdef";
    const char escaped[] = {'\\', 'u', '0', '0', kHex[c >> 4], kHex[c & 15]};
    emit(absl::string_view(escaped, sizeof(escaped)));
  } else {
    emit(text.substr(at, 1));
  }
  return 1;
}

bool isPlain(uint8_t c) { return c >= 0x20 && c < 0x80 && c != '"' && c != '\\'; }

}  // namespace

void appendJsonString(absl::string_view text, std::string& out) {
  out += '"';
  const size_t from = out.size();
  out.append(text.data(), text.size());
  escapeJsonFrom(from, out);
  out += '"';
}

void escapeJsonFrom(size_t from, std::string& out) {
  size_t first = from;
  while (first < out.size() && isPlain(static_cast<uint8_t>(out[first]))) {
    ++first;
  }
  if (first == out.size()) {
    return;
  }
  const size_t raw = out.size() - first;
  size_t escaped = 0;
  const absl::string_view before(out.data() + first, raw);
  for (size_t at = 0; at < raw;) {
    at += escapeOne(before, at, [&escaped](absl::string_view piece) { escaped += piece.size(); });
  }
  if (escaped == raw) {
    // Every replacement is longer than what it is for, so there was none.
    return;
  }
  // The raw text moves behind what it becomes, and is read from there. Every escape is longer than what it is for, so the
  // writing never overtakes the reading.
  out.resize(first + escaped);
  std::memmove(&out[first + escaped - raw], &out[first], raw);
  const absl::string_view source(out.data() + first + escaped - raw, raw);
  size_t to = first;
  for (size_t at = 0; at < raw;) {
    at += escapeOne(source, at, [&out, &to](absl::string_view piece) {
      std::memmove(&out[to], piece.data(), piece.size());
      to += piece.size();
    });
  }
}

void appendJsonNumber(double value, std::string& out) {
  if (!std::isfinite(value)) {
    out += "null";
    return;
  }
  char digits[32];
  // Whole numbers without an exponent, as they were most likely written.
  const auto end = value == std::trunc(value) && std::fabs(value) < 1e21
                       ? std::to_chars(digits, digits + sizeof(digits), value, std::chars_format::fixed)
                       : std::to_chars(digits, digits + sizeof(digits), value);
  out.append(digits, static_cast<size_t>(end.ptr - digits));
}

}  // namespace sluice::access_log
