#include "source/stats/name_filter.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace sluice::stats {

absl::StatusOr<NameMatcher> NameMatcher::create(NamePattern pattern) {
  std::shared_ptr<const re2::RE2> regex;
  if (pattern.kind == NamePattern::Kind::Regex) {
    regex = std::make_shared<re2::RE2>(pattern.text, re2::RE2::Quiet);
    if (!regex->ok()) {
      return absl::InvalidArgumentError(absl::StrCat("invalid regex '", pattern.text, "': ", regex->error()));
    }
  } else if (pattern.ignore_case) {
    absl::AsciiStrToLower(&pattern.text);
  }
  return NameMatcher(std::move(pattern), std::move(regex));
}

bool NameMatcher::matches(absl::string_view name) const {
  if (pattern_.kind == NamePattern::Kind::Regex) {
    return re2::RE2::FullMatch(re2::StringPiece(name.data(), name.size()), *regex_);
  }
  const std::string lower = pattern_.ignore_case ? absl::AsciiStrToLower(name) : std::string();
  if (pattern_.ignore_case) {
    name = lower;
  }
  switch (pattern_.kind) {
    case NamePattern::Kind::Exact:
      return name == pattern_.text;
    case NamePattern::Kind::Prefix:
      return absl::StartsWith(name, pattern_.text);
    case NamePattern::Kind::Suffix:
      return absl::EndsWith(name, pattern_.text);
    default:
      return absl::StrContains(name, pattern_.text);
  }
}

absl::StatusOr<NameFilter> NameFilter::create(NameFilterConfig config) {
  NameFilter filter;
  filter.mode_ = config.mode;
  for (NamePattern& pattern : config.patterns) {
    absl::StatusOr<NameMatcher> matcher = NameMatcher::create(std::move(pattern));
    if (!matcher.ok()) {
      return matcher.status();
    }
    filter.matchers_.push_back(std::move(*matcher));
  }
  return filter;
}

bool NameFilter::allows(absl::string_view name) const {
  if (mode_ == NameFilterConfig::Mode::AllowAll || mode_ == NameFilterConfig::Mode::RejectAll) {
    return mode_ == NameFilterConfig::Mode::AllowAll;
  }
  bool matched = false;
  for (const NameMatcher& matcher : matchers_) {
    if (matcher.matches(name)) {
      matched = true;
      break;
    }
  }
  return matched == (mode_ == NameFilterConfig::Mode::OnlyMatching);
}

}  // namespace sluice::stats
