#include "source/config/violations.h"

#include "absl/strings/match.h"
#include "gtest/gtest.h"

#include "source/config/document.h"
#include "source/config/source_map.h"

namespace sluice::config {
namespace {

TEST(Violations, StatusNamesSubjectPathsAndReasons) {
  Violations violations;
  EXPECT_TRUE(violations.toStatus("listener 'l'").ok());
  violations.add("address", "is required");
  violations.add(FieldPath("filter_chains").index(1), "is empty");
  violations.add("", "is odd");
  const absl::Status status = violations.toStatus("listener 'l'");
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), "listener 'l': address: is required; filter_chains[1]: is empty; is odd");
}

TEST(Violations, TextHasOneOnALineWithItsLine) {
  Violations violations;
  violations.add("a.b", "is wrong", 12);
  violations.add("c", "is unknown");
  EXPECT_EQ(violations.toString(), "line 12: a.b: is wrong\nc: is unknown\n");
}

TEST(Violations, KeepsABoundedNumberAndCountsTheRest) {
  Violations violations;
  for (size_t i = 0; i < Violations::kMaxKept + 5; ++i) {
    violations.add("p", "r");
  }
  EXPECT_EQ(violations.list().size(), Violations::kMaxKept);
  EXPECT_EQ(violations.size(), Violations::kMaxKept + 5);
  EXPECT_TRUE(absl::EndsWith(violations.toStatus("x").message(), "; and 905 more"));
  EXPECT_TRUE(absl::EndsWith(violations.toString(), "and 5 more\n"));

  Violations sum;
  sum.addAll(violations);
  EXPECT_EQ(sum.size(), violations.size());
}

TEST(Violations, TakesLinesFromTheSource) {
  Violations violations;
  violations.add("a.b", "is wrong");
  violations.add("a.b", "was found while reading", 7);
  violations.add("z", "is nowhere");
  const SourceMap source(Document::parse("a:\n  b: 1\n", Format::Yaml, violations));
  violations.locate(source);
  EXPECT_EQ(violations.list()[0].line, 2);
  EXPECT_EQ(violations.list()[1].line, 7);
  EXPECT_EQ(violations.list()[2].line, 0);
}

}  // namespace
}  // namespace sluice::config
