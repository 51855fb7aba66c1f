#pragma once

#include <cstdint>
#include <string>

namespace sluice::access_log {

enum class FlagSpelling { Short, Long };

/** Appends the flags of net::response_flag that are set, with commas between; false when none is. */
bool appendResponseFlags(uint64_t flags, FlagSpelling spelling, std::string& out);

}  // namespace sluice::access_log
