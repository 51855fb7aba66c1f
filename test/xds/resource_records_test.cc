#include "source/xds/resource_records.h"

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

#include "test/xds/recording_watcher.h"

namespace sluice::xds {
namespace {

Resource resource(std::string name, std::string version) {
  Resource made;
  made.name = std::move(name);
  made.version = std::move(version);
  return made;
}

base::SystemTime at(int seconds) { return base::SystemTime(std::chrono::seconds(seconds)); }

TEST(ResourceRecords, RefusalKeepsWhatIsInForceUntilTheNextGoodOne) {
  ResourceRecords records(std::string{kClusterType});
  records.accepted(resource("a", "1"), at(10), 1);
  records.refused(test::refusal("a", "type", "unknown"), "2", at(20), 2);
  ASSERT_EQ(records.list("", 10).size(), 1u);
  ResourceStatus status = records.list("", 10)[0];
  EXPECT_EQ(status.state, ResourceState::Nacked);
  EXPECT_EQ(status.version, "1");
  EXPECT_EQ(status.last_updated, at(10));
  ASSERT_TRUE(status.failure.has_value());
  EXPECT_EQ(status.failure->version, "2");
  EXPECT_EQ(status.failure->details, "Cluster \"a\": type: unknown");
  EXPECT_EQ(status.failure->time, at(20));
  ASSERT_NE(records.held("a"), nullptr);
  EXPECT_EQ(records.held("a")->version, "1");

  records.accepted(resource("a", "3"), at(30), 3);
  status = records.list("", 10)[0];
  EXPECT_EQ(status.state, ResourceState::Acked);
  EXPECT_EQ(status.version, "3");
  EXPECT_FALSE(status.failure.has_value());
}

TEST(ResourceRecords, RefusedFromTheBeginningIsNotHeld) {
  ResourceRecords records(std::string{kClusterType});
  records.refused(test::refusal("a", "", "bad"), "1", at(1), 1);
  EXPECT_EQ(records.held("a"), nullptr);
  EXPECT_TRUE(records.allHeld().empty());
  EXPECT_EQ(records.list("", 10)[0].version, "");
}

TEST(ResourceRecords, SweepForgetsThoseWithoutTheMarkInSeveralSteps) {
  ResourceRecords records(std::string{kClusterType});
  for (int i = 0; i < 1000; ++i) {
    records.accepted(resource(absl::StrCat("r", i), "1"), at(1), 1);
  }
  for (int i = 0; i < 1000; i += 2) {
    records.accepted(resource(absl::StrCat("r", i), "2"), at(2), 2);
  }
  std::string position;
  int steps = 1;
  while (records.sweep(2, position)) {
    ++steps;
  }
  EXPECT_GT(steps, 2);
  EXPECT_EQ(records.size(), 500u);
  EXPECT_EQ(records.held("r1"), nullptr);
  EXPECT_NE(records.held("r998"), nullptr);
}

TEST(ResourceRecords, ListsInPieces) {
  ResourceRecords records(std::string{kClusterType});
  for (const char* name : {"c", "a", "b"}) {
    records.accepted(resource(name, "1"), at(1), 1);
  }
  std::vector<ResourceStatus> first = records.list("", 2);
  ASSERT_EQ(first.size(), 2u);
  EXPECT_EQ(first[0].name, "a");
  EXPECT_EQ(first[1].name, "b");
  std::vector<ResourceStatus> rest = records.list("b", 2);
  ASSERT_EQ(rest.size(), 1u);
  EXPECT_EQ(rest[0].name, "c");
}

}  // namespace
}  // namespace sluice::xds
