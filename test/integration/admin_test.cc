// The admin pages, as a user sees them while configuration changes.

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "test/integration/harness/mesh.h"

namespace sluice::integration {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class AdminTest : public MeshTest {
 protected:
  void SetUp() override {
    setClusters({cluster("blue", blue_.port())});
    setListeners({forward("front", "blue")});
    start();
  }
  std::string page(const std::string& path) { return proxy().get(path).body; }
  EchoServer blue_{"blue"};
};

TEST_F(AdminTest, ReadyFollowsTheHealthCheck) {
  EXPECT_EQ(page("/ready"), "LIVE\n");
  EXPECT_EQ(proxy().post("/healthcheck/fail").body, "OK\n");
  EXPECT_EQ(proxy().get("/ready").status, 503);
  EXPECT_EQ(page("/ready"), "DRAINING\n");
  EXPECT_EQ(proxy().stat("server.live"), 0);
  EXPECT_EQ(greetingOf(port("front")), "blue");
  EXPECT_EQ(proxy().post("/healthcheck/ok").body, "OK\n");
  EXPECT_EQ(page("/ready"), "LIVE\n");
}

TEST_F(AdminTest, ServerInfo) {
  EXPECT_THAT(page("/server_info"), AllOf(HasSubstr("\"state\": \"LIVE\""), HasSubstr("\"id\": \"test-node\""),
                                          HasSubstr("\"concurrency\": 2")));
}

TEST_F(AdminTest, ConfigDumpShowsVersionsAndResources) {
  const std::string before = page("/config_dump");
  EXPECT_THAT(before,
              AllOf(HasSubstr("BootstrapConfigDump"), HasSubstr("ClustersConfigDump"), HasSubstr("ListenersConfigDump"),
                    HasSubstr("\"front\""), HasSubstr("\"version_info\": \"1\"")));
  EXPECT_THAT(before, Not(HasSubstr("\"version_info\": \"2\"")));
  updateListeners({forward("front", "blue", "stat_prefix: changed")});
  EXPECT_THAT(page("/config_dump"),
              AllOf(HasSubstr("\"version_info\": \"2\""), HasSubstr("\"stat_prefix\": \"changed\"")));
  EXPECT_THAT(page("/config_dump?resource=dynamic_listeners"),
              AllOf(HasSubstr("\"front\""), Not(HasSubstr("ClustersConfigDump"))));
  EXPECT_EQ(proxy().get("/config_dump?resource=no_such_field").status, 404);
}

TEST_F(AdminTest, ConfigDumpShowsWhatWasRefused) {
  refusedListeners(resources({forward("front", "blue"), listener("broken", {})}));
  EXPECT_THAT(page("/config_dump"),
              AllOf(HasSubstr("\"broken\""), HasSubstr("error_state"), HasSubstr("filter_chains")));
  setListeners({forward("front", "blue")});
  EXPECT_THAT(page("/config_dump"), Not(HasSubstr("\"broken\"")));
}

TEST_F(AdminTest, Clusters) {
  Client client = Client::connect(port("front"));
  const std::string host = "blue::127.0.0.1:" + std::to_string(blue_.port()) + "::";
  EXPECT_THAT(page("/clusters"),
              AllOf(HasSubstr("blue::added_via_api::true\n"), HasSubstr("control_plane::added_via_api::false\n"),
                    HasSubstr("blue::default_priority::max_connections::1024\n"), HasSubstr(host + "cx_active::1\n"),
                    HasSubstr(host + "cx_total::1\n"), HasSubstr(host + "health_flags::healthy\n"),
                    HasSubstr(host + "weight::1\n")));
  EXPECT_THAT(page("/clusters?format=json"), AllOf(HasSubstr("\"cluster_statuses\""), HasSubstr("\"name\": \"blue\"")));
}

TEST_F(AdminTest, Listeners) {
  EXPECT_EQ(page("/listeners"), "front::127.0.0.1:" + std::to_string(port("front")) + "\n");
  EXPECT_THAT(page("/listeners?format=json"),
              AllOf(HasSubstr("\"listener_statuses\""), HasSubstr("\"name\": \"front\""),
                    HasSubstr("\"port_value\": " + std::to_string(port("front")))));
}

TEST_F(AdminTest, InitDumpIsEmptyWhenAllIsThereAndNamesWhatIsWaitedFor) {
  EXPECT_THAT(page("/init_dump"), Not(HasSubstr("slow")));
  setClusters({cluster("blue", blue_.port()), edsCluster("slow")});
  EXPECT_TRUE(eventually([this] { return page("/init_dump").find("slow") != std::string::npos; }))
      << page("/init_dump");
}

TEST_F(AdminTest, LoggingMayBeChanged) {
  EXPECT_THAT(proxy().post("/logging").body, HasSubstr("upstream: info"));
  EXPECT_EQ(proxy().post("/logging?upstream=debug").status, 200);
  EXPECT_THAT(proxy().post("/logging").body, AllOf(HasSubstr("upstream: debug"), HasSubstr("config: info")));
  EXPECT_EQ(proxy().post("/logging?upstream=shout").status, 400);
  proxy().post("/logging?level=warning");
  EXPECT_THAT(proxy().post("/logging").body, HasSubstr("upstream: warning"));
}

TEST_F(AdminTest, HelpAndIndex) {
  const std::string help = page("/help");
  const std::string index = page("/");
  for (const char* path : {"/ready", "/stats/prometheus", "/config_dump", "/drain_listeners", "/reset_counters"}) {
    EXPECT_THAT(help, HasSubstr(path));
  }
  EXPECT_THAT(index, HasSubstr("<html"));
  EXPECT_EQ(proxy().get("/no/such/page").status, 404);
}

TEST_F(AdminTest, WhatChangesSomethingWantsPost) {
  for (const char* path : {"/healthcheck/fail", "/drain_listeners", "/reset_counters", "/quitquitquit"}) {
    EXPECT_EQ(proxy().get(path).status, 405) << path;
  }
  EXPECT_EQ(greetingOf(port("front")), "blue");
}

TEST_F(AdminTest, ReadyAnswersBesideLongPages) {
  Yamls yamls{cluster("blue", blue_.port())};
  for (int i = 0; i < 1000; ++i) {
    yamls.push_back(cluster("c" + std::to_string(i), 1));
  }
  setClusters(yamls);
  // Its answer is asked for and not read: it fills what there is, and holds up nobody.
  Socket slow = connectTo(proxy().adminPort());
  ASSERT_TRUE(sendAll(slow, "GET /config_dump HTTP/1.1\r\nHost: a\r\n\r\nGET /stats HTTP/1.1\r\nHost: a\r\n\r\n"));
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(page("/ready"), "LIVE\n");
  }
  EXPECT_EQ(greetingOf(port("front")), "blue");
  EXPECT_EQ(receive(slow, 15), "HTTP/1.1 200 OK");
}

}  // namespace
}  // namespace sluice::integration
