// Connections that are held open over every kind of change: only those whose own structural part changed may drain.

#include "gtest/gtest.h"

#include "test/integration/harness/mesh.h"

namespace sluice::integration {
namespace {

/** Two chains: of 127.0.0.1 and of everybody else. */
struct Front {
  std::string first = tcpProxy("blue");
  std::string second = tcpProxy("green");
  std::string first_match = fromSource("127.0.0.1");
  std::string first_name = "first";
  std::string extra;
  bool swapped = false;

  std::string yaml() const {
    const std::string one = chain(first_name, {first}, first_match);
    const std::string two = chain("second", {second});
    return listener("front", swapped ? Yamls{two, one} : Yamls{one, two}, extra);
  }
};

class KeptConnectionsTest : public MeshTest {
 protected:
  void startFront(const std::string& drain_seconds = "0") {
    setClusters({cluster("blue", blue_.port()), cluster("green", green_.port())});
    setListeners({Front().yaml()});
    start({{"--drain-time-s", drain_seconds}});
    first_ = Client::connect(port("front"), "127.0.0.1");
    second_ = Client::connect(port("front"), "127.0.0.2");
    ASSERT_EQ(first_.greeting(), "blue");
    ASSERT_EQ(second_.greeting(), "green");
  }
  /** With a drain time of 0, whatever were drained would be closed by now. */
  void expectBothKept() {
    proxy().waitForStat("listener_manager.total_filter_chains_draining", 0);
    EXPECT_TRUE(first_.echo("first"));
    EXPECT_TRUE(second_.echo("second"));
    EXPECT_EQ(proxy().stat("listener.127.0.0.1_0.downstream_cx_destroy").value_or(0), 0);
  }
  void expectKeptBy(const Front& changed) {
    startFront();
    updateListeners({changed.yaml()});
    expectBothKept();
  }

  EchoServer blue_{"blue"};
  EchoServer green_{"green"};
  Client first_;
  Client second_;
};

TEST_F(KeptConnectionsTest, Metadata) {
  Front front;
  front.extra = "metadata: {filter_metadata: {some.filter: {version: 2}}}";
  expectKeptBy(front);
}

TEST_F(KeptConnectionsTest, AccessLogOfTheListener) {
  TempFolder logs;
  Front front;
  front.extra = "access_log: [" + fileAccessLog(logs.path() + "/log", "%DURATION%") + "]";
  expectKeptBy(front);
  stopProxy();
}

TEST_F(KeptConnectionsTest, AccessLogOfAFilterReachesThem) {
  TempFolder logs;
  Front front;
  front.first = tcpProxy("blue", "access_log: [" + fileAccessLog(logs.path() + "/log", "new %UPSTREAM_CLUSTER%") + "]");
  expectKeptBy(front);
  first_ = Client();
  stopProxy();
  EXPECT_EQ(logs.read("log"), "new blue\n");
}

TEST_F(KeptConnectionsTest, AnotherChain) {
  startFront();
  Front front;
  front.second = tcpProxy("blue");
  updateListeners({front.yaml()});
  EXPECT_TRUE(second_.closesWithin(kPatience));
  EXPECT_TRUE(first_.echo("first"));
  EXPECT_EQ(greetingOf(port("front"), "127.0.0.2"), "blue");
}

TEST_F(KeptConnectionsTest, AChainThatIsAddedOrTakenAway) {
  startFront();
  const std::string first = chain("first", {tcpProxy("blue")}, fromSource("127.0.0.1"));
  const std::string second = chain("second", {tcpProxy("green")});
  const std::string third = chain("third", {tcpProxy("blue")}, fromSource("127.0.0.3"));
  updateListeners({listener("front", {third, first, second})});
  expectBothKept();
  EXPECT_EQ(greetingOf(port("front"), "127.0.0.3"), "blue");
  updateListeners({listener("front", {first})});
  EXPECT_TRUE(second_.closesWithin(kPatience));
  EXPECT_TRUE(first_.echo("first"));
}

TEST_F(KeptConnectionsTest, OrderOfChains) {
  Front front;
  front.swapped = true;
  expectKeptBy(front);
}

TEST_F(KeptConnectionsTest, MatchOfAChain) {
  Front front;
  front.first_match = fromSource("127.0.0.0", 31);
  expectKeptBy(front);
  EXPECT_EQ(greetingOf(port("front"), "127.0.0.1"), "blue");
}

TEST_F(KeptConnectionsTest, NameOfAChain) {
  Front front;
  front.first_name = "renamed";
  expectKeptBy(front);
}

TEST_F(KeptConnectionsTest, BufferLimit) {
  Front front;
  front.extra = "per_connection_buffer_limit_bytes: 4096";
  expectKeptBy(front);
}

TEST_F(KeptConnectionsTest, StatPrefixOfTheListener) {
  Front front;
  front.extra = "stat_prefix: other";
  startFront();
  updateListeners({front.yaml()});
  EXPECT_TRUE(first_.echo("first"));
  EXPECT_TRUE(second_.echo("second"));
  EXPECT_EQ(greetingOf(port("front")), "blue");
  EXPECT_EQ(proxy().stat("listener.other.downstream_cx_total"), 1);
}

TEST_F(KeptConnectionsTest, StatPrefixOfAFilter) {
  Front front;
  front.first = tcpProxy("blue", "stat_prefix: renamed");
  expectKeptBy(front);
  EXPECT_TRUE(first_.echo("counted under its new name"));
  EXPECT_GE(proxy().stat("tcp.renamed.downstream_cx_rx_bytes_total").value_or(0), 27);
}

TEST_F(KeptConnectionsTest, TimeoutsOfAFilterReachThem) {
  Front front;
  front.first =
      tcpProxy("blue", "max_connect_attempts: 5, idle_timeout: 3600s, max_downstream_connection_duration: 7200s");
  expectKeptBy(front);
  front.first = tcpProxy("blue", "idle_timeout: 0.2s");
  updateListeners({front.yaml()});
  EXPECT_TRUE(first_.closesWithin(kPatience));
  EXPECT_TRUE(second_.echo("second"));
  proxy().waitForStat("tcp.t.idle_timeout", 1);
}

TEST_F(KeptConnectionsTest, DefaultChain) {
  Front front;
  front.extra = "default_filter_chain: " + chain("default", {echo()});
  expectKeptBy(front);
}

TEST_F(KeptConnectionsTest, OtherFieldsOfTheListener) {
  Front front;
  front.extra =
      "tcp_backlog_size: 77, traffic_direction: INBOUND, max_connections_to_accept_per_socket_event: 5, "
      "listener_filters_timeout: 3s, ignore_global_conn_limit: true";
  expectKeptBy(front);
}

TEST_F(KeptConnectionsTest, ASecondAddress) {
  Front front;
  front.extra = "additional_addresses: [{address: " + socketAddress(0) + "}]";
  expectKeptBy(front);
}

TEST_F(KeptConnectionsTest, TheSameInOtherBytes) {
  startFront();
  // Defaults made explicit, the match written with bits that its prefix does not count.
  Front front;
  front.first = tcpProxy("blue", "max_connect_attempts: 1");
  front.extra = "bind_to_port: true";
  const uint64_t modified = proxy().stat("listener_manager.listener_modified").value_or(0);
  setListeners({front.yaml()});
  expectBothKept();
  EXPECT_LE(proxy().stat("listener_manager.listener_modified").value_or(0), modified + 1);
}

TEST_F(KeptConnectionsTest, TheSameAgain) {
  startFront();
  setListeners({Front().yaml()});
  setListeners({Front().yaml()});
  expectBothKept();
  EXPECT_EQ(proxy().stat("listener_manager.listener_modified"), 0);
}

TEST_F(KeptConnectionsTest, OtherListeners) {
  startFront();
  updateListeners({Front().yaml(), forward("two", "blue")});
  updateListeners({Front().yaml(), forward("two", "green")});
  setListeners({Front().yaml()});
  expectBothKept();
}

TEST_F(KeptConnectionsTest, OneHundredChangesInARow) {
  startFront();
  for (int i = 1; i <= 100; ++i) {
    Front front;
    front.extra = "metadata: {filter_metadata: {some.filter: {version: " + std::to_string(i) + "}}}";
    front.swapped = i % 2 == 0;
    front.first = tcpProxy("blue", "idle_timeout: " + std::to_string(100 + i) + "s");
    setListeners({front.yaml()});
  }
  expectBothKept();
  EXPECT_EQ(proxy().stat("listener_manager.listener_modified"), 100);
}

TEST_F(KeptConnectionsTest, AChangedClusterDrainsOverTheDrainTime) {
  startFront("600");
  Front front;
  front.first = tcpProxy("green");
  updateListeners({front.yaml()});
  EXPECT_EQ(greetingOf(port("front"), "127.0.0.1"), "green");
  EXPECT_TRUE(first_.echo("drains, and is served until then"));
  proxy().waitForStat("listener_manager.total_filter_chains_draining", 1);
  // What it was is wanted again: the connection is no longer on its way out.
  updateListeners({Front().yaml()});
  proxy().waitForStat("listener_manager.total_filter_chains_draining", 0);
  EXPECT_TRUE(first_.echo("back"));
}

TEST_F(KeptConnectionsTest, ChangesOfClusters) {
  startFront();
  for (const char* extra : {"connect_timeout: 7s", "lb_policy: RANDOM", "alt_stat_name: other",
                            "circuit_breakers: {thresholds: [{max_connections: 5}]}",
                            "per_connection_buffer_limit_bytes: 8192", "metadata: {filter_metadata: {a: {b: 1}}}",
                            "upstream_connection_options: {tcp_keepalive: {keepalive_time: 10}}",
                            "upstream_bind_config: {source_address: {address: 127.0.0.5, port_value: 0}}"}) {
    setClusters({cluster("blue", blue_.port(), extra), cluster("green", green_.port())});
    EXPECT_TRUE(first_.echo(extra)) << extra;
    EXPECT_EQ(greetingOf(port("front")), "blue") << extra;
  }
  // Other endpoints leave what stands alone, and so does the end of the cluster.
  setClusters({cluster("blue", green_.port()), cluster("green", green_.port())});
  EXPECT_TRUE(waitGreeting(port("front"), "green"));
  EXPECT_TRUE(first_.echo("endpoint gone"));
  setClusters({cluster("green", green_.port())});
  EXPECT_TRUE(eventually([this] { return greetingOf(port("front")).empty(); }));
  EXPECT_TRUE(first_.echo("cluster gone"));
  EXPECT_TRUE(second_.echo("second"));
}

}  // namespace
}  // namespace sluice::integration
