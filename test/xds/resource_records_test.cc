#include "source/xds/resource_records.h"

#include "absl/strings/str_cat.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
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

void accept(ResourceRecords& records, Resource resource, base::SystemTime now, uint64_t mark) {
  records.accepted(resource, now, {}, mark);
}

TEST(ResourceRecords, KeepsTheBytesOfWhatNobodyElseKeeps) {
  ResourceRecords records(std::string{kClusterType});
  const auto cluster = [](const std::string& name) {
    auto message = std::make_shared<envoy::config::cluster::v3::Cluster>();
    message->set_name(name);
    Resource made = resource(name, "1");
    made.bytes = std::make_shared<const std::string>(message->SerializeAsString());
    made.message = std::move(message);
    return made;
  };
  Resource alone = cluster("alone");
  const google::protobuf::Message* const left = alone.message.get();
  records.accepted(alone, at(1), {}, 1);
  EXPECT_EQ(alone.message.get(), left) << "to be freed wherever that takes nobody's time";
  Resource shared = cluster("shared");
  const std::shared_ptr<const google::protobuf::Message> user = shared.message;
  records.accepted(shared, at(1), {}, 1);
  EXPECT_EQ(records.held("shared")->message, user);
  EXPECT_EQ(records.held("shared")->bytes, nullptr);
  const std::optional<Resource> held = records.held("alone");
  ASSERT_NE(held->message, nullptr);
  EXPECT_EQ(static_cast<const envoy::config::cluster::v3::Cluster&>(*held->message).name(), "alone");
  EXPECT_EQ(*records.heldVersion("alone"), "1");
  EXPECT_EQ(records.heldVersion("none"), nullptr);
}

TEST(ResourceRecords, RefusalKeepsWhatIsInForceUntilTheNextGoodOne) {
  ResourceRecords records(std::string{kClusterType});
  accept(records, resource("a", "1"), at(10), 1);
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
  ASSERT_TRUE(records.held("a").has_value());
  EXPECT_EQ(records.held("a")->version, "1");

  accept(records, resource("a", "3"), at(30), 3);
  status = records.list("", 10)[0];
  EXPECT_EQ(status.state, ResourceState::Acked);
  EXPECT_EQ(status.version, "3");
  EXPECT_FALSE(status.failure.has_value());
}

TEST(ResourceRecords, RefusedFromTheBeginningIsNotHeld) {
  ResourceRecords records(std::string{kClusterType});
  records.refused(test::refusal("a", "", "bad"), "1", at(1), 1);
  EXPECT_FALSE(records.held("a").has_value());
  EXPECT_TRUE(records.allHeld().empty());
  EXPECT_EQ(records.list("", 10)[0].version, "");
}

TEST(ResourceRecords, SweepForgetsThoseWithoutTheMarkInSeveralSteps) {
  ResourceRecords records(std::string{kClusterType});
  for (int i = 0; i < 1000; ++i) {
    accept(records, resource(absl::StrCat("r", i), "1"), at(1), 1);
  }
  for (int i = 0; i < 1000; i += 2) {
    accept(records, resource(absl::StrCat("r", i), "2"), at(2), 2);
  }
  std::string position;
  int steps = 1;
  while (records.sweep(2, position)) {
    ++steps;
  }
  EXPECT_GT(steps, 2);
  EXPECT_EQ(records.size(), 500u);
  EXPECT_FALSE(records.held("r1").has_value());
  EXPECT_TRUE(records.held("r998").has_value());
}

TEST(ResourceRecords, ListsInPieces) {
  ResourceRecords records(std::string{kClusterType});
  for (const char* name : {"c", "a", "b"}) {
    accept(records, resource(name, "1"), at(1), 1);
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
