#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "re2/re2.h"

namespace sluice::stats {

/** A string matcher of stats_config, as a plain struct. */
struct NamePattern {
  enum class Kind { Exact, Prefix, Suffix, Contains, Regex };
  Kind kind = Kind::Exact;
  std::string text;
  /** Not for Regex. */
  bool ignore_case = false;
};

/** bootstrap.stats_config.stats_matcher, as a plain struct. */
struct NameFilterConfig {
  enum class Mode { AllowAll, RejectAll, OnlyMatching, AllButMatching };
  Mode mode = Mode::AllowAll;
  std::vector<NamePattern> patterns;
};

/** Decides by a statistic's full name. Immutable; any thread. */
class NameMatcher {
 public:
  static absl::StatusOr<NameMatcher> create(NamePattern pattern);
  bool matches(absl::string_view name) const;

 private:
  NameMatcher(NamePattern pattern, std::shared_ptr<const re2::RE2> regex)
      : pattern_(std::move(pattern)), regex_(std::move(regex)) {}

  NamePattern pattern_;
  std::shared_ptr<const re2::RE2> regex_;
};

/** Which statistics there are: one that is left out costs nothing and is on no page. Immutable; any thread. */
class NameFilter {
 public:
  NameFilter() = default;
  static absl::StatusOr<NameFilter> create(NameFilterConfig config);
  bool allows(absl::string_view name) const;
  bool allowsAll() const { return mode_ == NameFilterConfig::Mode::AllowAll; }

 private:
  NameFilterConfig::Mode mode_ = NameFilterConfig::Mode::AllowAll;
  std::vector<NameMatcher> matchers_;
};

}  // namespace sluice::stats
