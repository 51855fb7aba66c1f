#pragma once

#include "absl/strings/string_view.h"

namespace sluice::base {

// Sluice's own version, as semantic versioning numbers it.
inline constexpr absl::string_view kVersion = "0.1.0";

// What `--version` and the admin pages show, in the form that Envoy gives it:
// "<git revision>/<version>/<Clean|Modified>/<RELEASE|DEBUG>/<TLS library>". The revision is zeros in anything but the
// program itself: only that is stamped, so that a commit makes no test run anew. Any thread.
absl::string_view versionString();

}  // namespace sluice::base
