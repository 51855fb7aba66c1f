#include "source/config/wire.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/core/v3/base.pb.h"
#include "google/protobuf/descriptor.pb.h"
#include "google/protobuf/unknown_field_set.h"
#include "gtest/gtest.h"

namespace sluice::config {
namespace {

using envoy::config::cluster::v3::Cluster;
using google::protobuf::FileDescriptorProto;
using google::protobuf::SourceCodeInfo;

std::string runsOf(absl::string_view message) {
  std::string out;
  WireReader reader(message);
  for (WireRun run; reader.nextRun(run);) {
    absl::StrAppend(&out, run.number, "x", run.count, "(", run.whole.size(), ") ");
  }
  return out;
}

TEST(WireReader, FindsNothingInAnEmptyMessage) { EXPECT_EQ(runsOf(Cluster().SerializeAsString()), ""); }

TEST(WireReader, GivesWhatIsSetInTheOrderOfTheNumbers) {
  Cluster cluster;
  cluster.set_name("c");
  cluster.set_alt_stat_name("other");
  cluster.mutable_connect_timeout()->set_seconds(300);
  EXPECT_EQ(runsOf(cluster.SerializeAsString()), "1x1(3) 4x1(5) 28x1(8) ");
}

TEST(WireReader, TakesTheItemsOfAListTogether) {
  envoy::config::core::v3::Node node;
  node.set_id("n");
  node.add_client_features("a");
  node.add_client_features("");
  node.add_client_features(std::string(200, 'b'));
  const std::string message = node.SerializeAsString();
  EXPECT_EQ(runsOf(message), "1x1(3) 10x3(208) ");

  WireReader reader(message);
  WireRun run;
  ASSERT_TRUE(reader.nextRun(run) && reader.nextRun(run));
  std::vector<size_t> sizes;
  forEachValue(*node.GetDescriptor()->FindFieldByName("client_features"), run.whole,
               [&](const WireValue& value) { sizes.push_back(value.bytes.size()); });
  EXPECT_EQ(sizes, (std::vector<size_t>{1, 0, 200}));
  // What a run holds is a message of its own.
  envoy::config::core::v3::Node alone;
  ASSERT_TRUE(alone.ParseFromArray(run.whole.data(), static_cast<int>(run.whole.size())));
  EXPECT_EQ(alone.client_features_size(), 3);
}

TEST(WireReader, UnpacksListsOfNumbers) {
  SourceCodeInfo::Location packed;
  packed.add_path(1);
  packed.add_path(300);
  packed.add_path(-1);
  FileDescriptorProto unpacked;
  unpacked.add_public_dependency(1);
  unpacked.add_public_dependency(300);
  const auto values = [](const google::protobuf::Message& message, const char* field) {
    std::vector<int32_t> out;
    forEachValue(*message.GetDescriptor()->FindFieldByName(field), message.SerializeAsString(),
                 [&](const WireValue& value) { out.push_back(static_cast<int32_t>(value.number)); });
    return out;
  };
  EXPECT_EQ(values(packed, "path"), (std::vector<int32_t>{1, 300, -1}));
  EXPECT_EQ(values(unpacked, "public_dependency"), (std::vector<int32_t>{1, 300}));
}

TEST(WireReader, TakesUnknownGroupsWhole) {
  Cluster cluster;
  cluster.set_name("c");
  google::protobuf::UnknownFieldSet& unknown = *cluster.GetReflection()->MutableUnknownFields(&cluster);
  google::protobuf::UnknownFieldSet& group = *unknown.AddGroup(3000);
  group.AddFixed32(1, 7);
  group.AddGroup(2)->AddFixed64(1, 8);
  unknown.AddVarint(3001, 1);
  const std::string message = cluster.SerializeAsString();
  EXPECT_EQ(runsOf(message), "1x1(3) 3000x1(22) 3001x1(4) ");

  WireReader reader(message);
  WireRun run;
  ASSERT_TRUE(reader.nextRun(run) && reader.nextRun(run));
  EXPECT_EQ(runsOf(run.value.bytes), "1x1(5) 2x1(11) ");
}

TEST(FieldNumbers, FindFieldsSmallAndLarge) {
  const auto& type = *google::protobuf::FieldOptions::descriptor();
  const FieldNumbers numbers(type);
  const auto name = [&](int number) {
    const int index = numbers.find(number);
    return index < 0 ? "none" : type.field(index)->name();
  };
  EXPECT_EQ(name(1), "ctype");
  EXPECT_EQ(name(999), "uninterpreted_option");
  EXPECT_EQ(name(4), "none");
  EXPECT_EQ(name(100000), "none");
}

}  // namespace
}  // namespace sluice::config
