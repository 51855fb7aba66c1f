#include <chrono>
#include <random>

#include "absl/strings/str_cat.h"
#include "envoy/config/bootstrap/v3/bootstrap.pb.h"
#include "gtest/gtest.h"

#include "source/config/loader.h"

// What a hostile or broken text must not do: crash, hang, or fill the memory.

namespace sluice::config {
namespace {

using envoy::config::bootstrap::v3::Bootstrap;

bool parses(absl::string_view text, Format format, std::string* reason = nullptr) {
  Bootstrap out;
  Violations violations;
  const bool good = parseYaml(text, out, {format}, nullptr, violations);
  EXPECT_EQ(good, violations.empty());
  if (reason != nullptr) {
    *reason = violations.toString();
  }
  return good;
}

std::string repeated(absl::string_view text, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) {
    out.append(text.data(), text.size());
  }
  return out;
}

TEST(LoaderRobustness, DeepNestingIsRefused) {
  for (const Format format : {Format::Json, Format::Yaml, Format::Auto}) {
    for (const char* opening : {"[", "{\"a\":", "[{\"a\":"}) {
      std::string reason;
      EXPECT_FALSE(parses(repeated(opening, 100'000), format, &reason));
      EXPECT_NE(reason.find("not valid"), std::string::npos) << reason;
    }
  }
  std::string indented;
  for (int i = 0; i < 300; ++i) {
    absl::StrAppend(&indented, std::string(i, ' '), "a:\n");
  }
  std::string reason;
  EXPECT_FALSE(parses(indented, Format::Yaml, &reason));
  EXPECT_NE(reason.find("nested deeper than 100"), std::string::npos) << reason;
}

TEST(LoaderRobustness, AliasesCannotBlowATextUp) {
  std::string text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 20; ++i) {
    absl::StrAppend(&text, "a", i, ": &a", i, " [", repeated(absl::StrCat("*a", i - 1, ", "), 10), "x]\n");
  }
  std::string reason;
  EXPECT_FALSE(parses(text, Format::Yaml, &reason));
  EXPECT_NE(reason.find("aliases make it too big"), std::string::npos) << reason;
}

TEST(LoaderRobustness, AliasesCannotNestDeeperThanText) {
  std::string text = "a0: &a0 {}\n";
  for (int i = 1; i < 300; ++i) {
    absl::StrAppend(&text, "a", i, ": &a", i, " {k: *a", i - 1, "}\n");
  }
  std::string reason;
  EXPECT_FALSE(parses(text, Format::Yaml, &reason));
  EXPECT_NE(reason.find("nested deeper than 100"), std::string::npos) << reason;
}

TEST(LoaderRobustness, AnAliasToItselfIsRefused) {
  std::string reason;
  EXPECT_FALSE(parses("node: &a\n  id: *a\n", Format::Yaml, &reason));
  EXPECT_NE(reason.find("inside of what it refers to"), std::string::npos) << reason;
}

TEST(LoaderRobustness, AMillionMistakesAreBounded) {
  Bootstrap out;
  Violations violations;
  const std::string text = absl::StrCat("{\"node_context_params\": [", repeated("1,", 200'000), "1]}");
  EXPECT_FALSE(parseYaml(text, out, {Format::Json}, nullptr, violations));
  EXPECT_EQ(violations.size(), 200'001);
  EXPECT_EQ(violations.list().size(), Violations::kMaxKept);
}

// Bytes of a good text changed, taken out, doubled or swapped for what parsers stumble over.
class Mutations : public testing::TestWithParam<Format> {};

TEST_P(Mutations, NeverCrash) {
  const std::string good = GetParam() == Format::Json
                               ? R"({"node": {"id": "n\u00e9", "metadata": {"a": [1, -2.5e3, null, true]}},
 "static_resources": {"clusters": [{"name": "c", "connect_timeout": "1.5s", "load_assignment": {"cluster_name": "c",
  "endpoints": [{"lb_endpoints": [{"endpoint": {"address": {"socket_address": {"address": "::1", "port_value": 1}}}}]}]}}]},
 "stats_sinks": [{"typed_config": {"@type": "type.googleapis.com/google.protobuf.Duration", "value": "1s"}}]})"
                               : R"(node: &n {id: "n\u00e9", metadata: {a: [1, -2.5e3, ~, yes]}}
static_resources:
  clusters:
  - &c
    name: >-
      folded
      text
    connect_timeout: 1.5s # a comment
    load_assignment: {cluster_name: 'c', endpoints: [{lb_endpoints: [{endpoint_name: !!str x}]}]}
  - *c
stats_sinks:
- typed_config:
    "@type": type.googleapis.com/google.protobuf.Duration
    value: 1s
)";
  ASSERT_TRUE(parses(good, GetParam()));
  const std::string troublemakers("{}[]:,&*!|>'\"%@`#-?\\\n\t \0\xFF\xC3", 26);
  std::mt19937 random(20240229);
  const auto below = [&random](size_t limit) { return std::uniform_int_distribution<size_t>(0, limit - 1)(random); };
  int good_ones = 0;
  for (int round = 0; round < 6'000; ++round) {
    std::string text = good;
    for (size_t changes = 1 + below(4); changes > 0; --changes) {
      const size_t at = below(text.size());
      switch (below(5)) {
        case 0:
          text[at] = troublemakers[below(troublemakers.size())];
          break;
        case 1:
          text.insert(at, 1, troublemakers[below(troublemakers.size())]);
          break;
        case 2:
          text.erase(at, 1 + below(8));
          break;
        case 3:
          text.insert(at, text.substr(below(text.size()), below(20)));
          break;
        default:
          text.resize(at + 1);
      }
    }
    good_ones += parses(text, GetParam()) ? 1 : 0;
  }
  // Some changes do no harm; most must.
  EXPECT_GT(good_ones, 0);
  EXPECT_LT(good_ones, 3'000);
}

INSTANTIATE_TEST_SUITE_P(Formats, Mutations, testing::Values(Format::Json, Format::Yaml, Format::Auto),
                         [](const auto& info) {
                           return info.param == Format::Json ? "Json" : info.param == Format::Yaml ? "Yaml" : "Auto";
                         });

TEST(LoaderRobustness, TenMegabytesAreReadInSeconds) {
  std::string text = "{\"static_resources\": {\"clusters\": [";
  int count = 0;
  while (text.size() < 10'000'000) {
    absl::StrAppend(
        &text, count == 0 ? "" : ",", R"({"name": "outbound|80||service-)", count,
        R"(.default.svc.cluster.local", "type": "STATIC", "connect_timeout": "1s", "load_assignment": )",
        R"({"cluster_name": "x", "endpoints": [{"lb_endpoints": [{"endpoint": {"address": {"socket_address": )",
        R"({"address": "10.0.0.1", "port_value": 8080}}}}]}]}})");
    ++count;
  }
  text.append("]}}");
  Bootstrap out;
  Violations violations;
  const auto start = std::chrono::steady_clock::now();
  ASSERT_TRUE(parseYaml(text, out, {}, nullptr, violations)) << violations.toString();
  const auto took = std::chrono::steady_clock::now() - start;
  EXPECT_EQ(out.static_resources().clusters_size(), count);
  // A sanitizer's build on a busy machine takes a few seconds; quadratic work would take minutes.
  EXPECT_LT(took, std::chrono::seconds(60));
  RecordProperty("milliseconds", static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(took).count()));
}

}  // namespace
}  // namespace sluice::config
