#include "source/config/source_map.h"

#include "gtest/gtest.h"

namespace sluice::config {
namespace {

SourceMap mapOf(absl::string_view text, Format format) {
  Violations violations;
  SourceMap map(Document::parse(text, format, violations));
  EXPECT_TRUE(violations.empty()) << violations.toString();
  return map;
}

TEST(SourceMap, TellsLinesOfYaml) {
  const SourceMap map = mapOf(
      "# a comment\n"
      "static_resources:\n"
      "  listeners:\n"
      "  - name: one\n"
      "  - name: two\n"
      "    filterChains:\n"
      "    - filters: []\n"
      "    metadata:\n"
      "      filter_metadata:\n"
      "        \"a.b\": {x: 1}\n",
      Format::Yaml);
  EXPECT_EQ(map.lineOf("static_resources"), 2);
  EXPECT_EQ(map.lineOf("static_resources.listeners[0].name"), 4);
  EXPECT_EQ(map.lineOf("static_resources.listeners[1]"), 5);
  EXPECT_EQ(map.lineOf("static_resources.listeners[1].filter_chains[0].filters"), 7);
  EXPECT_EQ(map.lineOf("static_resources.listeners[1].metadata.filter_metadata[\"a.b\"].x"), 10);
}

TEST(SourceMap, TellsTheNearestLineOfWhatIsNotThere) {
  const SourceMap map = mapOf("a:\n- b: 1\n\n- c: 2\n", Format::Yaml);
  EXPECT_EQ(map.lineOf("a[1].address.port"), 4);
  EXPECT_EQ(map.lineOf("a[9]"), 1);
  EXPECT_EQ(map.lineOf("z.y"), 0);
  EXPECT_EQ(map.lineOf(""), 0);
  EXPECT_EQ(SourceMap().lineOf("a"), 0);
}

TEST(SourceMap, TellsLinesOfJson) {
  const SourceMap map = mapOf("{\n \"a\": [1,\n  {\"bC\": true}\n]}", Format::Json);
  EXPECT_EQ(map.lineOf("a[0]"), 2);
  EXPECT_EQ(map.lineOf("a[1].b_c"), 3);
}

TEST(SourceMap, TakesWhatIsNoPath) {
  const SourceMap map = mapOf("a: [1]\n", Format::Yaml);
  for (const char* path : {"a[", "a[\"", "a[\"x", "a[x]", "a[99999999999999999999]", "[", "]", ".", "..", "a..b"}) {
    EXPECT_LE(map.lineOf(path), 1) << path;
  }
}

}  // namespace
}  // namespace sluice::config
