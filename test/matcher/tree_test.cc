#include <map>
#include <string>

#include "google/protobuf/wrappers.pb.h"
#include "gtest/gtest.h"

#include "source/config/loader.h"
#include "source/matcher/tree_config.h"

namespace sluice::matcher {
namespace {

/** Named values; an input is a StringValue that says which. */
struct Values : Subject {
  std::map<std::string, std::string> named;
};

class NamedInput final : public Input {
 public:
  explicit NamedInput(std::string name) : name_(std::move(name)) {}
  std::optional<absl::string_view> value(const Subject& subject, std::string&) const override {
    const auto& named = static_cast<const Values&>(subject).named;
    const auto found = named.find(name_);
    return found == named.end() ? std::nullopt : std::optional<absl::string_view>(found->second);
  }

 private:
  const std::string name_;
};

class TreeTest : public testing::Test {
 protected:
  /** Actions are numbered by the length of their names. */
  void make(const std::string& yaml) {
    ::xds::type::matcher::v3::Matcher proto;
    violations_ = config::Violations();
    ASSERT_TRUE(config::parseYaml(yaml, proto, {}, nullptr, violations_)) << violations_.toString();
    tree_ = toTree(proto,
                   {[](const google::protobuf::Message& message) -> std::shared_ptr<const Input> {
                      google::protobuf::StringValue name;
                      if (message.GetDescriptor() != name.GetDescriptor()) {
                        return nullptr;
                      }
                      name.CopyFrom(message);
                      return std::make_shared<const NamedInput>(name.value());
                    },
                    [](const google::protobuf::Any& action, const config::FieldPath&, config::Violations&) {
                      google::protobuf::StringValue name;
                      action.UnpackTo(&name);
                      return static_cast<uint32_t>(name.value().size());
                    }},
                   RegexLimit(), config::FieldPath("m"), violations_);
  }
  uint32_t find(const std::map<std::string, std::string>& named) {
    Values values;
    values.named = named;
    return tree_.find(values);
  }
  static std::string any(const std::string& text) {
    return "{name: x, typed_config: {'@type': type.googleapis.com/google.protobuf.StringValue, value: " + text + "}}";
  }
  static std::string action(int number) { return "{action: " + any(std::string(number, 'a')) + "}"; }
  static std::string is(const std::string& input, const std::string& match) {
    return "{single_predicate: {input: " + any(input) + ", value_match: " + match + "}}";
  }

  Tree tree_;
  config::Violations violations_;
};

TEST_F(TreeTest, AnEmptyOneLeadsNowhere) { EXPECT_EQ(find({}), Tree::kNone); }

TEST_F(TreeTest, AListTakesTheFirstThatMatches) {
  make("matcher_list: {matchers: [{predicate: " + is("a", "{exact: x}") + ", on_match: " + action(1) +
       "}, {predicate: " + is("a", "{prefix: x}") + ", on_match: " + action(2) + "}]}\non_no_match: " + action(3));
  ASSERT_TRUE(violations_.empty()) << violations_.toString();
  EXPECT_EQ(find({{"a", "x"}}), 1u);
  EXPECT_EQ(find({{"a", "xy"}}), 2u);
  EXPECT_EQ(find({{"a", "y"}}), 3u);
  EXPECT_EQ(find({}), 3u);
}

TEST_F(TreeTest, PredicatesCombine) {
  make("matcher_list: {matchers: [{predicate: {and_matcher: {predicate: [" + is("a", "{exact: x}") +
       ", {not_matcher: " + is("b", "{suffix: y}") + "}]}}, on_match: " + action(1) +
       "}, {predicate: {or_matcher: {predicate: [" + is("a", "{contains: Q, ignore_case: true}") + ", " +
       is("b", "{safe_regex: {regex: 'z+'}}") + "]}}, on_match: " + action(2) + "}]}");
  ASSERT_TRUE(violations_.empty()) << violations_.toString();
  EXPECT_EQ(find({{"a", "x"}}), 1u);
  EXPECT_EQ(find({{"a", "x"}, {"b", "xy"}}), Tree::kNone);
  EXPECT_EQ(find({{"a", "aqa"}}), 2u);
  EXPECT_EQ(find({{"b", "zzz"}}), 2u);
}

TEST_F(TreeTest, WhatLeadsNowhereIsPassedOver) {
  const std::string nowhere =
      "{matcher: {matcher_tree: {input: " + any("b") + ", exact_match_map: {map: {y: " + action(1) + "}}}}}";
  make("matcher_list: {matchers: [{predicate: " + is("a", "{exact: x}") + ", on_match: " + nowhere +
       "}, {predicate: " + is("a", "{exact: x}") + ", on_match: {keep_matching: true, action: " + any("aaaa") +
       "}}, {predicate: " + is("a", "{exact: x}") + ", on_match: " + action(2) + "}]}");
  ASSERT_TRUE(violations_.empty()) << violations_.toString();
  EXPECT_EQ(find({{"a", "x"}, {"b", "y"}}), 1u);
  EXPECT_EQ(find({{"a", "x"}}), 2u);
}

TEST_F(TreeTest, PrefixMapsTryTheLongestFirst) {
  make("matcher_tree: {input: " + any("a") + ", prefix_match_map: {map: {/: " + action(1) + ", /api: " + action(2) +
       ", /api/x: {matcher: {matcher_tree: {input: " + any("b") + ", exact_match_map: {map: {y: " + action(3) +
       "}}}}}}}}");
  ASSERT_TRUE(violations_.empty()) << violations_.toString();
  EXPECT_EQ(find({{"a", "/other"}}), 1u);
  EXPECT_EQ(find({{"a", "/api"}}), 2u);
  EXPECT_EQ(find({{"a", "/api/x"}, {"b", "y"}}), 3u);
  EXPECT_EQ(find({{"a", "/api/x"}}), 2u);
  EXPECT_EQ(find({{"a", "x"}}), Tree::kNone);
}

TEST_F(TreeTest, AddressesTakeTheLongestRange) {
  const auto range = [](const std::string& address, int length, const std::string& then, bool exclusive = false) {
    return "{ranges: [{address_prefix: '" + address + "', prefix_len: " + std::to_string(length) +
           "}], on_match: " + then + (exclusive ? ", exclusive: true}" : "}");
  };
  const std::string nowhere =
      "{matcher: {matcher_tree: {input: " + any("b") + ", exact_match_map: {map: {y: " + action(9) + "}}}}}";
  make("matcher_tree: {input: " + any("a") +
       ", custom_match: {name: ip, typed_config: {'@type': type.googleapis.com/xds.type.matcher.v3.IPMatcher, "
       "range_matchers: [" +
       range("10.0.0.0", 8, action(1)) + ", " + range("10.1.0.0", 16, nowhere) + ", " +
       range("10.2.0.0", 16, nowhere, true) + ", " + range("::1", 128, action(2)) + "]}}}\non_no_match: " + action(3));
  ASSERT_TRUE(violations_.empty()) << violations_.toString();
  EXPECT_EQ(find({{"a", "10.9.0.1"}}), 1u);
  EXPECT_EQ(find({{"a", "10.1.0.1"}, {"b", "y"}}), 9u);
  EXPECT_EQ(find({{"a", "10.1.0.1"}}), 1u);
  EXPECT_EQ(find({{"a", "10.2.0.1"}}), 3u) << "it is exclusive";
  EXPECT_EQ(find({{"a", "::1"}}), 2u);
  EXPECT_EQ(find({{"a", "11.0.0.1"}}), 3u);
  EXPECT_EQ(find({{"a", "no address"}}), 3u);
}

TEST_F(TreeTest, DomainsTakeTheLongestName) {
  const auto domains = [this](const std::string& matchers) {
    make("matcher_tree: {input: " + any("a") +
         ", custom_match: {name: names, typed_config: {'@type': "
         "type.googleapis.com/xds.type.matcher.v3.ServerNameMatcher, domain_matchers: [" +
         matchers + "]}}}\non_no_match: " + action(9));
  };
  const auto names = [](const std::string& list, const std::string& then) {
    return "{domains: [" + list + "], on_match: " + then + "}";
  };
  const std::string nowhere =
      "{matcher: {matcher_tree: {input: " + any("b") + ", exact_match_map: {map: {y: " + action(4) + "}}}}}";
  domains(names("'*.test'", action(1)) + "," + names("'*.A.test', other", action(2)) + "," +
          names("b.a.test", nowhere));
  ASSERT_TRUE(violations_.empty()) << violations_.toString();
  EXPECT_EQ(find({{"a", "x.test"}}), 1u);
  EXPECT_EQ(find({{"a", "y.x.test"}}), 1u);
  EXPECT_EQ(find({{"a", "a.test"}}), 1u);
  EXPECT_EQ(find({{"a", "c.a.test"}}), 2u);
  EXPECT_EQ(find({{"a", "other"}}), 2u);
  EXPECT_EQ(find({{"a", "b.a.test"}, {"b", "y"}}), 4u);
  EXPECT_EQ(find({{"a", "b.a.test"}}), 2u) << "the exact name leads nowhere, so a shorter one is tried";
  EXPECT_EQ(find({{"a", "test"}}), 9u);
  EXPECT_EQ(find({}), 9u);
  domains(names("'*'", action(1)) + "," + names("a.test", action(2)));
  EXPECT_EQ(find({{"a", "any"}}), 1u);
  EXPECT_EQ(find({{"a", "a.test"}}), 2u);
  EXPECT_EQ(find({{"a", ""}}), 9u) << "no name is none that '*' stands for";
  for (const char* bad : {"'a.*.test'", "'*.'", "''", "'*test'", "a.test, a.test"}) {
    domains(names(bad, action(1)));
    EXPECT_NE(violations_.toString().find("custom_match.typed_config.domain_matchers[0].domains["), std::string::npos)
        << bad;
  }
}

TEST_F(TreeTest, TellsWhatItCannotDo) {
  const std::string other =
      "{name: x, typed_config: {'@type': type.googleapis.com/google.protobuf.BoolValue, value: true}}";
  make("matcher_tree: {input: " + other + ", exact_match_map: {map: {y: " + action(1) + "}}}");
  EXPECT_NE(violations_.toString().find("m.matcher_tree.input.typed_config"), std::string::npos);
  make("matcher_tree: {input: " + any("a") + ", custom_match: " + other + "}");
  EXPECT_NE(violations_.toString().find("m.matcher_tree.custom_match.typed_config"), std::string::npos);
}

}  // namespace
}  // namespace sluice::matcher
