// 1,000 updates in a row under load: nothing is lost, nothing is left behind.

#include <algorithm>

#include "gtest/gtest.h"

#include "test/integration/harness/mesh.h"

namespace sluice::integration {
namespace {

constexpr int kUpdates = 1000;

class ManyUpdatesTest : public MeshTest {
 protected:
  /** A front whose settings are those of update `i`, and one listener and one cluster that come and go. */
  Yamls listeners(int i) const {
    const std::string number = std::to_string(i);
    Yamls yamls{listener("front",
                         {chain("a", {tcpProxy("web", "idle_timeout: " + std::to_string(1000 + i) + "s")}),
                          chain("b", {tcpProxy(i % 2 == 0 ? "web" : "blue")}, fromSource("127.0.0.9"))},
                         "metadata: {filter_metadata: {some.filter: {version: " + number + "}}}")};
    if (i % 3 == 0) {
      yamls.push_back(forward("now-and-then", "blue"));
    }
    return yamls;
  }
  Yamls clusters(int i) const {
    Yamls yamls{edsCluster("web", "connect_timeout: " + std::to_string(1 + i % 5) + "s"),
                cluster("blue", blue_.port())};
    if (i % 4 == 0) {
      yamls.push_back(cluster("now-and-then", 1));
    }
    return yamls;
  }
  Yamls endpoints(int i) const {
    return {assignment(
        "web", i % 2 == 0 ? Yamls{endpoint(blue_.port())} : Yamls{endpoint(blue_.port()), endpoint(green_.port())})};
  }
  void pushAll(int i) {
    // Not awaited one by one: they come as fast as the stream takes them.
    controlPlane().setResources(xds::kClusterType, resources(clusters(i)));
    controlPlane().setResources(xds::kEndpointType, resources(endpoints(i)));
    last_ = controlPlane().setResources(xds::kListenerType, resources(listeners(i)));
  }
  void settle() {
    ASSERT_TRUE(controlPlane().waitForAck(xds::kListenerType, last_));
    proxy().waitForStat("listener_manager.total_listeners_draining", 0);
    proxy().waitForStat("listener_manager.total_filter_chains_draining", 0);
    proxy().waitForStat("listener_manager.total_listeners_warming", 0);
    proxy().waitForStat("cluster_manager.warming_clusters", 0);
  }
  /** What the allocator says is live, once it no longer falls. */
  uint64_t settledMemory() {
    uint64_t least = UINT64_MAX;
    int same = 0;
    eventually([&] {
      const uint64_t now = proxy().stat("server.memory_allocated").value_or(0);
      same = now < least ? 0 : same + 1;
      least = std::min(least, now);
      return same > 60;
    });
    return least;
  }

  EchoServer blue_{"blue"};
  EchoServer green_{"green"};
  std::string last_;
};

TEST_F(ManyUpdatesTest, LeaveNothingBehind) {
  pushAll(0);
  start({{"--drain-time-s", "0", "-l", "warning"}}, "stats_flush_interval: 0.1s\n");
  const uint16_t front = port("front");
  std::vector<Client> held;
  for (int i = 0; i < 16; ++i) {
    held.push_back(Client::connect(front));
    ASSERT_FALSE(held.back().greeting().empty());
  }
  // The first round fills what is only filled once: buffers of threads, names of statistics.
  const auto run = [&](int from, int to) {
    SteadyLoad load(front, 2);
    for (int i = from; i <= to; ++i) {
      pushAll(i);
      if (i % 20 == 0) {
        ASSERT_TRUE(controlPlane().waitForAck(xds::kListenerType, last_));
      }
    }
    settle();
    load.stop();
    EXPECT_GT(load.greeted(), 0u);
    EXPECT_EQ(load.failed(), 0u);
    proxy().waitForStat("listener.127.0.0.1_0.downstream_cx_active", held.size());
  };
  run(1, kUpdates);
  const size_t files = proxy().openFiles();
  const uint64_t memory = settledMemory();
  run(kUpdates + 1, 2 * kUpdates);
  EXPECT_TRUE(eventually([&] { return proxy().openFiles() <= files; })) << proxy().openFiles() << " of " << files;
  const uint64_t memory_after = settledMemory();
  // A sanitizer's allocator keeps no such count.
  if (memory > 0) {
    EXPECT_LE(memory_after, memory + memory / 10);
  }
  for (Client& client : held) {
    EXPECT_TRUE(client.echo("kept through all of it"));
  }
  EXPECT_EQ(proxy().stat("listener_manager.lds.update_rejected"), 0);
  EXPECT_EQ(proxy().stat("cluster_manager.cds.update_rejected"), 0);
}

}  // namespace
}  // namespace sluice::integration
