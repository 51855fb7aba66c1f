#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"

namespace sluice::matcher {

/** An IP address as text to its bytes: 4 or 16 of them for its family, 0 for no address. */
size_t ipBytes(absl::string_view text, std::array<uint8_t, 16>& bytes);

}  // namespace sluice::matcher
