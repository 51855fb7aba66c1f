// Listeners that a control plane adds, moves, changes, takes away and drains, while traffic goes on.

#include "gtest/gtest.h"

#include "test/integration/harness/mesh.h"

namespace sluice::integration {
namespace {

class ListenersTest : public MeshTest {
 protected:
  EchoServer blue_{"blue"};
  EchoServer green_{"green"};
  void startWith(const Yamls& listeners, const std::string& drain_seconds = "600") {
    setClusters({cluster("blue", blue_.port()), cluster("green", green_.port())});
    setListeners(listeners);
    start({{"--drain-time-s", drain_seconds}});
  }
};

TEST_F(ListenersTest, AreAddedBesideOthers) {
  startWith({forward("one", "blue")});
  Client held = Client::connect(port("one"));
  EXPECT_EQ(held.greeting(), "blue");
  updateListeners({forward("one", "blue"), forward("two", "green")});
  EXPECT_EQ(greetingOf(port("two")), "green");
  EXPECT_TRUE(held.echo("undisturbed"));
  EXPECT_EQ(proxy().stat("listener_manager.listener_added"), 2);
  EXPECT_EQ(proxy().stat("listener_manager.listener_modified"), 0);
  EXPECT_EQ(proxy().stat("listener_manager.total_listeners_active"), 2);
  EXPECT_EQ(proxy().stat("listener_manager.total_listeners_warming"), 0);
}

TEST_F(ListenersTest, AppearInAnEmptyProxy) {
  setClusters({cluster("blue", blue_.port())});
  setListeners({});
  start();
  EXPECT_EQ(proxy().get("/listeners").body, "");
  updateListeners({forward("front", "blue")});
  EXPECT_EQ(greetingOf(port("front")), "blue");
}

TEST_F(ListenersTest, DrainWhenTheyAreRemoved) {
  startWith({forward("gone", "blue"), forward("stays", "green")}, "1");
  const uint16_t gone = port("gone");
  Client on_gone = Client::connect(gone);
  Client on_stays = Client::connect(port("stays"));
  setListeners({forward("stays", "green")});
  EXPECT_TRUE(eventually([&] { return greetingOf(gone).empty(); }));
  EXPECT_TRUE(on_gone.closesWithin(kPatience));
  EXPECT_TRUE(on_stays.echo("undisturbed"));
  proxy().waitForStat("listener_manager.total_listeners_draining", 0);
  EXPECT_EQ(proxy().stat("listener_manager.listener_removed"), 1);
  EXPECT_EQ(proxy().stat("listener_manager.total_listeners_active"), 1);
  EXPECT_EQ(proxy().listenerPort("gone"), std::nullopt);
}

TEST_F(ListenersTest, ServeTheirConnectionsUntilTheDrainTimeEnds) {
  startWith({forward("gone", "blue")});
  Client held = Client::connect(port("gone"));
  setListeners({});
  proxy().waitForStat("listener_manager.total_listeners_draining", 1);
  EXPECT_TRUE(held.echo("still served"));
  held = Client();
  proxy().waitForStat("listener_manager.total_listeners_draining", 0);
}

TEST_F(ListenersTest, ComeBackUnderTheSameNameWhileTheOldOneDrains) {
  startWith({forward("front", "blue")});
  Client held = Client::connect(port("front"));
  setListeners({});
  proxy().waitForStat("listener_manager.total_listeners_draining", 1);
  updateListeners({forward("front", "green")});
  EXPECT_EQ(greetingOf(port("front")), "green");
  EXPECT_TRUE(held.echo("still blue"));
}

TEST_F(ListenersTest, SwapClustersUnderLoad) {
  startWith({forward("front", "blue")});
  SteadyLoad load(port("front"), 4);
  for (int i = 0; i < 10; ++i) {
    const char* const to = i % 2 == 0 ? "green" : "blue";
    updateListeners({forward("front", to)});
    EXPECT_TRUE(waitGreeting(port("front"), to));
  }
  load.stop();
  EXPECT_GT(load.greeted(), 10u);
  EXPECT_EQ(load.failed(), 0u);
  EXPECT_EQ(proxy().stat("listener_manager.listener_in_place_updated"), 10);
}

TEST_F(ListenersTest, KeepTheirPortThroughUpdates) {
  startWith({forward("front", "blue")});
  const uint16_t before = port("front");
  updateListeners({forward("front", "green")});
  EXPECT_EQ(port("front"), before);
  EXPECT_EQ(proxy().stat("listener_manager.listener_modified"), 1);
}

TEST_F(ListenersTest, MoveToAnotherPort) {
  const uint16_t first = demo::freePort();
  startWith({listenerAt(socketAddress(first), "front", {chain("all", {tcpProxy("blue")})})});
  Client held = Client::connect(first);
  EXPECT_EQ(held.greeting(), "blue");
  const uint16_t second = demo::freePort();
  updateListeners({listenerAt(socketAddress(second), "front", {chain("all", {tcpProxy("blue")})})});
  EXPECT_EQ(greetingOf(second), "blue");
  EXPECT_TRUE(eventually([&] { return greetingOf(first).empty(); }));
  EXPECT_TRUE(held.echo("its own chain has not changed"));
}

TEST_F(ListenersTest, HandAPortFromOneToAnotherInOneUpdate) {
  const uint16_t shared = demo::freePort();
  startWith({listenerAt(socketAddress(shared), "one", {chain("all", {tcpProxy("blue")})})});
  EXPECT_EQ(greetingOf(shared), "blue");
  updateListeners({listenerAt(socketAddress(shared), "two", {chain("all", {tcpProxy("green")})})});
  EXPECT_TRUE(waitGreeting(shared, "green"));
}

TEST_F(ListenersTest, ChangeTheirBacklogAndSocketOptions) {
  startWith({forward("front", "blue", "tcp_backlog_size: 16")});
  SteadyLoad load(port("front"), 2);
  updateListeners({forward("front", "blue", "tcp_backlog_size: 64")});
  EXPECT_TRUE(waitGreeting(port("front"), "blue"));
  // Other socket options need other sockets; SO_KEEPALIVE is SOL_SOCKET's 9.
  setListeners({forward("front", "blue", "socket_options: [{level: 1, name: 9, int_value: 1, state: STATE_PREBIND}]")});
  EXPECT_TRUE(waitGreeting(port("front"), "blue"));
  load.stop();
  EXPECT_GT(load.greeted(), 0u);
}

TEST_F(ListenersTest, ClusterThatIsNotThereYet) {
  startWith({forward("front", "later")});
  EXPECT_EQ(greetingOf(port("front")), "");
  proxy().waitForStatAtLeast("tcp.t.downstream_cx_no_route", 1);
  setClusters({cluster("blue", blue_.port()), cluster("later", green_.port())});
  EXPECT_TRUE(waitGreeting(port("front"), "green"));
}

TEST_F(ListenersTest, StopWhenAsked) {
  startWith({forward("in", "blue", "traffic_direction: INBOUND"), forward("out", "green")});
  const uint16_t in = port("in");
  const uint16_t out = port("out");
  Client held = Client::connect(in);
  EXPECT_EQ(proxy().post("/drain_listeners?inboundonly").body, "OK\n");
  EXPECT_TRUE(eventually([&] { return greetingOf(in).empty(); }));
  EXPECT_EQ(greetingOf(out), "green");
  EXPECT_TRUE(held.echo("goes on"));
  EXPECT_EQ(proxy().post("/drain_listeners").body, "OK\n");
  EXPECT_TRUE(eventually([&] { return greetingOf(out).empty(); }));
  proxy().waitForStat("listener_manager.listener_stopped", 2);
}

TEST_F(ListenersTest, RestartAClusterUnderTheSameName) {
  startWith({forward("front", "blue")});
  EXPECT_EQ(greetingOf(port("front")), "blue");
  setClusters({cluster("green", green_.port())});
  EXPECT_TRUE(eventually([&] { return greetingOf(port("front")).empty(); }));
  setClusters({cluster("blue", green_.port())});
  EXPECT_TRUE(waitGreeting(port("front"), "green"));
}

}  // namespace
}  // namespace sluice::integration
