#include "source/http/header_matcher.h"

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "envoy/config/route/v3/route_components.pb.h"

#include "source/matcher/config.h"

namespace sluice::http {

using Proto = envoy::config::route::v3::HeaderMatcher;
using matcher::StringMatcher;

HeaderMatcher HeaderMatcher::create(const Proto& proto, matcher::RegexLimit limit, const config::FieldPath& path,
                                    config::Violations& violations) {
  HeaderMatcher made;
  made.name_ = absl::AsciiStrToLower(proto.name());
  // A request's Host is its :authority.
  if (made.name_ == "host") {
    made.name_ = ":authority";
  }
  made.id_ = headerId(made.name_);
  made.invert_ = proto.invert_match();
  made.missing_is_empty_ = proto.treat_missing_header_as_empty();
  const auto text = [&made](StringMatcher::Kind kind, const std::string& value) {
    made.kind_ = Kind::String;
    made.string_.kind = kind;
    made.string_.text = value;
  };
  switch (proto.header_match_specifier_case()) {
    case Proto::kExactMatch:
      text(StringMatcher::Kind::Exact, proto.exact_match());
      break;
    case Proto::kPrefixMatch:
      text(StringMatcher::Kind::Prefix, proto.prefix_match());
      break;
    case Proto::kSuffixMatch:
      text(StringMatcher::Kind::Suffix, proto.suffix_match());
      break;
    case Proto::kContainsMatch:
      text(StringMatcher::Kind::Contains, proto.contains_match());
      break;
    case Proto::kSafeRegexMatch:
      text(StringMatcher::Kind::Regex, "");
      made.string_.regex =
          matcher::toRegex(proto.safe_regex_match(), limit, path.field("safe_regex_match"), violations);
      break;
    case Proto::kStringMatch:
      made.kind_ = Kind::String;
      made.string_ = matcher::toStringMatcher(proto.string_match(), limit, path.field("string_match"), violations);
      break;
    case Proto::kRangeMatch:
      made.kind_ = Kind::Range;
      made.range_ = {proto.range_match().start(), proto.range_match().end()};
      break;
    case Proto::kPresentMatch:
      made.present_ = proto.present_match();
      break;
    case Proto::HEADER_MATCH_SPECIFIER_NOT_SET:
      break;
  }
  return made;
}

bool HeaderMatcher::matches(const HeaderMap& headers) const {
  const Header* const first = id_ == HeaderId::Other ? headers.find(name_) : headers.find(id_);
  const bool present = first != nullptr || missing_is_empty_;
  if (kind_ == Kind::Present) {
    return (present == present_) != invert_;
  }
  if (!present) {
    // An inverted matcher does not match what is not there, either.
    return false;
  }
  const auto value_matches = [this](absl::string_view value) {
    int64_t number = 0;
    return kind_ == Kind::Range ? absl::SimpleAtoi(value, &number) && range_.contains(number) : string_.matches(value);
  };
  if (first == nullptr) {
    return value_matches("") != invert_;
  }
  // Those that we know are one list, however many fields they come in.
  if (id_ != HeaderId::Other && headers.next(*first) != nullptr) {
    return value_matches(headers.joined(name_, headers.arena())) != invert_;
  }
  // Of others each value by itself, as in Envoy: what is forbidden cannot hide behind another value of the same name.
  for (const Header* header = first; header != nullptr; header = headers.next(*header)) {
    if (value_matches(header->value)) {
      return !invert_;
    }
  }
  return invert_;
}

QueryParameterMatcher QueryParameterMatcher::create(const envoy::config::route::v3::QueryParameterMatcher& proto,
                                                    matcher::RegexLimit limit, const config::FieldPath& path,
                                                    config::Violations& violations) {
  QueryParameterMatcher made;
  made.name_ = proto.name();
  if (proto.has_string_match()) {
    made.string_ = matcher::toStringMatcher(proto.string_match(), limit, path.field("string_match"), violations);
  } else if (proto.query_parameter_match_specifier_case() ==
             envoy::config::route::v3::QueryParameterMatcher::kPresentMatch) {
    made.present_ = proto.present_match();
  }
  return made;
}

bool QueryParameterMatcher::matches(absl::string_view path) const {
  const absl::string_view value = queryParameter(path, name_);
  if (!string_.has_value()) {
    return (value.data() != nullptr) == present_;
  }
  return value.data() != nullptr && string_->matches(value);
}

absl::string_view queryParameter(absl::string_view path, absl::string_view name) {
  const size_t question = path.find('?');
  if (question == absl::string_view::npos) {
    return {};
  }
  absl::string_view query = path.substr(question + 1);
  query = query.substr(0, query.find('#'));
  while (!query.empty()) {
    const size_t end = query.find('&');
    const absl::string_view pair = query.substr(0, end);
    const size_t equals = pair.find('=');
    if (pair.substr(0, equals) == name) {
      return equals == absl::string_view::npos ? absl::string_view("", 0) : pair.substr(equals + 1);
    }
    query = end == absl::string_view::npos ? absl::string_view() : query.substr(end + 1);
  }
  return {};
}

}  // namespace sluice::http
