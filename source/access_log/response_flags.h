#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace sluice::access_log {

enum class FlagSpelling { Short, Long };

/** Appends the flags of net::response_flag that are set, with commas between; false when none is. Their order is Envoy's. */
bool appendResponseFlags(uint64_t flags, FlagSpelling spelling, std::string& out, bool of_request = false);

/** Of "UH" and so on; 0 for one that Envoy has and nothing here sets. */
std::optional<uint64_t> responseFlagBit(absl::string_view short_name);

}  // namespace sluice::access_log
