#include "source/xds/nack.h"

#include "google/rpc/error_details.pb.h"
#include "gtest/gtest.h"

#include "test/xds/recording_watcher.h"

namespace sluice::xds {
namespace {

using test::refusal;

TEST(Nack, NamesEveryResourceWithEachPathAndReason) {
  ResourceError two = refusal("front", "address", "is missing");
  two.violations.add("filter_chains[0].filters[1]", "no such filter");
  const google::rpc::Status status =
      nackStatus(kListenerType, {two, refusal("back", "", "twice"), refusal("", "resources[3]", "garbage")});
  EXPECT_EQ(status.code(), 13);
  EXPECT_EQ(status.message(),
            "Listener \"front\": address: is missing\n"
            "Listener \"front\": filter_chains[0].filters[1]: no such filter\n"
            "Listener \"back\": twice\n"
            "Listener: resources[3]: garbage");
  google::rpc::BadRequest fields;
  ASSERT_EQ(status.details_size(), 1);
  ASSERT_TRUE(status.details(0).UnpackTo(&fields));
  ASSERT_EQ(fields.field_violations_size(), 4);
  EXPECT_EQ(fields.field_violations(1).field(), "resources[\"front\"].filter_chains[0].filters[1]");
  EXPECT_EQ(fields.field_violations(1).description(), "no such filter");
  EXPECT_EQ(fields.field_violations(3).field(), "resources[3]");
}

TEST(Nack, TellsLinesOfAFile) {
  config::Violations violations;
  violations.add("address", "is missing", 12);
  EXPECT_EQ(describeErrors(kListenerType, {{"front", violations}}),
            "Listener \"front\" (line 12): address: is missing");
}

TEST(Nack, CountsWhatItLeavesOut) {
  std::vector<ResourceError> errors;
  for (int i = 0; i < 100; ++i) {
    errors.push_back(refusal("name", "path", std::string(80, 'x')));
  }
  const std::string text = describeErrors(kClusterType, errors, 1000);
  EXPECT_LT(text.size(), 1100u);
  EXPECT_NE(text.find("\nand 91 more"), std::string::npos) << text;
}

TEST(Nack, StopsAtTheFirstLineThatDoesNotFit) {
  const std::vector<ResourceError> errors = {
      refusal("a", "path", "short"), refusal("b", "path", std::string(1000, 'x')), refusal("c", "path", "short")};
  EXPECT_EQ(describeErrors(kClusterType, errors, 200), "Cluster \"a\": path: short\nand 2 more");
}

TEST(Nack, StaysSmallHoweverManyMistakesThereAre) {
  std::vector<ResourceError> errors;
  for (int i = 0; i < 5000; ++i) {
    errors.push_back(refusal("name", "path", std::string(80, 'x')));
  }
  EXPECT_LT(nackStatus(kClusterType, errors).ByteSizeLong(), 2 * kMaxNackBytes);
  // Nor do a few with much to say make it large.
  EXPECT_LT(nackStatus(kClusterType, {refusal("a", "", std::string(1 << 20, 'x'))}).ByteSizeLong(), 1000u);
}

}  // namespace
}  // namespace sluice::xds
