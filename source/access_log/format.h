#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "source/access_log/operators.h"

namespace sluice::access_log {

/** A text format, taken apart once: "%START_TIME% %BYTES_SENT%\n". Immutable; any thread. */
class Format {
 public:
  /** A literal (no `append`), or an operator with its argument. */
  struct Piece {
    /** The literal is the argument's text. */
    PreparedArgument argument;
    AppendValue append = nullptr;
    AppendValue append_json = nullptr;
    size_t max_length = std::string::npos;
  };

  /**
   * Envoy's syntax: %NAME%, %NAME(argument)%, either with :LENGTH before the last '%' to cut the value, and %% for a
   * percent sign. The error says what is wrong and at which character.
   */
  static absl::StatusOr<Format> parse(absl::string_view text, const OperatorTable& table, bool omit_empty_values);

  /** Allocates nothing beyond what `out` grows by. */
  void append(const LogContext& context, std::string& out) const;

  const std::vector<Piece>& pieces() const { return pieces_; }
  /** Whether it says the same whatever happens. */
  bool isLiteral() const { return pieces_.empty() || (pieces_.size() == 1 && pieces_[0].append == nullptr); }

 private:
  Format() = default;

  std::vector<Piece> pieces_;
  bool omit_empty_values_ = false;
};

}  // namespace sluice::access_log
