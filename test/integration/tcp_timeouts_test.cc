// What ends a TCP connection by the clock.

#include <sys/socket.h>
#include <sys/time.h>

#include <atomic>

#include "gtest/gtest.h"

#include "test/integration/harness/mesh.h"

namespace sluice::integration {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

class TcpTimeoutsTest : public ::testing::Test {
 protected:
  void start(const std::string& filter_extra) {
    proxy_ = std::make_unique<Proxy>(staticResources(
        {cluster("blue", blue_.port())},
        {listener("front", {chain("all", {tcpProxy("blue", filter_extra)})}), forward("plain", "blue")}));
    ASSERT_TRUE(proxy_->waitReady());
    port_ = proxy_->listenerPort("front").value_or(0);
  }
  EchoServer blue_{"blue"};
  std::unique_ptr<Proxy> proxy_;
  uint16_t port_ = 0;
};

TEST_F(TcpTimeoutsTest, IdleConnectionsAreClosed) {
  start("idle_timeout: 0.5s");
  Client plain = Client::connect(proxy_->listenerPort("plain").value_or(0));
  const auto before = Clock::now();
  Client client = Client::connect(port_);
  EXPECT_TRUE(client.closesWithin(kPatience));
  EXPECT_GE(Clock::now() - before, milliseconds(500));
  proxy_->waitForStat("tcp.t.idle_timeout", 1);
  proxy_->waitForStat("cluster.blue.upstream_cx_active", 1);
  EXPECT_TRUE(plain.echo("its own timeout is an hour"));
}

TEST_F(TcpTimeoutsTest, BytesKeepAConnectionFromBeingIdle) {
  start("idle_timeout: 1s");
  Client client = Client::connect(port_);
  const auto end = Clock::now() + milliseconds(2500);
  while (Clock::now() < end) {
    ASSERT_TRUE(client.echo("busy"));
    EXPECT_FALSE(client.closesWithin(milliseconds(100)));
  }
  EXPECT_EQ(proxy_->stat("tcp.t.idle_timeout"), 0);
}

TEST_F(TcpTimeoutsTest, ZeroIsNoIdleTimeout) {
  start("idle_timeout: 0s");
  Client client = Client::connect(port_);
  EXPECT_FALSE(client.closesWithin(milliseconds(300)));
  EXPECT_TRUE(client.echo("still there"));
}

TEST_F(TcpTimeoutsTest, ConnectionsLiveNoLongerThanTheyMay) {
  start("max_downstream_connection_duration: 0.7s");
  const auto before = Clock::now();
  Client client = Client::connect(port_);
  while (client.echo("busy all the time") && Clock::now() - before < kPatience) {
  }
  EXPECT_GE(Clock::now() - before, milliseconds(690));
  EXPECT_TRUE(client.closesWithin(kPatience));
  proxy_->waitForStat("tcp.t.max_downstream_connection_duration", 1);
}

TEST_F(TcpTimeoutsTest, ADrainingUpstreamIsGivenUpWhenItIsIdle) {
  // It takes nothing, and its client has gone: what is left for it goes after the idle timeout.
  std::atomic<bool> stop{false};
  TcpServer deaf([&stop](Socket&) { eventually([&] { return stop.load(); }); });
  Proxy proxy(staticResources({cluster("deaf", deaf.port())},
                              {listener("front", {chain("all", {tcpProxy("deaf", "idle_timeout: 0.5s")})})}));
  ASSERT_TRUE(proxy.waitReady());
  {
    Socket client = connectTo(proxy.listenerPort("front").value_or(0));
    const timeval limit{0, 300'000};
    setsockopt(client.fd(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    while (sendAll(client, pattern(1 << 20, 1))) {
    }
  }
  proxy.waitForStat("cluster.deaf.upstream_cx_active", 0);
  stop = true;
}

}  // namespace
}  // namespace sluice::integration
