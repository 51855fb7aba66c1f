#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

#include "source/config/field_path.h"
#include "source/config/violations.h"
#include "source/http/header_map.h"
#include "source/matcher/string_matcher.h"

namespace envoy::config::route::v3 {
class HeaderMatcher;
class QueryParameterMatcher;
}  // namespace envoy::config::route::v3
namespace sluice::matcher {
struct RegexLimit;
}

namespace sluice::http {

/** envoy.config.route.v3.HeaderMatcher. Made on main, immutable; any thread. */
class HeaderMatcher {
 public:
  static HeaderMatcher create(const envoy::config::route::v3::HeaderMatcher& proto, matcher::RegexLimit limit,
                              const config::FieldPath& path, config::Violations& violations);

  /** Several fields of the name count as one, with commas between. */
  bool matches(const HeaderMap& headers) const;

 private:
  enum class Kind : uint8_t { Present, String, Range };
  HeaderMatcher() = default;

  std::string name_;
  HeaderId id_ = HeaderId::Other;
  Kind kind_ = Kind::Present;
  bool present_ = true;
  bool invert_ = false;
  bool missing_is_empty_ = false;
  matcher::StringMatcher string_;
  matcher::NumberRange<int64_t> range_;
};

/** envoy.config.route.v3.QueryParameterMatcher. Made on main, immutable; any thread. */
class QueryParameterMatcher {
 public:
  static QueryParameterMatcher create(const envoy::config::route::v3::QueryParameterMatcher& proto,
                                      matcher::RegexLimit limit, const config::FieldPath& path,
                                      config::Violations& violations);

  /** Of several parameters of the name the first counts, undecoded. */
  bool matches(absl::string_view path) const;

 private:
  QueryParameterMatcher() = default;

  std::string name_;
  bool present_ = true;
  std::optional<matcher::StringMatcher> string_;
};

/** The first value of a query parameter, undecoded; null data when there is none. */
absl::string_view queryParameter(absl::string_view path, absl::string_view name);

}  // namespace sluice::http
