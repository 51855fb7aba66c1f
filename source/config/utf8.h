#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace sluice::config {

/// The offset of the first byte that is not part of a well-formed UTF-8 sequence (RFC 3629: no surrogates, no overlong
/// forms), or npos.
size_t findInvalidUtf8(absl::string_view text);

/// How many code points a valid UTF-8 text has.
size_t countCodePoints(absl::string_view text);

/// `code_point` is at most 0x10FFFF and no surrogate.
void appendUtf8(std::string& out, uint32_t code_point);

}  // namespace sluice::config
