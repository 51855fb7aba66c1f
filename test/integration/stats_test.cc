// Statistics as dashboards read them: Envoy's names, and Prometheus' tags.

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "test/integration/harness/mesh.h"

namespace sluice::integration {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class StatsTest : public MeshTest {
 protected:
  void SetUp() override {
    setClusters({cluster("blue", blue_.port())});
    setListeners({forward("front", "blue")});
    start({{"--stats-tag", "fleet:seven"}}, "enable_dispatcher_stats: true\n");
    Client client = Client::connect(port("front"));
    ASSERT_TRUE(client.echo("12345"));
    client = Client();
    proxy().waitForStat("cluster.blue.upstream_cx_active", 0);
    proxy().waitForStat("listener.127.0.0.1_0.downstream_cx_active", 0);
  }
  std::string page(const std::string& path) { return proxy().get(path).body; }

  EchoServer blue_{"blue"};
};

TEST_F(StatsTest, HaveEnvoysNamesAndTheRightValues) {
  const auto all = proxy().stats();
  const std::map<std::string, uint64_t> expected{
      {"listener.127.0.0.1_0.downstream_cx_total", 1},
      {"listener.127.0.0.1_0.downstream_cx_destroy", 1},
      {"listener.127.0.0.1_0.downstream_cx_active", 0},
      {"tcp.t.downstream_cx_total", 1},
      {"tcp.t.downstream_cx_rx_bytes_total", 6},
      {"tcp.t.downstream_cx_tx_bytes_total", 11},
      {"tcp.t.downstream_cx_no_route", 0},
      {"cluster.blue.upstream_cx_total", 1},
      {"cluster.blue.upstream_cx_active", 0},
      {"cluster.blue.upstream_cx_destroy", 1},
      {"cluster.blue.upstream_cx_connect_fail", 0},
      {"cluster.blue.upstream_cx_rx_bytes_total", 11},
      {"cluster.blue.upstream_cx_tx_bytes_total", 6},
      {"cluster.blue.membership_total", 1},
      {"cluster.blue.membership_healthy", 1},
      {"cluster_manager.active_clusters", 2},
      {"cluster_manager.warming_clusters", 0},
      {"cluster_manager.cds.update_success", 1},
      {"cluster_manager.cds.update_rejected", 0},
      {"listener_manager.lds.update_success", 1},
      {"listener_manager.listener_added", 1},
      {"listener_manager.listener_create_success", 2},
      {"listener_manager.listener_create_failure", 0},
      {"listener_manager.total_listeners_active", 1},
      {"listener_manager.workers_started", 1},
      {"control_plane.connected_state", 1},
      {"server.live", 1},
      {"server.state", 0},
      {"server.concurrency", 2},
  };
  for (const auto& [name, value] : expected) {
    const auto found = all.find(name);
    ASSERT_NE(found, all.end()) << name;
    EXPECT_EQ(found->second, value) << name;
  }
  EXPECT_EQ(all.at("listener.127.0.0.1_0.worker_0.downstream_cx_total") +
                all.at("listener.127.0.0.1_0.worker_1.downstream_cx_total"),
            1u);
}

TEST_F(StatsTest, AreTaggedForPrometheus) {
  const std::string all = page("/stats/prometheus");
  EXPECT_THAT(all, HasSubstr("# TYPE envoy_cluster_upstream_cx_total counter\n"));
  EXPECT_THAT(all, HasSubstr("envoy_cluster_upstream_cx_total{fleet=\"seven\",envoy_cluster_name=\"blue\"} 1\n"));
  EXPECT_THAT(all, HasSubstr("# TYPE envoy_listener_downstream_cx_active gauge\n"));
  EXPECT_THAT(
      all, HasSubstr("envoy_listener_downstream_cx_total{fleet=\"seven\",envoy_listener_address=\"127.0.0.1_0\"} 1\n"));
  EXPECT_THAT(all, HasSubstr("envoy_worker_id=\"0\""));
  EXPECT_THAT(all, HasSubstr("envoy_tcp_downstream_cx_total{fleet=\"seven\",envoy_tcp_prefix=\"t\"} 1\n"));
  EXPECT_THAT(all, HasSubstr("envoy_server_live{fleet=\"seven\"} 1\n"));
}

TEST_F(StatsTest, AreFiltered) {
  EXPECT_EQ(page("/stats?filter=^cluster\\.blue\\.upstream_cx_total$"), "cluster.blue.upstream_cx_total: 1\n");
  EXPECT_THAT(page("/stats?usedonly"), Not(HasSubstr("downstream_cx_no_route")));
  EXPECT_THAT(page("/stats?format=json&filter=server.live"), HasSubstr("\"server.live\""));
  EXPECT_EQ(proxy().get("/stats?filter=*(").status, 400);
}

TEST_F(StatsTest, MeasureTheLoops) {
  EXPECT_TRUE(eventually([this] {
    return page("/stats?filter=loop_duration_us").find("listener_manager.worker_0.dispatcher.loop_duration_us: P0") !=
           std::string::npos;
  })) << page("/stats?filter=duration_us");
}

TEST_F(StatsTest, CountersMayBeSetBack) {
  EXPECT_EQ(proxy().post("/reset_counters").body, "OK\n");
  EXPECT_EQ(proxy().stat("tcp.t.downstream_cx_total"), 0);
  EXPECT_EQ(proxy().stat("cluster_manager.active_clusters"), 2);
  EXPECT_EQ(greetingOf(port("front")), "blue");
  EXPECT_EQ(proxy().stat("tcp.t.downstream_cx_total"), 1);
}

TEST_F(StatsTest, CountTheFieldsThatHaveNoEffect) {
  setClusters({cluster("blue", blue_.port(), "close_connections_on_host_health_failure: false")});
  setListeners({forward("front", "blue")});
  EXPECT_TRUE(proxy().stat("server.ignored_fields").has_value());
}

}  // namespace
}  // namespace sluice::integration
