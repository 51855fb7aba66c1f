#include "source/matcher/string_matcher.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include <re2/re2.h>

namespace sluice::matcher {

bool fullMatch(const re2::RE2& regex, absl::string_view text) {
  return re2::RE2::FullMatch(re2::StringPiece(text.data(), text.size()), regex);
}

bool containsIgnoringCase(absl::string_view text, absl::string_view lower) {
  return std::search(text.begin(), text.end(), lower.begin(), lower.end(),
                     [](char a, char b) { return absl::ascii_tolower(static_cast<unsigned char>(a)) == b; }) !=
             text.end() ||
         lower.empty();
}

absl::string_view pathAlone(absl::string_view path) { return path.substr(0, path.find_first_of("?#")); }

bool StringMatcher::matches(absl::string_view value) const {
  switch (kind) {
    case Kind::Exact:
      return ignore_case ? absl::EqualsIgnoreCase(value, text) : value == text;
    case Kind::Prefix:
      return ignore_case ? absl::StartsWithIgnoreCase(value, text) : absl::StartsWith(value, text);
    case Kind::Suffix:
      return ignore_case ? absl::EndsWithIgnoreCase(value, text) : absl::EndsWith(value, text);
    case Kind::Contains:
      return ignore_case ? containsIgnoringCase(value, text) : absl::StrContains(value, text);
    case Kind::Regex:
      return fullMatch(*regex, value);
  }
  return false;
}

}  // namespace sluice::matcher
