#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"

namespace re2 {
class RE2;
}

namespace sluice::matcher {

/** Asks whether a text is, begins with, ends with or holds another, or fits a regular expression as a whole. */
struct StringMatcher {
  enum class Kind : uint8_t { Exact, Prefix, Suffix, Contains, Regex };

  Kind kind = Kind::Exact;
  /** Of ASCII letters; not for Regex. `text` is in lower case then. */
  bool ignore_case = false;
  std::string text;
  /** Of Kind::Regex alone. */
  std::shared_ptr<const re2::RE2> regex;

  bool matches(absl::string_view value) const;
};

/** A path's part before its query and fragment. */
absl::string_view pathAlone(absl::string_view path);

/** Numbers from `begin` up to but not `end`, as Envoy's Int64Range and DoubleRange are. */
template <class Number>
struct NumberRange {
  Number begin{};
  Number end{};
  bool contains(Number number) const { return number >= begin && number < end; }
};

/** Whether the regular expression fits all of the text. */
bool fullMatch(const re2::RE2& regex, absl::string_view text);

/** Whether `text` holds `lower`, which is in lower case, in whatever case. */
bool containsIgnoringCase(absl::string_view text, absl::string_view lower);

}  // namespace sluice::matcher
