// How many connections may be there, in a listener and in the process.

#include "gtest/gtest.h"

#include "test/integration/harness/mesh.h"

namespace sluice::integration {
namespace {

class LimitsTest : public ::testing::Test {
 protected:
  void start(const std::string& runtime, const std::string& listener_extra = "") {
    proxy_ = std::make_unique<Proxy>(
        staticResources({cluster("blue", blue_.port())},
                        {forward("front", "blue", listener_extra), forward("back", "blue", "stat_prefix: back")}) +
        "layered_runtime: {layers: [{name: base, static_layer: {" + runtime + "}}]}\n");
    ASSERT_TRUE(proxy_->waitReady());
    front_ = proxy_->listenerPort("front").value_or(0);
    back_ = proxy_->listenerPort("back").value_or(0);
  }
  EchoServer blue_{"blue"};
  std::unique_ptr<Proxy> proxy_;
  uint16_t front_ = 0;
  uint16_t back_ = 0;
};

TEST_F(LimitsTest, OfAListener) {
  start("envoy.resource_limits.listener.front.connection_limit: 3");
  std::vector<Client> clients;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(Client::connect(front_));
    EXPECT_EQ(clients.back().greeting(), "blue");
  }
  EXPECT_EQ(greetingOf(front_), "");
  proxy_->waitForStat("listener.127.0.0.1_0.downstream_cx_overflow", 1);
  EXPECT_EQ(greetingOf(back_), "blue");
  EXPECT_TRUE(clients[0].echo("others stay"));
  clients.pop_back();
  EXPECT_TRUE(eventually([this] { return greetingOf(front_) == "blue"; }));
}

TEST_F(LimitsTest, OfTheProcess) {
  start("overload.global_downstream_max_connections: 2");
  Client one = Client::connect(front_);
  Client two = Client::connect(back_);
  EXPECT_EQ(one.greeting() + two.greeting(), "blueblue");
  EXPECT_EQ(greetingOf(front_), "");
  proxy_->waitForStat("listener.127.0.0.1_0.downstream_global_cx_overflow", 1);
  EXPECT_EQ(proxy_->get("/ready").status, 200);
  two = Client();
  EXPECT_TRUE(eventually([this] { return greetingOf(front_) == "blue"; }));
}

TEST_F(LimitsTest, OfTheProcessMayBePassedByAListener) {
  start("overload.global_downstream_max_connections: 1", "ignore_global_conn_limit: true");
  Client one = Client::connect(front_);
  Client two = Client::connect(front_);
  EXPECT_EQ(one.greeting() + two.greeting(), "blueblue");
  EXPECT_EQ(greetingOf(back_), "");
  proxy_->waitForStat("listener.back.downstream_global_cx_overflow", 1);
}

}  // namespace
}  // namespace sluice::integration
