#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "source/base/clock.h"

namespace sluice::access_log {

/**
 * A time format, taken apart once: strftime's specifiers, %s (seconds of the epoch), %f and %1f to %9f (digits of the
 * second), and absl's %E3S, %E6f, %E*S, %E*f, %Ez, %E4Y. Immutable; any thread; appending allocates only what `out` grows
 * by and takes no lock.
 */
class TimeFormat {
 public:
  enum class Zone { Utc, Local };

  /** An empty format is RFC 3339 in milliseconds. Line breaks are refused. */
  static absl::StatusOr<TimeFormat> parse(absl::string_view format);

  void append(base::SystemTime time, Zone zone, std::string& out) const;

 private:
  enum class Kind { Strftime, Epoch, Fraction, TrimmedFraction, ColonOffset };
  struct Piece {
    Kind kind;
    /** For strftime. */
    std::string text;
    int digits = 0;
  };

  std::vector<Piece> pieces_;
};

/** "2018-04-03T23:06:09.123Z" */
void appendRfc3339Millis(base::SystemTime time, std::string& out);

}  // namespace sluice::access_log
