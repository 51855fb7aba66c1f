#include "source/xds/file_subscription.h"

#include <sys/stat.h>

#include <memory>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

#include "source/event/libevent_dispatcher.h"
#include "source/stats/store.h"
#include "test/xds/recording_watcher.h"
#include "test/xds/resources.h"
#include "test/xds/temporary_directory.h"

namespace sluice::xds {
namespace {

using test::RecordingWatcher;
using Names = std::vector<std::string>;

std::string clusters(const std::string& version, const Names& names, const std::string& timeout = "1s") {
  std::string yaml = absl::StrCat("version_info: ", version, "\nresources:\n");
  for (const std::string& name : names) {
    absl::StrAppend(&yaml, "- \"@type\": type.googleapis.com/envoy.config.cluster.v3.Cluster\n  name: ", name,
                    "\n  connect_timeout: ", timeout, "\n");
  }
  return yaml;
}

class FileSubscriptionTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto files = FileWatcher::create(main_);
    ASSERT_TRUE(files.ok());
    files_ = *std::move(files);
  }

  absl::StatusOr<std::unique_ptr<Subscription>> subscribe(const std::string& path, const std::string& watched = "",
                                                          absl::string_view type = kClusterType,
                                                          std::set<std::string> names = {}) {
    return FileSubscription::create(main_, *store_.root(), decoder_, *files_, path, watched, type, std::move(names),
                                    "cluster_manager.cds.", watcher_);
  }
  void open(const std::string& name) {
    auto made = subscribe(directory_.file(name));
    ASSERT_TRUE(made.ok()) << made.status();
    subscription_ = *std::move(made);
  }
  template <class Condition>
  void runUntil(Condition condition) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!condition()) {
      ASSERT_LT(std::chrono::steady_clock::now(), end) << "it never came to that";
      main_.post([] {});
      main_.run(event::Dispatcher::RunType::NonBlock);
      std::this_thread::yield();
    }
  }
  void runUntilUpdates(size_t count) {
    runUntil([&] { return watcher_.updates.size() >= count; });
  }
  uint64_t counter(const std::string& name) { return store_.counterValue("cluster_manager.cds." + name); }

  test::TemporaryDirectory directory_;
  stats::Store store_;
  event::LibeventDispatcher main_{"main_thread"};
  DecoderThread decoder_{main_, std::make_unique<event::LibeventDispatcher>("decoder")};
  std::unique_ptr<FileWatcher> files_;
  RecordingWatcher watcher_;
  std::unique_ptr<Subscription> subscription_;
};

TEST_F(FileSubscriptionTest, ReadsTheFileAndEachReplacementOfIt) {
  directory_.write("cds.yaml", clusters("v1", {"a", "b"}));
  open("cds.yaml");
  EXPECT_TRUE(watcher_.updates.empty());
  runUntilUpdates(1);
  EXPECT_EQ(watcher_.lastNames(), (Names{"a", "b"}));
  EXPECT_TRUE(watcher_.updates[0].full_state);
  EXPECT_EQ(watcher_.updates[0].version, "v1");
  directory_.replace("cds.yaml", clusters("v2", {"b"}));
  runUntilUpdates(2);
  EXPECT_EQ(watcher_.lastNames(), Names{"b"});
  runUntil([&] { return counter("update_success") == 2; });
  EXPECT_EQ(counter("update_rejected"), 0u);
}

TEST_F(FileSubscriptionTest, BrokenFileIsRefusedAndTheNextGoodOneIsTaken) {
  directory_.write("cds.yaml", clusters("v1", {"a"}));
  open("cds.yaml");
  runUntilUpdates(1);
  directory_.replace("cds.yaml", "resources: [");
  runUntil([&] { return counter("update_rejected") == 1; });
  EXPECT_EQ(watcher_.failures, (std::vector<FetchFailure>{FetchFailure::Rejected}));
  directory_.replace("cds.yaml", clusters("v3", {"a"}, "0s"));
  runUntil([&] { return counter("update_rejected") == 2; });
  EXPECT_EQ(watcher_.undecodable, Names{"a"});
  EXPECT_EQ(watcher_.updates.size(), 1u);
  directory_.replace("cds.yaml", clusters("v4", {"c"}));
  runUntilUpdates(2);
  EXPECT_EQ(watcher_.lastNames(), Names{"c"});
}

TEST_F(FileSubscriptionTest, FileThatVanishesChangesNothing) {
  directory_.write("cds.yaml", clusters("v1", {"a"}));
  open("cds.yaml");
  runUntilUpdates(1);
  directory_.remove("cds.yaml");
  mkdir(directory_.file("new").c_str(), 0700);
  rename(directory_.file("new").c_str(), directory_.file("cds.yaml").c_str());
  runUntil([&] { return counter("update_failure") == 1; });
  EXPECT_EQ(watcher_.failures, (std::vector<FetchFailure>{FetchFailure::ConnectionFailure}));
  EXPECT_EQ(watcher_.updates.size(), 1u);
}

TEST_F(FileSubscriptionTest, MissingFileIsAnError) {
  const auto made = subscribe(directory_.file("none.yaml"));
  ASSERT_FALSE(made.ok());
  EXPECT_NE(made.status().message().find("none.yaml"), absl::string_view::npos);
}

TEST_F(FileSubscriptionTest, WatchesAnotherDirectoryIfTold) {
  // As Kubernetes mounts a ConfigMap: the file is behind a link that is renamed.
  mkdir(directory_.file("1").c_str(), 0700);
  mkdir(directory_.file("2").c_str(), 0700);
  directory_.write("1/cds.yaml", clusters("v1", {"a"}));
  directory_.write("2/cds.yaml", clusters("v2", {"b"}));
  ASSERT_EQ(symlink("1", directory_.file("data").c_str()), 0);
  auto made = subscribe(directory_.file("data/cds.yaml"), directory_.path());
  ASSERT_TRUE(made.ok()) << made.status();
  runUntilUpdates(1);
  ASSERT_EQ(symlink("2", directory_.file("data.new").c_str()), 0);
  ASSERT_EQ(rename(directory_.file("data.new").c_str(), directory_.file("data").c_str()), 0);
  runUntilUpdates(2);
  EXPECT_EQ(watcher_.lastNames(), Names{"b"});
}

TEST_F(FileSubscriptionTest, ChangesDuringAnUpdateAreReadAfterIt) {
  watcher_.hold = true;
  directory_.write("cds.yaml", clusters("v1", {"a"}));
  open("cds.yaml");
  runUntilUpdates(1);
  directory_.replace("cds.yaml", clusters("v2", {"b"}));
  directory_.replace("cds.yaml", clusters("v3", {"c"}));
  for (int i = 0; i < 5; ++i) {
    main_.run(event::Dispatcher::RunType::NonBlock);
  }
  EXPECT_EQ(watcher_.updates.size(), 1u);
  watcher_.release();
  runUntilUpdates(2);
  EXPECT_EQ(watcher_.lastNames(), Names{"c"});
}

TEST_F(FileSubscriptionTest, ReadsJsonAndBinary) {
  directory_.write("cds.json", R"({"versionInfo": "j", "resources": [
    {"@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster", "name": "json", "connectTimeout": "1s"}]})");
  open("cds.json");
  runUntilUpdates(1);
  EXPECT_EQ(watcher_.lastNames(), Names{"json"});
  directory_.write(
      "cds.pb",
      test::response<envoy::config::cluster::v3::Cluster>("p", "", {test::cluster("binary")}).SerializeAsString());
  open("cds.pb");
  runUntilUpdates(2);
  EXPECT_EQ(watcher_.lastNames(), Names{"binary"});
}

TEST_F(FileSubscriptionTest, NameThatTheFileLacksIsAnError) {
  directory_.write("eds.pb", test::response<envoy::config::endpoint::v3::ClusterLoadAssignment>(
                                 "1", "", {test::assignment("a"), test::assignment("b")})
                                 .SerializeAsString());
  auto made = subscribe(directory_.file("eds.pb"), "", kEndpointType, {"a"});
  ASSERT_TRUE(made.ok());
  runUntilUpdates(1);
  EXPECT_EQ(watcher_.lastNames(), Names{"a"});
  made = subscribe(directory_.file("eds.pb"), "", kEndpointType, {"missing"});
  ASSERT_TRUE(made.ok());
  runUntil([&] { return !watcher_.failures.empty(); });
  EXPECT_EQ(watcher_.undecodable, Names{"missing"});
}

TEST_F(FileSubscriptionTest, MayBeDestroyedInItsCallbacks) {
  class Ending : public RecordingWatcher {
   public:
    void onUpdate(Update, UpdateDone done) override {
      subscription.reset();
      ended = true;
      done({});
    }
    std::unique_ptr<Subscription> subscription;
    bool ended = false;
  } ending;
  directory_.write("cds.yaml", clusters("v1", {"a"}));
  auto made = FileSubscription::create(main_, *store_.root(), decoder_, *files_, directory_.file("cds.yaml"), "",
                                       kClusterType, {}, "x.", ending);
  ASSERT_TRUE(made.ok());
  ending.subscription = *std::move(made);
  runUntil([&] { return ending.ended; });
  directory_.replace("cds.yaml", clusters("v2", {"a"}));
  main_.run(event::Dispatcher::RunType::NonBlock);
}

}  // namespace
}  // namespace sluice::xds
