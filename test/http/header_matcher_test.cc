#include "source/http/header_matcher.h"

#include "envoy/config/route/v3/route_components.pb.h"
#include <gtest/gtest.h>

#include "source/config/loader.h"
#include "source/matcher/config.h"

namespace sluice::http {
namespace {

class HeaderMatcherTest : public testing::Test {
 protected:
  template <class Proto>
  Proto parse(absl::string_view text) {
    Proto proto;
    config::Violations violations;
    EXPECT_TRUE(config::parseYaml(text, proto, {}, nullptr, violations)) << violations.toString();
    return proto;
  }
  bool matches(absl::string_view matcher, const std::vector<std::pair<std::string, std::string>>& fields) {
    HeaderMap headers(arena_);
    for (const auto& [name, value] : fields) {
      headers.add(name, value);
    }
    return HeaderMatcher::create(parse<envoy::config::route::v3::HeaderMatcher>(matcher), {}, config::FieldPath(),
                                 violations_)
        .matches(headers);
  }
  bool query(absl::string_view matcher, absl::string_view path) {
    return QueryParameterMatcher::create(parse<envoy::config::route::v3::QueryParameterMatcher>(matcher), {},
                                         config::FieldPath(), violations_)
        .matches(path);
  }

  base::Arena arena_;
  config::Violations violations_;
};

TEST_F(HeaderMatcherTest, EachKindMatches) {
  EXPECT_TRUE(matches("{name: X-A, exact_match: v}", {{"x-a", "v"}}));
  EXPECT_FALSE(matches("{name: x-a, exact_match: v}", {{"x-a", "vv"}}));
  EXPECT_TRUE(matches("{name: x-a, prefix_match: v}", {{"x-a", "vv"}}));
  EXPECT_TRUE(matches("{name: x-a, suffix_match: w}", {{"x-a", "vw"}}));
  EXPECT_TRUE(matches("{name: x-a, contains_match: v}", {{"x-a", "uvw"}}));
  EXPECT_TRUE(matches("{name: x-a, safe_regex_match: {regex: 'a+b'}}", {{"x-a", "aab"}}));
  EXPECT_FALSE(matches("{name: x-a, safe_regex_match: {regex: 'a+b'}}", {{"x-a", "aabc"}}));
  EXPECT_TRUE(matches("{name: x-a, string_match: {prefix: AB, ignore_case: true}}", {{"x-a", "abc"}}));
  EXPECT_TRUE(matches("{name: x-a, present_match: true}", {{"x-a", ""}}));
  EXPECT_FALSE(matches("{name: x-a, present_match: true}", {}));
  EXPECT_TRUE(matches("{name: x-a, present_match: false}", {}));
  EXPECT_TRUE(matches("{name: x-a}", {{"x-a", "any"}}));
  EXPECT_TRUE(matches("{name: ':method', exact_match: POST}", {{":method", "POST"}}));
}

TEST_F(HeaderMatcherTest, RangesEndBeforeTheirEnd) {
  const absl::string_view range = "{name: x-n, range_match: {start: -5, end: 10}}";
  EXPECT_TRUE(matches(range, {{"x-n", "-5"}}));
  EXPECT_TRUE(matches(range, {{"x-n", "9"}}));
  EXPECT_FALSE(matches(range, {{"x-n", "10"}}));
  EXPECT_FALSE(matches(range, {{"x-n", "5x"}}));
  EXPECT_FALSE(matches(range, {{"x-n", ""}}));
}

TEST_F(HeaderMatcherTest, EachOfSeveralFieldsIsMatchedByItself) {
  EXPECT_TRUE(matches("{name: x-a, exact_match: b}", {{"x-a", "a"}, {"x-b", "-"}, {"x-a", "b"}}));
  EXPECT_FALSE(matches("{name: x-a, exact_match: 'a,b'}", {{"x-a", "a"}, {"x-a", "b"}}));
  EXPECT_TRUE(matches("{name: x-a, range_match: {start: 1, end: 5}}", {{"x-a", "z"}, {"x-a", "4"}}));
  EXPECT_FALSE(matches("{name: x-a, exact_match: b, invert_match: true}", {{"x-a", "a"}, {"x-a", "b"}}));
  EXPECT_TRUE(matches("{name: x-a, exact_match: c, invert_match: true}", {{"x-a", "a"}, {"x-a", "b"}}));
}

TEST_F(HeaderMatcherTest, SeveralFieldsOfAListAreOneWithCommas) {
  EXPECT_TRUE(
      matches("{name: x-forwarded-for, exact_match: '1,2'}", {{"x-forwarded-for", "1"}, {"x-forwarded-for", "2"}}));
}

TEST_F(HeaderMatcherTest, WhatIsMissingMatchesNothingUnlessItIsTakenAsEmpty) {
  EXPECT_TRUE(matches("{name: x-a, exact_match: v, invert_match: true}", {{"x-a", "w"}}));
  EXPECT_FALSE(matches("{name: x-a, exact_match: v, invert_match: true}", {}));
  EXPECT_TRUE(matches("{name: x-a, exact_match: v, invert_match: true, treat_missing_header_as_empty: true}", {}));
  EXPECT_TRUE(matches("{name: x-a, safe_regex_match: {regex: '^$'}, treat_missing_header_as_empty: true}", {}));
  EXPECT_TRUE(matches("{name: x-a, present_match: true, invert_match: true}", {}));
  EXPECT_FALSE(matches("{name: x-a, present_match: true, invert_match: true}", {{"x-a", "v"}}));
}

TEST_F(HeaderMatcherTest, QueryParametersMatch) {
  EXPECT_TRUE(query("{name: q, string_match: {exact: '1'}}", "/?q=1"));
  EXPECT_TRUE(query("{name: q, string_match: {exact: '1'}}", "/?a=2&q=1&q=3#f"));
  EXPECT_FALSE(query("{name: q, string_match: {exact: '1'}}", "/?q=12"));
  EXPECT_FALSE(query("{name: q, string_match: {exact: '1'}}", "/?xq=1"));
  EXPECT_FALSE(query("{name: q, string_match: {exact: '1'}}", "/"));
  EXPECT_TRUE(query("{name: p, present_match: true}", "/?q=2&p"));
  EXPECT_TRUE(query("{name: p}", "/?p="));
  EXPECT_FALSE(query("{name: p, present_match: true}", "/?q=p"));
  EXPECT_TRUE(query("{name: p, present_match: false}", "/?q=p"));
}

}  // namespace
}  // namespace sluice::http
