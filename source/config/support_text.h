#pragma once

#include "absl/strings/string_view.h"

namespace sluice::config {

/// api/support.txt as it was built into the program; any thread.
absl::string_view supportText();

}  // namespace sluice::config
