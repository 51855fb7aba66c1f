// The end: by signal or by request, at any moment, with connections closed and logs written.

#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "gtest/gtest.h"

#include "test/integration/harness/mesh.h"

namespace sluice::integration {
namespace {

class ShutdownTest : public MeshTest {
 protected:
  void endBy(int number) {
    TempFolder logs;
    EchoServer blue("blue");
    setClusters({cluster("blue", blue.port())});
    setListeners({listener(
        "front",
        {chain("all", {tcpProxy("blue", "access_log: [" +
                                            fileAccessLog(logs.path() + "/access", "%DURATION% %UPSTREAM_CLUSTER%") +
                                            "]")})})});
    start();
    std::vector<Client> clients;
    for (int i = 0; i < 8; ++i) {
      clients.push_back(Client::connect(port("front")));
      ASSERT_TRUE(clients.back().echo("hello"));
    }
    proxy().signal(number);
    EXPECT_EQ(proxy().wait(), 0);
    for (Client& client : clients) {
      EXPECT_TRUE(client.closesWithin(kPatience));
    }
    const std::string lines = logs.read("access");
    EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 8) << lines;
    EXPECT_NE(lines.find(" blue\n"), std::string::npos);
    EXPECT_TRUE(proxy().outputHas("shutting down"));
  }
};

TEST_F(ShutdownTest, SigtermClosesConnectionsAndFlushesLogs) { endBy(SIGTERM); }
TEST_F(ShutdownTest, SigintClosesConnectionsAndFlushesLogs) { endBy(SIGINT); }

TEST_F(ShutdownTest, QuitQuitQuit) {
  setClusters({});
  setListeners({});
  start();
  EXPECT_EQ(proxy().get("/quitquitquit").status, 405);
  EXPECT_EQ(proxy().post("/quitquitquit").body, "OK\n");
  EXPECT_EQ(proxy().wait(), 0);
}

TEST_F(ShutdownTest, SigtermWhileItWaitsForTheControlPlane) {
  controlPlane().hold();
  launch();
  ASSERT_TRUE(controlPlane().waitForStreams(1));
  proxy().signal(SIGTERM);
  EXPECT_EQ(proxy().wait(), 0);
}

TEST_F(ShutdownTest, SigtermWhileClustersWarm) {
  setClusters({edsCluster("blue")});
  launch();
  ASSERT_TRUE(controlPlane().expectRequest(xds::kEndpointType).has_value());
  proxy().signal(SIGTERM);
  EXPECT_EQ(proxy().wait(), 0);
}

TEST_F(ShutdownTest, SigtermUnderLoadAndUpdates) {
  EchoServer blue("blue");
  EchoServer green("green");
  setClusters({cluster("blue", blue.port()), cluster("green", green.port())});
  setListeners({forward("front", "blue")});
  start();
  SteadyLoad load(port("front"), 4);
  for (int i = 0; i < 20; ++i) {
    controlPlane().setResources(xds::kListenerType, resources({forward("front", i % 2 == 0 ? "green" : "blue")}));
  }
  EXPECT_TRUE(eventually([&] { return load.greeted() > 50; }));
  proxy().signal(SIGTERM);
  EXPECT_EQ(proxy().wait(), 0);
}

TEST_F(ShutdownTest, SigtermAtAnyMomentOfTheStart) {
  EchoServer blue("blue");
  setClusters({cluster("blue", blue.port()), edsCluster("green")});
  setEndpoints({assignment("green", {endpoint(blue.port())})});
  setListeners({forward("front", "blue"), forward("back", "green")});
  // After as many requests as there are steps: the signal comes before the next answer, or just after it.
  for (size_t requests = 0; requests < 6; ++requests) {
    const size_t before = controlPlane().requests().size();
    launch();
    // Before the process has set up its signals they end it as any program.
    EXPECT_NE(proxy().adminPort(), 0);
    EXPECT_TRUE(eventually([&] { return controlPlane().requests().size() >= before + requests; }));
    proxy().signal(SIGTERM);
    EXPECT_EQ(proxy().wait(), 0) << "after " << requests << " requests";
    stopProxy();
  }
}

TEST_F(ShutdownTest, NoThreadButMainTakesSigterm) {
  EchoServer blue("blue");
  setClusters({cluster("blue", blue.port())});
  setListeners({forward("front", "blue")});
  start();
  std::vector<std::string> takers;
  for (const auto& task : std::filesystem::directory_iterator("/proc/" + std::to_string(proxy().pid()) + "/task")) {
    std::string name;
    std::ifstream(task.path() / "comm") >> name;
    std::ifstream status(task.path() / "status");
    for (std::string key, value; status >> key && std::getline(status, value);) {
      const bool blocked = key == "SigBlk:" && (std::stoull(value, nullptr, 16) >> (SIGTERM - 1) & 1) != 0;
      if (key == "SigBlk:" && !blocked) {
        takers.push_back(name);
      }
    }
  }
  EXPECT_EQ(takers.size(), 1u) << testing::PrintToString(takers);
}

}  // namespace
}  // namespace sluice::integration
