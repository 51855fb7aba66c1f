// Route tables that come from the control plane.

#include <atomic>
#include <thread>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

#include "test/integration/harness/http.h"

namespace sluice::integration {
namespace {

constexpr absl::string_view kRouteType = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration";

class RdsTest : public MeshTest {
 protected:
  void setRoutes(const Yamls& yamls) { controlPlane().setResources(kRouteType, resources(yamls)); }
  static std::string table(const std::string& cluster) {
    return routeConfiguration("r", {virtualHost("all", {"*"}, {routeTo(cluster)})});
  }
  static std::string front() { return httpListener("front", httpConnectionManager(rdsOverAds("r"))); }

  HttpServer a_{"a"};
  HttpServer b_{"b"};
};

TEST_F(RdsTest, AListenerWarmsUntilItsRoutesAreThere) {
  setClusters({cluster("a", a_.port())});
  setListeners({httpListener("front", httpConnectionManager(rdsOverAds("r", "initial_fetch_timeout: 0s")))});
  launch();
  ASSERT_TRUE(eventually([&] { return proxy().stat("listener_manager.total_listeners_warming").value_or(0) == 1; }));
  setRoutes({table("a")});
  ASSERT_TRUE(proxy().waitReady());
  EXPECT_EQ(httpGet(port("front"), "/").body, "a");
  EXPECT_TRUE(proxy().waitForStat("http.h.rds.r.config_reload", 1));
}

TEST_F(RdsTest, AnUpdateUnderLoadLosesNothing) {
  setClusters({cluster("a", a_.port()), cluster("b", b_.port())});
  setListeners({front()});
  setRoutes({table("a")});
  start();
  const uint16_t at = port("front");
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> good{0};
  std::atomic<uint64_t> bad{0};
  std::vector<std::thread> clients;
  for (int i = 0; i < 4; ++i) {
    clients.emplace_back([&] {
      HttpClient client(at);
      while (!stop) {
        const HttpMessage answer = client.get("/");
        ++(answer.status() == 200 ? good : bad);
        if (answer.status() == 0) {
          return;
        }
      }
    });
  }
  for (int i = 0; i < 50; ++i) {
    const uint64_t before = good;
    setRoutes({table(i % 2 == 0 ? "b" : "a")});
    EXPECT_TRUE(eventually([&] { return good > before + 20 || bad > 0; }));
  }
  stop = true;
  for (std::thread& client : clients) {
    client.join();
  }
  EXPECT_EQ(bad, 0u);
  EXPECT_GT(a_.requests().size(), 0u);
  EXPECT_GT(b_.requests().size(), 0u);
}

TEST_F(RdsTest, ABadTableIsRefusedAndTheOldOneServes) {
  setClusters({cluster("a", a_.port())});
  setListeners({front()});
  setRoutes({table("a")});
  start();
  const uint16_t at = port("front");
  EXPECT_EQ(httpGet(at, "/").body, "a");
  setRoutes({routeConfiguration(
      "r", {virtualHost("one", {"x.com"}, {routeTo("a")}), virtualHost("two", {"x.com"}, {routeTo("a")})})});
  EXPECT_TRUE(proxy().waitForStatAtLeast("http.h.rds.r.update_rejected", 1));
  EXPECT_EQ(httpGet(at, "/").body, "a");
}

TEST_F(RdsTest, TwoListenersShareATable) {
  setClusters({cluster("a", a_.port()), cluster("b", b_.port())});
  setListeners({front(), httpListener("second", httpConnectionManager(rdsOverAds("r"), "stat_prefix: h2"))});
  setRoutes({table("a")});
  start();
  EXPECT_EQ(httpGet(port("front"), "/").body, "a");
  EXPECT_EQ(httpGet(port("second"), "/").body, "a");
  setRoutes({table("b")});
  EXPECT_TRUE(
      eventually([&] { return httpGet(port("front"), "/").body == "b" && httpGet(port("second"), "/").body == "b"; }));
}

}  // namespace
}  // namespace sluice::integration
