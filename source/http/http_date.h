#pragma once

#include "absl/strings/string_view.h"

#include "source/base/clock.h"

namespace sluice::http {

/** "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110, section 5.6.7). Valid until the thread's next call. */
absl::string_view httpDate(base::SystemTime now);

}  // namespace sluice::http
