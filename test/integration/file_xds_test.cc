// Clusters and listeners from files, which are replaced in one move.

#include <filesystem>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "test/integration/harness/mesh.h"

namespace sluice::integration {
namespace {

std::string file(const Yamls& yamls) {
  std::string out = "resources:\n";
  for (const std::string& yaml : yamls) {
    out += "- " + yaml + "\n";
  }
  return yamls.empty() ? "resources: []\n" : out;
}

class FileXdsTest : public ::testing::Test {
 protected:
  void start() {
    const auto source = [this](const char* name) {
      return "{resource_api_version: V3, path_config_source: {path: " + folder_.path() + "/" + name + "}}";
    };
    proxy_ = std::make_unique<Proxy>("dynamic_resources:\n  cds_config: " + source("cds.yaml") +
                                     "\n  lds_config: " + source("lds.yaml") + "\n");
    ASSERT_TRUE(proxy_->waitReady());
  }
  void startServing() {
    folder_.write("cds.yaml", file({cluster("blue", blue_.port()), cluster("green", green_.port())}));
    folder_.write("lds.yaml", file({forward("front", "blue")}));
    start();
    front_ = proxy_->listenerPort("front").value_or(0);
    EXPECT_EQ(greetingOf(front_), "blue");
  }
  bool waitGreeting(const std::string& greeting) {
    return eventually([&] { return greetingOf(front_) == greeting; });
  }

  TempFolder folder_;
  EchoServer blue_{"blue"};
  EchoServer green_{"green"};
  std::unique_ptr<Proxy> proxy_;
  uint16_t front_ = 0;
};

TEST_F(FileXdsTest, AreReadAtTheStart) { startServing(); }

TEST_F(FileXdsTest, AreReadAgainWhenTheyAreReplaced) {
  startServing();
  SteadyLoad load(front_, 2);
  folder_.write("lds.yaml", file({forward("front", "green")}));
  EXPECT_TRUE(waitGreeting("green"));
  folder_.write("cds.yaml", file({cluster("blue", green_.port()), cluster("green", blue_.port())}));
  EXPECT_TRUE(waitGreeting("blue"));
  load.stop();
  EXPECT_EQ(load.failed(), 0u);
  EXPECT_GE(proxy_->stat("listener_manager.lds.update_success").value_or(0), 2);
}

TEST_F(FileXdsTest, AFileThatAListenerNamesIsReadAgainWithIt) {
  const auto answers = [this] {
    return file(
        {forward("other", "blue"), listener("front", {chain("all", {directResponseOf(folder_.path() + "/answer")})})});
  };
  folder_.write("cds.yaml", file({cluster("blue", blue_.port())}));
  folder_.write("answer", "one");
  folder_.write("lds.yaml", answers());
  start();
  front_ = proxy_->listenerPort("front").value_or(0);
  EXPECT_EQ(connectTo(front_).readAll(), "one");
  Client held = Client::connect(proxy_->listenerPort("other").value_or(0));
  folder_.write("answer", "two");
  folder_.write("lds.yaml", answers());
  EXPECT_TRUE(eventually([this] { return connectTo(front_).readAll() == "two"; }));
  EXPECT_EQ(proxy_->stat("listener_manager.listener_modified"), 1);
  EXPECT_TRUE(held.echo("the other listener does not notice"));
}

TEST_F(FileXdsTest, BrokenOnesLeaveWhatServes) {
  startServing();
  folder_.write("lds.yaml", "resources: [\n");
  proxy_->waitForStatAtLeast("listener_manager.lds.update_rejected", 1);
  EXPECT_EQ(greetingOf(front_), "blue");
  folder_.write("lds.yaml", file({listener("front", {})}));
  proxy_->waitForStatAtLeast("listener_manager.lds.update_rejected", 2);
  EXPECT_EQ(greetingOf(front_), "blue");
  EXPECT_TRUE(proxy_->outputHas("lds.yaml"));
  folder_.write("lds.yaml", file({forward("front", "green")}));
  EXPECT_TRUE(waitGreeting("green"));
}

TEST_F(FileXdsTest, MayGoAndComeBack) {
  startServing();
  std::filesystem::remove(folder_.path() + "/lds.yaml");
  EXPECT_EQ(greetingOf(front_), "blue");
  folder_.write("lds.yaml", file({forward("front", "green")}));
  EXPECT_TRUE(waitGreeting("green"));
}

TEST_F(FileXdsTest, TakeListenersAway) {
  startServing();
  folder_.write("lds.yaml", file({}));
  EXPECT_TRUE(eventually([this] { return greetingOf(front_).empty(); }));
  proxy_->waitForStat("listener_manager.total_listeners_active", 0);
}

TEST_F(FileXdsTest, MayBeJson) {
  folder_.write("cds.yaml", file({cluster("blue", blue_.port())}));
  folder_.write("lds.json",
                R"({"resources": [{"@type": "type.googleapis.com/envoy.config.listener.v3.Listener", "name": "front",
                    "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
                    "filter_chains": [{"filters": [{"name": "echo", "typed_config":
                      {"@type": "type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo"}}]}]}]})");
  Proxy proxy("dynamic_resources:\n  lds_config: {resource_api_version: V3, path_config_source: {path: " +
              folder_.path() + "/lds.json}}\n");
  ASSERT_TRUE(proxy.waitReady());
  Socket socket = connectTo(proxy.listenerPort("front").value_or(0));
  EXPECT_TRUE(sendAll(socket, "hello"));
  EXPECT_EQ(receive(socket, 5), "hello");
}

TEST_F(FileXdsTest, ThatAreMissingAreAMistake) {
  const RunResult result =
      runProgram({"--concurrency", "1", "--config-yaml",
                  "dynamic_resources: {lds_config: {resource_api_version: V3, path_config_source: {path: "
                  "/nowhere/lds.yaml}}}"});
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.output, ::testing::HasSubstr("/nowhere/lds.yaml"));
}

TEST_F(FileXdsTest, WhoseDirectoryCannotBeWatchedAreAMistake) {
  const std::string cds = folder_.write("cds.yaml", file({}));
  const RunResult result =
      runProgram({"--concurrency", "1", "--config-yaml",
                  "dynamic_resources: {cds_config: {resource_api_version: V3, path_config_source: {path: " + cds +
                      ", watched_directory: {path: /nowhere/at/all}}}}"});
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.output,
              ::testing::HasSubstr("dynamic_resources.cds_config.path_config_source.watched_directory.path: cannot "
                                   "watch '/nowhere/at/all'"));
}

}  // namespace
}  // namespace sluice::integration
