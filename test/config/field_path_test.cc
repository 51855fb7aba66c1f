#include "source/config/field_path.h"

#include "gtest/gtest.h"

namespace sluice::config {
namespace {

TEST(FieldPath, IsSpelledAsAnOperatorWouldWriteIt) {
  const FieldPath root("static_resources");
  EXPECT_EQ(root.field("listeners").index(0).toString(), "static_resources.listeners[0]");
  EXPECT_EQ(root.field("metadata").key("a.b").field("x").toString(), "static_resources.metadata[\"a.b\"].x");
  EXPECT_EQ(FieldPath().field("name").toString(), "name");
  EXPECT_EQ(FieldPath().toString(), "");
}

TEST(FieldPath, OutlivesThePathThatItExtends) {
  FieldPath path;
  {
    const FieldPath parent("a");
    path = parent.field("b").index(12);
  }
  EXPECT_EQ(path.toString(), "a.b[12]");
}

TEST(FieldPath, EscapesQuotesInKeys) { EXPECT_EQ(FieldPath("m").key("a\"]\n").toString(), "m[\"a\\\"]\\n\"]"); }

TEST(PathStep, SpellsLikeFieldPath) {
  const PathStep root("clusters[3]");
  const PathStep map(root, "typed_extension_protocol_options");
  const PathStep entry = PathStep::mapKey(map, "x");
  const PathStep field(entry, "list");
  const PathStep item(field, size_t{7});
  EXPECT_EQ(item.toString(), "clusters[3].typed_extension_protocol_options[\"x\"].list[7]");
  EXPECT_EQ(PathStep(PathStep(""), "name").toString(), "name");
}

}  // namespace
}  // namespace sluice::config
