#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace sluice::access_log {

/** Appends `text` as a JSON string, quotes included. Bytes that are not UTF-8 come out as U+FFFD. */
void appendJsonString(absl::string_view text, std::string& out);

/**
 * Makes what `out` holds from `from` on the inside of a JSON string: escapes it in place, without quotes. Allocates only
 * what `out` grows by.
 */
void escapeJsonFrom(size_t from, std::string& out);

/** Shortest text that reads back as `value`; null where JSON has no such number. */
void appendJsonNumber(double value, std::string& out);

}  // namespace sluice::access_log
