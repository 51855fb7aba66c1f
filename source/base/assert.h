#pragma once

#include "absl/strings/string_view.h"

namespace sluice::base {

/** Prints the broken invariant with its place and aborts; the crash handler adds the backtrace. */
[[noreturn]] void checkFailed(const char* file, int line, const char* condition, absl::string_view details);

}  // namespace sluice::base

/** A broken invariant of our own ends the process in every build; bad input never reaches one of these. */
#define SLUICE_CHECK(condition, details)                                    \
  do {                                                                      \
    if (!(condition)) [[unlikely]] {                                        \
      ::sluice::base::checkFailed(__FILE__, __LINE__, #condition, details); \
    }                                                                       \
  } while (false)
