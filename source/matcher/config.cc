#include "source/matcher/config.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include <re2/re2.h>

namespace sluice::matcher {

namespace api = envoy::type::matcher::v3;

namespace {

/** The API has two messages for a range, of the same fields. */
template <class Ranges>
IpRanges readRanges(const Ranges& protos, const config::FieldPath& path, config::Violations& violations) {
  IpRanges ranges;
  for (int i = 0; i < protos.size(); ++i) {
    const absl::Status status = ranges.add(protos[i].address_prefix(), protos[i].prefix_len().value());
    if (!status.ok()) {
      violations.add(path.index(i), std::string(status.message()));
    }
  }
  ranges.seal();
  return ranges;
}

}  // namespace

RegexLimit RegexLimit::of(const runtime::Snapshot& runtime) {
  constexpr uint64_t kDefault = 100;
  const uint64_t size = runtime.getInteger("re2.max_program_size.error_level", kDefault);
  return {static_cast<uint32_t>(std::min<uint64_t>(size, UINT32_MAX))};
}

std::shared_ptr<const re2::RE2> toRegex(const api::RegexMatcher& proto, RegexLimit limit, const config::FieldPath& path,
                                        config::Violations& violations) {
  auto regex = std::make_shared<const re2::RE2>(proto.regex(), re2::RE2::Quiet);
  if (!regex->ok()) {
    violations.add(path.field("regex"),
                   absl::StrCat("'", proto.regex(), "' is no regular expression: ", regex->error()));
    return nullptr;
  }
  if (proto.google_re2().has_max_program_size()) {
    limit.max_program_size = proto.google_re2().max_program_size().value();
  }
  const int size = regex->ProgramSize();
  if (size >= 0 && static_cast<uint32_t>(size) > limit.max_program_size) {
    violations.add(path.field("regex"), absl::StrCat("'", proto.regex(), "' compiles to a program of size ", size,
                                                     ", more than the ", limit.max_program_size,
                                                     " that google_re2.max_program_size, or else the runtime key "
                                                     "re2.max_program_size.error_level, allows"));
    return nullptr;
  }
  return regex;
}

StringMatcher toStringMatcher(const api::StringMatcher& proto, RegexLimit limit, const config::FieldPath& path,
                              config::Violations& violations) {
  StringMatcher matcher;
  matcher.ignore_case = proto.ignore_case();
  switch (proto.match_pattern_case()) {
    case api::StringMatcher::kExact:
      matcher.text = proto.exact();
      break;
    case api::StringMatcher::kPrefix:
      matcher.kind = StringMatcher::Kind::Prefix;
      matcher.text = proto.prefix();
      break;
    case api::StringMatcher::kSuffix:
      matcher.kind = StringMatcher::Kind::Suffix;
      matcher.text = proto.suffix();
      break;
    case api::StringMatcher::kContains:
      matcher.kind = StringMatcher::Kind::Contains;
      matcher.text = proto.contains();
      break;
    case api::StringMatcher::kSafeRegex:
      matcher.kind = StringMatcher::Kind::Regex;
      matcher.regex = toRegex(proto.safe_regex(), limit, path.field("safe_regex"), violations);
      if (proto.ignore_case()) {
        violations.add(path.field("ignore_case"), "has no meaning for safe_regex: write (?i) into the expression");
      }
      break;
    case api::StringMatcher::kCustom:
      violations.add(path.field("custom"), "there are no string matcher extensions");
      break;
    case api::StringMatcher::MATCH_PATTERN_NOT_SET:
      violations.add(path, "says nothing to match");
      break;
  }
  if (matcher.ignore_case) {
    absl::AsciiStrToLower(&matcher.text);
  }
  return matcher;
}

StringMatcher toPathMatcher(const api::PathMatcher& proto, RegexLimit limit, const config::FieldPath& path,
                            config::Violations& violations) {
  return toStringMatcher(proto.path(), limit, path.field("path"), violations);
}

ValueMatcher toValueMatcher(const api::ValueMatcher& proto, RegexLimit limit, const config::FieldPath& path,
                            config::Violations& violations) {
  ValueMatcher matcher;
  switch (proto.match_pattern_case()) {
    case api::ValueMatcher::kNullMatch:
      matcher.kind = ValueMatcher::Kind::Null;
      break;
    case api::ValueMatcher::kDoubleMatch:
      if (proto.double_match().has_range()) {
        matcher.kind = ValueMatcher::Kind::NumberRange;
        matcher.range = {proto.double_match().range().start(), proto.double_match().range().end()};
      } else {
        matcher.kind = ValueMatcher::Kind::Number;
        matcher.number = proto.double_match().exact();
      }
      break;
    case api::ValueMatcher::kStringMatch:
      matcher.kind = ValueMatcher::Kind::String;
      matcher.string = toStringMatcher(proto.string_match(), limit, path.field("string_match"), violations);
      break;
    case api::ValueMatcher::kBoolMatch:
      matcher.kind = ValueMatcher::Kind::Bool;
      matcher.wanted = proto.bool_match();
      break;
    case api::ValueMatcher::kPresentMatch:
      matcher.wanted = proto.present_match();
      break;
    case api::ValueMatcher::kListMatch:
      matcher.kind = ValueMatcher::Kind::List;
      matcher.inner.push_back(
          toValueMatcher(proto.list_match().one_of(), limit, path.field("list_match").field("one_of"), violations));
      break;
    case api::ValueMatcher::kOrMatch: {
      matcher.kind = ValueMatcher::Kind::Or;
      const config::FieldPath list = path.field("or_match").field("value_matchers");
      for (int i = 0; i < proto.or_match().value_matchers_size(); ++i) {
        matcher.inner.push_back(toValueMatcher(proto.or_match().value_matchers(i), limit, list.index(i), violations));
      }
      break;
    }
    case api::ValueMatcher::MATCH_PATTERN_NOT_SET:
      violations.add(path, "says nothing to match");
      break;
  }
  return matcher;
}

MetadataMatcher toMetadataMatcher(const api::MetadataMatcher& proto, RegexLimit limit, const config::FieldPath& path,
                                  config::Violations& violations) {
  MetadataMatcher matcher;
  matcher.filter = proto.filter();
  for (const auto& segment : proto.path()) {
    matcher.path.push_back(segment.key());
  }
  matcher.value = toValueMatcher(proto.value(), limit, path.field("value"), violations);
  matcher.invert = proto.invert();
  return matcher;
}

FilterStateMatcher toFilterStateMatcher(const api::FilterStateMatcher& proto, RegexLimit limit,
                                        const config::FieldPath& path, config::Violations& violations) {
  FilterStateMatcher matcher;
  matcher.key = proto.key();
  if (proto.has_string_match()) {
    matcher.string = toStringMatcher(proto.string_match(), limit, path.field("string_match"), violations);
  } else {
    matcher.addresses =
        readRanges(proto.address_match().ranges(), path.field("address_match").field("ranges"), violations);
  }
  return matcher;
}

IpRanges toIpRanges(const google::protobuf::RepeatedPtrField<envoy::config::core::v3::CidrRange>& protos,
                    const config::FieldPath& path, config::Violations& violations) {
  return readRanges(protos, path, violations);
}

}  // namespace sluice::matcher
