#include "source/config/utf8.h"

#include <cstring>

namespace sluice::config {
namespace {

bool isContinuation(unsigned char byte) { return (byte & 0xC0) == 0x80; }

// The length of the well-formed sequence at the start of `text`, 0 if there is none.
size_t sequenceLength(absl::string_view text) {
  const auto at = [text](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = at(0);
  if (first < 0x80) {
    return 1;
  }
  const size_t length = first >= 0xC2 && first < 0xE0   ? 2
                        : first >= 0xE0 && first < 0xF0 ? 3
                        : first >= 0xF0 && first < 0xF5 ? 4
                                                        : 0;
  if (length == 0 || text.size() < length) {
    return 0;
  }
  for (size_t i = 1; i < length; ++i) {
    if (!isContinuation(at(i))) {
      return 0;
    }
  }
  const unsigned char second = at(1);
  if ((first == 0xE0 && second < 0xA0) || (first == 0xED && second >= 0xA0) || (first == 0xF0 && second < 0x90) ||
      (first == 0xF4 && second >= 0x90)) {
    return 0;
  }
  return length;
}

}  // namespace

size_t findInvalidUtf8(absl::string_view text) {
  size_t i = 0;
  while (i < text.size()) {
    // Most of a configuration is ASCII: eight bytes at once.
    while (i + 8 <= text.size()) {
      uint64_t word = 0;
      std::memcpy(&word, text.data() + i, sizeof(word));
      if ((word & 0x8080808080808080ULL) != 0) {
        break;
      }
      i += 8;
    }
    if (i == text.size()) {
      break;
    }
    const size_t length = sequenceLength(text.substr(i));
    if (length == 0) {
      return i;
    }
    i += length;
  }
  return absl::string_view::npos;
}

size_t countCodePoints(absl::string_view text) {
  size_t count = 0;
  for (const char c : text) {
    count += isContinuation(static_cast<unsigned char>(c)) ? 0 : 1;
  }
  return count;
}

void appendUtf8(std::string& out, uint32_t code_point) {
  const auto tail = [](uint32_t bits) { return static_cast<char>(0x80 | (bits & 0x3F)); };
  if (code_point < 0x80) {
    out.push_back(static_cast<char>(code_point));
  } else if (code_point < 0x800) {
    out.push_back(static_cast<char>(0xC0 | (code_point >> 6)));
    out.push_back(tail(code_point));
  } else if (code_point < 0x10000) {
    out.push_back(static_cast<char>(0xE0 | (code_point >> 12)));
    out.push_back(tail(code_point >> 6));
    out.push_back(tail(code_point));
  } else {
    out.push_back(static_cast<char>(0xF0 | (code_point >> 18)));
    out.push_back(tail(code_point >> 12));
    out.push_back(tail(code_point >> 6));
    out.push_back(tail(code_point));
  }
}

}  // namespace sluice::config
