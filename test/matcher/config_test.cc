#include "source/matcher/config.h"

#include <gtest/gtest.h>

#include "source/config/loader.h"

namespace sluice::matcher {
namespace {

template <class Message>
Message yaml(absl::string_view text) {
  Message message;
  config::Violations violations;
  EXPECT_TRUE(config::parseYaml(text, message, {}, nullptr, violations)) << violations.toString();
  return message;
}

class MatcherConfigTest : public testing::Test {
 protected:
  StringMatcher text(absl::string_view of) {
    return toStringMatcher(yaml<envoy::type::matcher::v3::StringMatcher>(of), {}, path_, violations_);
  }
  MetadataMatcher metadata(absl::string_view of) {
    return toMetadataMatcher(yaml<envoy::type::matcher::v3::MetadataMatcher>(of), {}, path_, violations_);
  }

  const config::FieldPath path_{absl::string_view("m")};
  config::Violations violations_;
};

TEST_F(MatcherConfigTest, TextsMatch) {
  EXPECT_TRUE(text("{exact: abc}").matches("abc"));
  EXPECT_FALSE(text("{exact: abc}").matches("ABC"));
  EXPECT_TRUE(text("{exact: aBc, ignore_case: true}").matches("AbC"));
  EXPECT_TRUE(text("{prefix: ab}").matches("abc"));
  EXPECT_FALSE(text("{prefix: ab}").matches("xab"));
  EXPECT_TRUE(text("{prefix: aB, ignore_case: true}").matches("AbC"));
  EXPECT_TRUE(text("{suffix: bc}").matches("abc"));
  EXPECT_FALSE(text("{suffix: bc}").matches("bcd"));
  EXPECT_TRUE(text("{suffix: BC, ignore_case: true}").matches("abc"));
  EXPECT_TRUE(text("{contains: b}").matches("abc"));
  EXPECT_FALSE(text("{contains: B}").matches("abc"));
  EXPECT_TRUE(text("{contains: B, ignore_case: true}").matches("abc"));
  EXPECT_FALSE(text("{contains: x, ignore_case: true}").matches("abc"));
  EXPECT_TRUE(violations_.empty());
}

TEST_F(MatcherConfigTest, ExpressionsFitTheWholeText) {
  const StringMatcher matcher = text("{safe_regex: {regex: 'a+b'}}");
  EXPECT_TRUE(matcher.matches("aaab"));
  EXPECT_FALSE(matcher.matches("aaabc"));
  EXPECT_FALSE(matcher.matches("xab"));
}

TEST_F(MatcherConfigTest, WhatIsNoExpressionIsRefused) {
  text("{safe_regex: {regex: 'a('}}");
  ASSERT_EQ(violations_.size(), 1u);
  EXPECT_EQ(violations_.list()[0].path, "m.safe_regex.regex");
  EXPECT_NE(violations_.list()[0].reason.find("missing )"), std::string::npos) << violations_.toString();
}

TEST_F(MatcherConfigTest, ExpressionsAreLimited) {
  text("{safe_regex: {regex: '[a-z]{100}.*x'}}");
  ASSERT_EQ(violations_.size(), 1u);
  EXPECT_NE(violations_.list()[0].reason.find("more than the 100 "), std::string::npos) << violations_.toString();
  violations_ = {};
  text("{safe_regex: {regex: '[a-z]{100}.*x', google_re2: {max_program_size: 5000}}}");
  EXPECT_TRUE(violations_.empty()) << violations_.toString();
  text("{safe_regex: {regex: 'abcdef', google_re2: {max_program_size: 2}}}");
  EXPECT_EQ(violations_.size(), 1u);
}

TEST_F(MatcherConfigTest, TheRuntimeSetsTheLimit) {
  const auto layers = yaml<envoy::config::bootstrap::v3::LayeredRuntime>(
      "{layers: [{name: s, static_layer: {re2.max_program_size.error_level: 32768}}]}");
  const auto runtime = runtime::Snapshot::create(layers, config::FieldPath(), violations_);
  EXPECT_EQ(RegexLimit::of(*runtime).max_program_size, 32768u);
  EXPECT_EQ(RegexLimit::of(runtime::Snapshot()).max_program_size, 100u);
}

TEST_F(MatcherConfigTest, CustomMatchersAreRefused) {
  text("{custom: {name: x}}");
  EXPECT_EQ(violations_.toString(), "m.custom: there are no string matcher extensions\n");
}

TEST_F(MatcherConfigTest, MetadataIsFoundByItsPath) {
  const auto data = yaml<envoy::config::core::v3::Metadata>(
      "{filter_metadata: {f: {a: {b: text, n: 5, t: true, l: [1, two], z: null}}}}");
  const auto value = [&](absl::string_view path, absl::string_view matcher) {
    return metadata(absl::StrCat("{filter: f, path: [{key: a}, {key: ", path, "}], value: ", matcher, "}"))
        .matches(&data);
  };
  EXPECT_TRUE(value("b", "{string_match: {exact: text}}"));
  EXPECT_FALSE(value("b", "{string_match: {exact: other}}"));
  EXPECT_FALSE(value("b", "{double_match: {exact: 5}}"));
  EXPECT_TRUE(value("n", "{double_match: {exact: 5}}"));
  EXPECT_TRUE(value("n", "{double_match: {range: {start: 5, end: 6}}}"));
  EXPECT_FALSE(value("n", "{double_match: {range: {start: 4, end: 5}}}"));
  EXPECT_TRUE(value("t", "{bool_match: true}"));
  EXPECT_FALSE(value("t", "{bool_match: false}"));
  EXPECT_TRUE(value("z", "{null_match: {}}"));
  EXPECT_TRUE(value("l", "{list_match: {one_of: {string_match: {exact: two}}}}"));
  EXPECT_FALSE(value("l", "{list_match: {one_of: {string_match: {exact: one}}}}"));
  EXPECT_TRUE(value("b", "{or_match: {value_matchers: [{bool_match: true}, {string_match: {prefix: te}}]}}"));
  EXPECT_TRUE(value("b", "{present_match: true}"));
  EXPECT_FALSE(value("missing", "{present_match: true}"));
  EXPECT_TRUE(value("missing", "{present_match: false}"));
  EXPECT_FALSE(metadata("{filter: g, path: [{key: a}], value: {present_match: true}}").matches(&data));
  EXPECT_FALSE(
      metadata("{filter: f, path: [{key: a}, {key: b}, {key: c}], value: {present_match: true}}").matches(&data));
  EXPECT_TRUE(metadata("{filter: f, path: [{key: x}], value: {present_match: true}, invert: true}").matches(nullptr));
}

TEST_F(MatcherConfigTest, FilterStateMatchesByTextOrAddress) {
  using Proto = envoy::type::matcher::v3::FilterStateMatcher;
  EXPECT_TRUE(
      toFilterStateMatcher(yaml<Proto>("{key: k, string_match: {exact: v}}"), {}, path_, violations_).matches("v"));
  const FilterStateMatcher address = toFilterStateMatcher(
      yaml<Proto>("{key: k, address_match: {ranges: [{address_prefix: 10.0.0.0, prefix_len: 8}]}}"), {}, path_,
      violations_);
  EXPECT_TRUE(address.matches("10.1.2.3"));
  EXPECT_FALSE(address.matches("11.1.2.3"));
}

TEST_F(MatcherConfigTest, PathsAreMatchedAlone) {
  EXPECT_EQ(pathAlone("/a/b?q=/c"), "/a/b");
  EXPECT_EQ(pathAlone("/a#f?x"), "/a");
  EXPECT_EQ(pathAlone(""), "");
}

}  // namespace
}  // namespace sluice::matcher
