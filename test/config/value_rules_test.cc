#include "google/protobuf/descriptor.h"
#include "google/protobuf/descriptor.pb.h"
#include "google/protobuf/dynamic_message.h"
#include "google/protobuf/text_format.h"
#include "google/protobuf/wrappers.pb.h"
#include "gtest/gtest.h"
#include "validate/validate.pb.h"

#include "source/config/loader.h"
#include "source/config/validate.h"

// Every rule of validate.rules, on messages that are made for it.

namespace sluice::config {
namespace {

using google::protobuf::DescriptorPool;
using google::protobuf::FileDescriptorProto;

/// A message type with one field `x` (and `y`, where a oneof needs another).
class Bench {
 public:
  /// `declaration` is the text of a FieldDescriptorProto without name and number.
  explicit Bench(const std::string& declaration, const std::string& message_options = "") {
    build("field { name: 'x' number: 1 json_name: 'x' " + declaration + " }\n" + message_options);
  }

  static Bench scalar(const std::string& type, const std::string& rules) {
    return Bench("label: LABEL_OPTIONAL type: TYPE_" + type + " options { [validate.rules] { " + rules + " } }");
  }
  static Bench list(const std::string& type, const std::string& rules) {
    return Bench("label: LABEL_REPEATED type: TYPE_" + type + " options { [validate.rules] { " + rules + " } }");
  }
  static Bench message(const std::string& type, const std::string& rules) {
    return Bench("label: LABEL_OPTIONAL type: TYPE_MESSAGE type_name: '." + type + "' options { [validate.rules] { " +
                 rules + " } }");
  }

  /// What the rules say about a message in YAML; empty if nothing.
  std::string check(absl::string_view yaml) const {
    // Well-known types are the compiled-in ones, as in every message that Sluice makes.
    static auto* factory = [] {
      auto* made = new google::protobuf::DynamicMessageFactory;
      made->SetDelegateToGeneratedFactory(true);
      return made;
    }();
    const std::unique_ptr<google::protobuf::Message> message(factory->GetPrototype(type_)->New());
    Violations violations;
    EXPECT_TRUE(parseYaml(yaml, *message, {Format::Yaml}, nullptr, violations)) << violations.toString();
    const auto table = SupportTable::parse("section s\nmessage bench.M all\nmessage bench.Other all\n");
    Report report;
    Validator(*table).validate(*message, FieldPath(), report);
    return report.violations.toString();
  }

 private:
  void build(const std::string& content) {
    static int count = 0;
    // Descriptors must live as long as the plans and prototypes made from them.
    auto* pool = new DescriptorPool(DescriptorPool::generated_pool());
    FileDescriptorProto file;
    const std::string text =
        "name: 'bench" + std::to_string(++count) +
        ".proto' package: 'bench' syntax: 'proto3'\n"
        "dependency: 'google/protobuf/any.proto' dependency: 'google/protobuf/duration.proto'\n"
        "dependency: 'google/protobuf/timestamp.proto' dependency: 'google/protobuf/wrappers.proto'\n"
        "enum_type { name: 'E' value { name: 'A' number: 0 } value { name: 'B' number: 1 } "
        "value { name: 'C' number: 2 } }\n"
        "message_type { name: 'Other' field { name: 'n' number: 1 json_name: 'n' label: LABEL_OPTIONAL "
        "type: TYPE_INT32 options { [validate.rules] { int32 { gt: 0 } } } } }\n"
        "message_type { name: 'M'\n" +
        content + "}";
    const bool parsed = google::protobuf::TextFormat::ParseFromString(text, &file);
    EXPECT_TRUE(parsed) << text;
    // Files of the well-known types must be in the generated pool already.
    google::protobuf::BytesValue::descriptor();
    const auto* built = pool->BuildFile(file);
    EXPECT_NE(built, nullptr) << text;
    type_ = built->FindMessageTypeByName("M");
  }

  const google::protobuf::Descriptor* type_ = nullptr;
};

void expectOk(const Bench& bench, std::initializer_list<const char*> texts) {
  for (const char* text : texts) {
    EXPECT_EQ(bench.check(text), "") << text;
  }
}

TEST(ValueRules, NumbersOfEveryType) {
  const std::pair<const char*, const char*> types[] = {
      {"INT32", "int32"},       {"INT64", "int64"},       {"UINT32", "uint32"},   {"UINT64", "uint64"},
      {"SINT32", "sint32"},     {"SINT64", "sint64"},     {"FIXED32", "fixed32"}, {"FIXED64", "fixed64"},
      {"SFIXED32", "sfixed32"}, {"SFIXED64", "sfixed64"}, {"FLOAT", "float"},     {"DOUBLE", "double"}};
  for (const auto& [type, rule] : types) {
    const Bench bounded = Bench::scalar(type, std::string(rule) + " { gte: 2 lt: 5 }");
    expectOk(bounded, {"x: 2", "x: 4"});
    EXPECT_EQ(bounded.check("x: 5"), "x: must be at least 2 and less than 5, is 5\n") << type;
    EXPECT_EQ(bounded.check("{}"), "x: must be at least 2 and less than 5, is 0\n") << type;
    const Bench listed = Bench::scalar(type, std::string(rule) + " { in: 1 in: 3 }");
    expectOk(listed, {"x: 3"});
    EXPECT_EQ(listed.check("x: 2"), "x: must be one of 1, 3, is 2\n") << type;
  }
}

TEST(ValueRules, Bounds) {
  EXPECT_EQ(Bench::scalar("INT32", "int32 { gt: 3 }").check("x: 3"), "x: must be greater than 3, is 3\n");
  EXPECT_EQ(Bench::scalar("INT32", "int32 { lte: 3 }").check("x: 4"), "x: must be at most 3, is 4\n");
  EXPECT_EQ(Bench::scalar("INT32", "int32 { const: 3 }").check("x: 4"), "x: must be 3, is 4\n");
  EXPECT_EQ(Bench::scalar("INT32", "int32 { not_in: 3 not_in: 4 }").check("x: 4"), "x: must not be 4\n");
  EXPECT_EQ(Bench::scalar("DOUBLE", "double { gte: 0 lte: 1 }").check("x: .nan"),
            "x: must be at least 0 and at most 1, is nan\n");
  // An upper bound below the lower one means outside of both.
  const Bench outside = Bench::scalar("INT32", "int32 { gt: 10 lt: 5 }");
  expectOk(outside, {"x: 11", "x: 4"});
  EXPECT_EQ(outside.check("x: 7"), "x: must be greater than 10 or less than 5, is 7\n");
}

TEST(ValueRules, IgnoreEmpty) {
  const Bench bench = Bench::scalar("INT32", "int32 { gt: 3 ignore_empty: true }");
  expectOk(bench, {"{}", "x: 0", "x: 4"});
  EXPECT_EQ(bench.check("x: 1"), "x: must be greater than 3, is 1\n");
  const Bench text = Bench::scalar("STRING", "string { min_len: 3 ignore_empty: true }");
  expectOk(text, {"{}", "x: abc"});
  EXPECT_EQ(text.check("x: ab"), "x: must have at least 3 characters, has 2\n");
  expectOk(Bench::list("INT32", "repeated { min_items: 2 ignore_empty: true }"), {"{}"});
  expectOk(Bench::scalar("BYTES", "bytes { len: 2 ignore_empty: true }"), {"{}"});
}

TEST(ValueRules, Booleans) {
  EXPECT_EQ(Bench::scalar("BOOL", "bool { const: true }").check("{}"), "x: must be true\n");
  expectOk(Bench::scalar("BOOL", "bool { const: true }"), {"x: true"});
}

TEST(ValueRules, StringLengths) {
  EXPECT_EQ(Bench::scalar("STRING", "string { min_len: 1 }").check("{}"), "x: must not be empty\n");
  EXPECT_EQ(Bench::scalar("STRING", "string { len: 2 }").check("x: abc"), "x: must have 2 characters, has 3\n");
  EXPECT_EQ(Bench::scalar("STRING", "string { max_len: 1 }").check("x: ab"),
            "x: must have at most 1 character, has 2\n");
  expectOk(Bench::scalar("STRING", "string { len: 2 max_bytes: 4 }"), {"x: \xC3\xA9\xC3\xA9"});
  EXPECT_EQ(Bench::scalar("STRING", "string { max_bytes: 3 }").check("x: \xC3\xA9\xC3\xA9"),
            "x: must have at most 3 bytes, has 4\n");
  EXPECT_EQ(Bench::scalar("STRING", "string { min_bytes: 2 }").check("x: a"), "x: must have at least 2 bytes, has 1\n");
  EXPECT_EQ(Bench::scalar("STRING", "string { len_bytes: 2 }").check("x: a"), "x: must have 2 bytes, has 1\n");
  EXPECT_EQ(Bench::scalar("STRING", "string { max_len: 0 }").check("x: a"),
            "x: must have at most 0 characters, has 1\n");
}

TEST(ValueRules, StringContent) {
  EXPECT_EQ(Bench::scalar("STRING", "string { const: 'a' }").check("x: b"), "x: must be \"a\"\n");
  EXPECT_EQ(Bench::scalar("STRING", "string { prefix: 'a' }").check("x: b"), "x: must begin with \"a\"\n");
  EXPECT_EQ(Bench::scalar("STRING", "string { suffix: 'a' }").check("x: b"), "x: must end with \"a\"\n");
  EXPECT_EQ(Bench::scalar("STRING", "string { contains: 'a' }").check("x: b"), "x: must contain \"a\"\n");
  EXPECT_EQ(Bench::scalar("STRING", "string { not_contains: 'a' }").check("x: bab"), "x: must not contain \"a\"\n");
  EXPECT_EQ(Bench::scalar("STRING", "string { in: 'a' in: 'b' }").check("x: c"),
            "x: must be one of \"a\", \"b\", is \"c\"\n");
  EXPECT_EQ(Bench::scalar("STRING", "string { not_in: 'a' }").check("x: a"), "x: must not be \"a\"\n");
  const Bench pattern = Bench::scalar("STRING", "string { pattern: '^a+$' }");
  expectOk(pattern, {"x: aaa"});
  EXPECT_EQ(pattern.check("x: ab"), "x: must match ^a+$, is \"ab\"\n");
}

TEST(ValueRules, WellKnownFormats) {
  const std::tuple<const char*, const char*, const char*> cases[] = {
      {"email: true", "a@b.c", "must be an e-mail address"},
      {"hostname: true", "a.b", "must be a host name"},
      {"ip: true", "'::1'", "must be an IP address"},
      {"ipv4: true", "1.2.3.4", "must be an IPv4 address"},
      {"ipv6: true", "'::1'", "must be an IPv6 address"},
      {"uri: true", "'http://x/y'", "must be a URI with a scheme"},
      {"uri_ref: true", "/y", "must be a URI or a relative reference"},
      {"address: true", "a.b", "must be a host name or an IP address"},
      {"uuid: true", "00112233-4455-6677-8899-aabbccddeeff", "must be a UUID"},
      {"well_known_regex: HTTP_HEADER_NAME", "x-y", "must be an HTTP header's name"},
      {"well_known_regex: HTTP_HEADER_VALUE", "x y", "must be an HTTP header's value"},
  };
  for (const auto& [rule, good, reason] : cases) {
    const Bench bench = Bench::scalar("STRING", std::string("string { ") + rule + " }");
    EXPECT_EQ(bench.check(std::string("x: ") + good), "") << rule;
    EXPECT_EQ(bench.check("x: \"^ \\n\""), std::string("x: ") + reason + ", is \"^ \\n\"\n") << rule;
  }
  expectOk(Bench::scalar("STRING", "string { well_known_regex: HTTP_HEADER_NAME strict: false }"), {"x: '^ a'"});
}

TEST(ValueRules, Bytes) {
  EXPECT_EQ(Bench::scalar("BYTES", "bytes { min_len: 1 }").check("{}"), "x: must not be empty\n");
  EXPECT_EQ(Bench::scalar("BYTES", "bytes { max_len: 1 }").check("x: YWI="), "x: must have at most 1 byte, has 2\n");
  EXPECT_EQ(Bench::scalar("BYTES", "bytes { prefix: 'b' }").check("x: YWI="), "x: must begin with \"b\"\n");
  EXPECT_EQ(Bench::scalar("BYTES", "bytes { pattern: '^b' }").check("x: YWI="), "x: must match ^b\n");
  expectOk(Bench::scalar("BYTES", "bytes { pattern: '^\\\\xff$' }"), {"x: /w=="});
  EXPECT_EQ(Bench::scalar("BYTES", "bytes { ip: true }").check("x: YWI="), "x: must be the bytes of an IP address\n");
  EXPECT_EQ(Bench::scalar("BYTES", "bytes { ipv6: true }").check("x: AAAAAA=="),
            "x: must be the bytes of an IPv6 address\n");
  expectOk(Bench::scalar("BYTES", "bytes { ipv4: true }"), {"x: AAAAAA=="});
}

TEST(ValueRules, Enums) {
  const auto bench = [](const std::string& rules) {
    return Bench("label: LABEL_OPTIONAL type: TYPE_ENUM type_name: '.bench.E' options { [validate.rules] { enum { " +
                 rules + " } } }");
  };
  expectOk(bench("defined_only: true"), {"x: B", "{}"});
  EXPECT_EQ(bench("defined_only: true").check("x: 9"), "x: must be a value of E, is 9\n");
  EXPECT_EQ(bench("in: 1 in: 2").check("{}"), "x: must be one of B, C, is A\n");
  EXPECT_EQ(bench("not_in: 1").check("x: B"), "x: must not be B\n");
  EXPECT_EQ(bench("const: 2").check("x: B"), "x: must be C, is B\n");
}

TEST(ValueRules, Messages) {
  const Bench required = Bench::message("bench.Other", "message { required: true }");
  EXPECT_EQ(required.check("{}"), "x: is required\n");
  EXPECT_EQ(required.check("x: {n: 0}"), "x.n: must be greater than 0, is 0\n");
  expectOk(required, {"x: {n: 1}"});
  expectOk(Bench::message("bench.Other", "message { skip: true }"), {"x: {n: 0}"});
}

TEST(ValueRules, Wrappers) {
  const Bench bench = Bench::message("google.protobuf.UInt32Value", "uint32 { gte: 1 }");
  expectOk(bench, {"{}", "x: 1"});
  EXPECT_EQ(bench.check("x: 0"), "x: must be at least 1, is 0\n");
  EXPECT_EQ(Bench::message("google.protobuf.StringValue", "string { min_len: 1 }").check("x: ''"),
            "x: must not be empty\n");
  EXPECT_EQ(Bench::message("google.protobuf.UInt32Value", "message { required: true }").check("{}"),
            "x: is required\n");
}

TEST(ValueRules, Lists) {
  EXPECT_EQ(Bench::list("INT32", "repeated { min_items: 1 }").check("{}"), "x: must not be empty\n");
  EXPECT_EQ(Bench::list("INT32", "repeated { min_items: 2 }").check("x: [1]"),
            "x: must have at least 2 items, has 1\n");
  EXPECT_EQ(Bench::list("INT32", "repeated { max_items: 1 }").check("x: [1, 2]"),
            "x: must have at most 1 item, has 2\n");
  EXPECT_EQ(Bench::list("STRING", "repeated { unique: true }").check("x: [a, b, a]"),
            "x: must not hold an item twice; item 2 repeats an earlier one\n");
  EXPECT_EQ(Bench::list("DOUBLE", "repeated { unique: true }").check("x: [1, 1.0]"),
            "x: must not hold an item twice; item 1 repeats an earlier one\n");
  EXPECT_EQ(Bench::list("UINT32", "repeated { items { uint32 { lte: 9 } } }").check("x: [1, 10, 11]"),
            "x[1]: must be at most 9, is 10\nx[2]: must be at most 9, is 11\n");
}

TEST(ValueRules, ListsOfMessages) {
  const auto bench = [](const std::string& rules) {
    return Bench("label: LABEL_REPEATED type: TYPE_MESSAGE type_name: '.bench.Other' options { [validate.rules] { " +
                 rules + " } }");
  };
  EXPECT_EQ(bench("repeated { min_items: 1 }").check("x: [{n: 1}, {n: 0}]"), "x[1].n: must be greater than 0, is 0\n");
  expectOk(bench("repeated { items { message { skip: true } } }"), {"x: [{n: 0}]"});
}

TEST(ValueRules, Maps) {
  const auto bench = [](const std::string& rules) {
    return Bench(
        "label: LABEL_REPEATED type: TYPE_MESSAGE type_name: '.bench.M.XEntry' options { [validate.rules] { map { " +
            rules + " } } }",
        "nested_type { name: 'XEntry' options { map_entry: true } "
        "field { name: 'key' number: 1 json_name: 'key' label: LABEL_OPTIONAL type: TYPE_STRING } "
        "field { name: 'value' number: 2 json_name: 'value' label: LABEL_OPTIONAL type: TYPE_INT32 } }");
  };
  EXPECT_EQ(bench("min_pairs: 1").check("{}"), "x: must not be empty\n");
  EXPECT_EQ(bench("max_pairs: 1").check("x: {a: 1, b: 2}"), "x: must have at most 1 entry, has 2\n");
  EXPECT_EQ(bench("min_pairs: 3").check("x: {a: 1}"), "x: must have at least 3 entries, has 1\n");
  EXPECT_EQ(bench("keys { string { prefix: 'a' } }").check("x: {b: 1}"), "x[\"b\"]: its key must begin with \"a\"\n");
  EXPECT_EQ(bench("values { int32 { gt: 0 } }").check("x: {b: 0}"), "x[\"b\"]: must be greater than 0, is 0\n");
  expectOk(bench("no_sparse: true"), {"x: {b: 0}"});
}

TEST(ValueRules, Durations) {
  const auto bench = [](const std::string& rules) {
    return Bench::message("google.protobuf.Duration", "duration { " + rules + " }");
  };
  EXPECT_EQ(bench("required: true").check("{}"), "x: is required\n");
  EXPECT_EQ(bench("gt { }").check("x: 0s"), "x: must be greater than 0, is 0\n");
  EXPECT_EQ(bench("gte { nanos: 1000000 } lt { seconds: 2 }").check("x: 2s"),
            "x: must be at least 1ms and less than 2s, is 2s\n");
  EXPECT_EQ(bench("in { seconds: 1 } in { seconds: 60 }").check("x: 2s"), "x: must be one of 1s, 1m, is 2s\n");
  EXPECT_EQ(bench("not_in { seconds: 1 }").check("x: 1s"), "x: must not be 1s\n");
  EXPECT_EQ(bench("const { seconds: 1 }").check("x: 2s"), "x: must be 1s, is 2s\n");
  expectOk(bench("gt { }"), {"{}", "x: 0.000000001s"});
}

TEST(ValueRules, Timestamps) {
  const auto bench = [](const std::string& rules) {
    return Bench::message("google.protobuf.Timestamp", "timestamp { " + rules + " }");
  };
  EXPECT_EQ(bench("required: true").check("{}"), "x: is required\n");
  EXPECT_EQ(bench("lt_now: true").check("x: 9000-01-01T00:00:00Z"), "x: must be in the past\n");
  EXPECT_EQ(bench("gt_now: true").check("x: 1970-01-01T00:00:00Z"), "x: must be in the future\n");
  EXPECT_EQ(bench("within { seconds: 3600 }").check("x: 1970-01-01T00:00:00Z"), "x: must be within 1h of now\n");
  EXPECT_EQ(bench("lt { seconds: 1 }").check("x: 1970-01-01T00:00:02Z"),
            "x: must be less than 1970-01-01T00:00:01+00:00, is 1970-01-01T00:00:02+00:00\n");
  expectOk(bench("gt_now: true"), {"x: 9000-01-01T00:00:00Z"});
}

TEST(ValueRules, Anys) {
  const auto bench = [](const std::string& rules) {
    return Bench::message("google.protobuf.Any", "any { " + rules + " }");
  };
  const char* any = "x: {'@type': type.googleapis.com/google.protobuf.Duration, value: 1s}";
  EXPECT_EQ(bench("required: true").check("{}"), "x: is required\n");
  EXPECT_EQ(bench("not_in: 'type.googleapis.com/google.protobuf.Duration'").check(any),
            "x: must not hold a google.protobuf.Duration\n");
  EXPECT_EQ(bench("in: 'type.googleapis.com/google.protobuf.Struct'").check(any),
            "x: must not hold a google.protobuf.Duration\n");
  expectOk(bench("in: 'type.googleapis.com/google.protobuf.Duration'"), {any});
}

TEST(ValueRules, Oneofs) {
  const std::string member =
      "label: LABEL_OPTIONAL type: TYPE_INT32 oneof_index: 0 options { [validate.rules] { int32 { "
      "gt: 0 } } }";
  const std::string other =
      "field { name: 'y' number: 2 json_name: 'y' label: LABEL_OPTIONAL type: TYPE_STRING oneof_index: 0 }";
  const Bench required(member, other + " oneof_decl { name: 'choice' options { [validate.required]: true } }");
  EXPECT_EQ(required.check("{}"), "one of x, y is required\n");
  EXPECT_EQ(required.check("x: 0"), "x: must be greater than 0, is 0\n");
  expectOk(required, {"x: 1", "y: ''"});
  expectOk(Bench(member, other + " oneof_decl { name: 'choice' }"), {"{}"});
}

TEST(ValueRules, DisabledAndIgnoredMessages) {
  const std::string rule = "label: LABEL_OPTIONAL type: TYPE_INT32 options { [validate.rules] { int32 { gt: 0 } } }";
  expectOk(Bench(rule, "options { [validate.disabled]: true }"), {"{}"});
  expectOk(Bench(rule, "options { [validate.ignored]: true }"), {"{}"});
}

}  // namespace
}  // namespace sluice::config
