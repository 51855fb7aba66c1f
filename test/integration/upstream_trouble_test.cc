// Upstreams that refuse, say nothing, reset, or are not there: each has its stat, and other traffic goes on.

#include <linux/sockios.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <atomic>
#include <thread>

#include "gtest/gtest.h"

#include "test/integration/harness/mesh.h"

namespace sluice::integration {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

/** Listens, and never accepts: once its queue is full, connecting to it takes for ever. */
class FullQueue {
 public:
  FullQueue() {
    listen(listener_.fd(), 0);
    for (int i = 0; i < 8; ++i) {
      Socket socket(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
      sockaddr_in address{};
      address.sin_family = AF_INET;
      address.sin_port = htons(port_);
      address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      connect(socket.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof(address));
      waiting_.push_back(std::move(socket));
    }
  }
  uint16_t port() const { return port_; }

 private:
  uint16_t port_ = 0;
  Socket listener_ = demo::listenOnLoopback(port_);
  std::vector<Socket> waiting_;
};

/** How much of what was sent has not arrived yet. */
int unacknowledged(const Socket& socket) {
  int bytes = -1;
  ioctl(socket.fd(), SIOCOUTQ, &bytes);
  return bytes;
}

class UpstreamTroubleTest : public ::testing::Test {
 protected:
  void start(const std::string& bad_cluster, const std::string& filter_extra = "") {
    proxy_ = std::make_unique<Proxy>(staticResources(
        {bad_cluster, cluster("blue", blue_.port())},
        {listener("front", {chain("all", {tcpProxy("bad", "stat_prefix: bad" +
                                                              (filter_extra.empty() ? "" : ", " + filter_extra))})}),
         forward("plain", "blue")}));
    ASSERT_TRUE(proxy_->waitReady());
    port_ = proxy_->listenerPort("front").value_or(0);
    plain_ = Client::connect(proxy_->listenerPort("plain").value_or(0));
  }
  void TearDown() override { EXPECT_TRUE(plain_.echo("others do not suffer")); }
  uint64_t stat(const std::string& name) { return proxy_->stat(name).value_or(0); }

  EchoServer blue_{"blue"};
  std::unique_ptr<Proxy> proxy_;
  uint16_t port_ = 0;
  Client plain_;
};

TEST_F(UpstreamTroubleTest, Refuses) {
  start(cluster("bad", demo::freePort()));
  Socket client = connectTo(port_);
  EXPECT_EQ(client.readAll(), "");
  proxy_->waitForStat("cluster.bad.upstream_cx_connect_fail", 1);
  EXPECT_EQ(stat("cluster.bad.upstream_cx_connect_attempts_exceeded"), 1);
  EXPECT_EQ(stat("cluster.bad.upstream_cx_active"), 0);
}

TEST_F(UpstreamTroubleTest, RefusesEveryAttempt) {
  start(cluster("bad", demo::freePort()), "max_connect_attempts: 4");
  Socket client = connectTo(port_);
  EXPECT_EQ(client.readAll(), "");
  proxy_->waitForStat("cluster.bad.upstream_cx_connect_fail", 4);
  EXPECT_EQ(stat("cluster.bad.upstream_cx_connect_attempts_exceeded"), 1);
}

TEST_F(UpstreamTroubleTest, OneOfItsEndpointsRefuses) {
  start(clusterOf("bad", {endpoint(demo::freePort()), endpoint(blue_.port())}), "max_connect_attempts: 3");
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(greetingOf(port_), "blue");
  }
  EXPECT_GE(stat("cluster.bad.upstream_cx_connect_fail"), 3);
  EXPECT_EQ(stat("cluster.bad.upstream_cx_connect_attempts_exceeded"), 0);
}

TEST_F(UpstreamTroubleTest, ComesBackDuringTheBackOff) {
  const uint16_t later = demo::freePort();
  start(cluster("bad", later),
        "max_connect_attempts: 1000, backoff_options: {base_interval: 0.02s, max_interval: 0.05s}");
  Socket client = connectTo(port_);
  proxy_->waitForStatAtLeast("cluster.bad.upstream_cx_connect_fail", 3);
  Socket listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(later);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int one = 1;
  setsockopt(listener.fd(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
  ASSERT_EQ(bind(listener.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  ASSERT_EQ(listen(listener.fd(), 5), 0);
  Socket accepted(accept(listener.fd(), nullptr, nullptr));
  EXPECT_TRUE(sendAll(client, "hello"));
  EXPECT_EQ(receive(accepted, 5), "hello");
}

TEST_F(UpstreamTroubleTest, TakesTooLongToConnect) {
  const FullQueue full;
  start(cluster("bad", full.port(), "connect_timeout: 0.3s"));
  const auto before = Clock::now();
  Socket client = connectTo(port_);
  EXPECT_EQ(client.readAll(), "");
  EXPECT_GE(Clock::now() - before, milliseconds(290));
  proxy_->waitForStat("cluster.bad.upstream_cx_connect_timeout", 1);
  EXPECT_EQ(stat("cluster.bad.upstream_cx_connect_fail"), 1);
}

TEST_F(UpstreamTroubleTest, ClientsLeaveWhileItIsConnectedTo) {
  const FullQueue full;
  start(cluster("bad", full.port(), "connect_timeout: 60s"));
  {
    std::vector<Socket> clients;
    for (int i = 0; i < 10; ++i) {
      clients.push_back(connectTo(port_));
    }
    proxy_->waitForStat("cluster.bad.upstream_cx_active", 10);
    for (Socket& client : clients) {
      reset(client);
    }
  }
  proxy_->waitForStat("cluster.bad.upstream_cx_active", 0);
  EXPECT_EQ(stat("cluster.bad.upstream_rq_pending_active"), 0);
}

TEST_F(UpstreamTroubleTest, AcceptsAndSaysNothing) {
  TcpServer silent([](Socket& socket) { socket.readAll(); });
  start(cluster("bad", silent.port()), "idle_timeout: 0.5s");
  Socket client = connectTo(port_);
  EXPECT_TRUE(sendAll(client, "anybody?"));
  EXPECT_EQ(client.readAll(), "");
  proxy_->waitForStat("tcp.bad.idle_timeout", 1);
  plain_.echo("before the server goes");
  proxy_->waitForStat("cluster.bad.upstream_cx_active", 0);
}

TEST_F(UpstreamTroubleTest, ResetsAtOnce) {
  TcpServer rude([](Socket& socket) {
    const linger now{1, 0};
    setsockopt(socket.fd(), SOL_SOCKET, SO_LINGER, &now, sizeof(now));
  });
  start(cluster("bad", rude.port()));
  for (int i = 0; i < 20; ++i) {
    Socket client = connectTo(port_);
    EXPECT_EQ(client.readAll(), "");
  }
  proxy_->waitForStat("cluster.bad.upstream_cx_active", 0);
  proxy_->waitForStat("cluster.bad.upstream_cx_destroy", 20);
}

TEST_F(UpstreamTroubleTest, ResetsInTheMiddleAfterSayingSomething) {
  TcpServer rude([](Socket& socket) {
    socket.sendLine("last words");
    std::string line;
    socket.readLine(line);
    const linger now{1, 0};
    setsockopt(socket.fd(), SOL_SOCKET, SO_LINGER, &now, sizeof(now));
  });
  start(cluster("bad", rude.port()));
  Client client = Client::connect(port_);
  EXPECT_EQ(client.greeting(), "last words");
  client.socket().sendLine("go on");
  EXPECT_TRUE(endsWithReset(client.socket()));
  proxy_->waitForStat("cluster.bad.upstream_cx_destroy_remote", 1);
}

TEST_F(UpstreamTroubleTest, ClosesRightAfterItsAnswer) {
  TcpServer brief([](Socket& socket) { sendAll(socket, pattern(200'000, 6)); });
  start(cluster("bad", brief.port()));
  for (int i = 0; i < 20; ++i) {
    Socket client = connectTo(port_);
    EXPECT_EQ(client.readAll(), pattern(200'000, 6));
  }
}

TEST_F(UpstreamTroubleTest, AnswersEarlyAndResetsDuringTheUpload) {
  // Within what a client's socket takes at once: what is on the way when the reset follows is lost, as with Envoy.
  const std::string answer = pattern(20'000, 7);
  // More than all buffers on the way hold, so that the reset finds it under way.
  const std::string upload = pattern(32'000'000, 8);
  TcpServer early([&answer](Socket& socket) {
    receive(socket, 1);
    sendAll(socket, answer);
    // Closing with bytes unread resets; by then the answer has arrived.
    EXPECT_TRUE(eventually([&socket] { return unacknowledged(socket) == 0; }));
  });
  start(cluster("bad", early.port()));
  for (int i = 0; i < 10; ++i) {
    Socket client = connectTo(port_);
    bool sent = true;
    std::thread uploading([&] { sent = sendAll(client, upload); });
    EXPECT_TRUE(receive(client, answer.size()) == answer);
    uploading.join();
    EXPECT_FALSE(sent);
  }
  proxy_->waitForStat("cluster.bad.upstream_cx_active", 0);
  proxy_->waitForStat("tcp.bad.downstream_cx_rx_bytes_buffered", 0);
}

TEST_F(UpstreamTroubleTest, ResetsWhileItsClientNeverReads) {
  std::atomic<bool> go{false};
  TcpServer rude([&go](Socket& socket) {
    const std::string much = pattern(1'000'000, 9);
    while (!go) {
      ::send(socket.fd(), much.data(), much.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      std::this_thread::yield();
    }
    const linger now{1, 0};
    setsockopt(socket.fd(), SOL_SOCKET, SO_LINGER, &now, sizeof(now));
  });
  start(cluster("bad", rude.port()));
  Socket client = connectTo(port_);
  // The client's socket is full, so the proxy reads no more of the upstream.
  proxy_->waitForStatAtLeast("cluster.bad.upstream_flow_control_paused_reading_total", 1);
  go = true;
  EXPECT_TRUE(eventually([&rude] { return rude.open() == 0; }));
  // The proxy writes it to a connection that has ended.
  EXPECT_TRUE(client.sendLine("too late"));
  EXPECT_TRUE(plain_.echo("others are served meanwhile"));
  // What the client has not read it might still have; once it goes, nothing is left.
  reset(client);
  proxy_->waitForStat("cluster.bad.upstream_cx_active", 0);
  proxy_->waitForStat("listener.127.0.0.1_0.downstream_cx_active", 1);
}

TEST_F(UpstreamTroubleTest, HasNoEndpoint) {
  start(clusterOf("bad", {}));
  Socket client = connectTo(port_);
  EXPECT_EQ(client.readAll(), "");
  proxy_->waitForStat("cluster.bad.upstream_cx_none_healthy", 1);
}

TEST_F(UpstreamTroubleTest, IsAClusterThatDoesNotExist) {
  start(cluster("other", 1));
  Socket client = connectTo(port_);
  EXPECT_EQ(client.readAll(), "");
  proxy_->waitForStat("tcp.bad.downstream_cx_no_route", 1);
}

}  // namespace
}  // namespace sluice::integration
