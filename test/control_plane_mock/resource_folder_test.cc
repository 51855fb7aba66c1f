#include "control_plane_mock/resource_folder.h"

#include "gtest/gtest.h"

#include "test/xds/temporary_directory.h"

namespace sluice::control_plane_mock {
namespace {

constexpr char kCluster[] = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
constexpr char kListener[] = "type.googleapis.com/envoy.config.listener.v3.Listener";
using Types = std::vector<std::string>;

class ResourceFolderTest : public ::testing::Test {
 protected:
  test::TemporaryDirectory directory_;
  ResourceFolder folder_{directory_.path()};
};

TEST_F(ResourceFolderTest, ReadsListsAndSingleResources) {
  directory_.write("a.yaml",
                   "resources:\n"
                   "- \"@type\": type.googleapis.com/envoy.config.cluster.v3.Cluster\n"
                   "  name: one\n"
                   "- \"@type\": type.googleapis.com/envoy.config.listener.v3.Listener\n"
                   "  name: front\n");
  directory_.write("b.json", R"({"@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster", "name": "two"})");
  directory_.write("notes.txt", "not a resource");
  const auto loaded = folder_.load();
  EXPECT_TRUE(loaded.errors.empty()) << loaded.errors[0];
  EXPECT_EQ(loaded.changed_types, (Types{kCluster, kListener}));
  EXPECT_EQ(folder_.resources().at(kCluster).size(), 2u);
  EXPECT_EQ(folder_.resources().at(kListener).size(), 1u);
  EXPECT_TRUE(folder_.load().changed_types.empty());
}

TEST_F(ResourceFolderTest, TellsTheLineOfAMistakeAndKeepsWhatTheFileSaidBefore) {
  const std::string good = "\"@type\": type.googleapis.com/envoy.config.cluster.v3.Cluster\nname: one\n";
  directory_.write("a.yaml", good);
  folder_.load();
  directory_.write("a.yaml", good + "\nno_such_field: 1\n");
  auto loaded = folder_.load();
  ASSERT_EQ(loaded.errors.size(), 1u);
  EXPECT_EQ(loaded.errors[0].find("a.yaml: line 4: "), 0u) << loaded.errors[0];
  EXPECT_NE(loaded.errors[0].find("no_such_field"), std::string::npos);
  EXPECT_TRUE(loaded.changed_types.empty());
  EXPECT_EQ(folder_.resources().at(kCluster).size(), 1u);
  directory_.write("a.yaml", "resources: [");
  loaded = folder_.load();
  EXPECT_FALSE(loaded.errors.empty());
  EXPECT_EQ(folder_.resources().at(kCluster).size(), 1u);
}

TEST_F(ResourceFolderTest, TypeWhoseFilesHaveGoneIsEmpty) {
  directory_.write("a.yaml", "\"@type\": type.googleapis.com/envoy.config.cluster.v3.Cluster\nname: one\n");
  folder_.load();
  directory_.remove("a.yaml");
  const auto loaded = folder_.load();
  EXPECT_EQ(loaded.changed_types, Types{kCluster});
  EXPECT_TRUE(folder_.resources().at(kCluster).empty());
}

TEST_F(ResourceFolderTest, ToldOfTwoFilesWithOneResource) {
  for (const char* name : {"a.yaml", "b.yaml"}) {
    directory_.write(name, "\"@type\": type.googleapis.com/envoy.config.cluster.v3.Cluster\nname: one\n");
  }
  const auto loaded = folder_.load();
  ASSERT_EQ(loaded.errors.size(), 1u);
  EXPECT_EQ(loaded.errors[0], "b.yaml: Cluster \"one\" is in a.yaml, too; both are served");
}

TEST_F(ResourceFolderTest, MissingFolderIsAMistake) {
  ResourceFolder missing("/no/such/folder");
  EXPECT_EQ(missing.load().errors.size(), 1u);
}

}  // namespace
}  // namespace sluice::control_plane_mock
