// What comes through a tcp_proxy: every byte, each side's end, and how connections break.

#include <atomic>
#include <thread>

#include "gtest/gtest.h"

#include "test/integration/harness/mesh.h"

namespace sluice::integration {
namespace {

/** Reads to the end, in one go or slowly. */
std::string readToEnd(Socket& socket) { return socket.readAll(); }

class TcpBytesTest : public ::testing::Test {
 protected:
  /** A proxy to a server whose connections `serve` handles. */
  void start(std::function<void(Socket&)> serve, const std::string& listener_extra = "",
             const std::string& cluster_extra = "", const std::string& filter_extra = "") {
    server_ = std::make_unique<TcpServer>(std::move(serve));
    proxy_ = std::make_unique<Proxy>(
        staticResources({cluster("up", server_->port(), cluster_extra)},
                        {listener("front", {chain("all", {tcpProxy("up", filter_extra)})}, listener_extra)}));
    ASSERT_TRUE(proxy_->waitReady());
    port_ = proxy_->listenerPort("front").value_or(0);
  }
  void waitNothingOpen() {
    proxy_->waitForStat("cluster.up.upstream_cx_active", 0);
    proxy_->waitForStat("listener.127.0.0.1_0.downstream_cx_active", 0);
  }

  /** The kernel may still have bytes for the server when the proxy has closed: what it got is known after this. */
  void waitServed() {
    EXPECT_TRUE(eventually([this] { return server_->open() == 0; }));
  }

  std::unique_ptr<TcpServer> server_;
  std::unique_ptr<Proxy> proxy_;
  uint16_t port_ = 0;
};

TEST_F(TcpBytesTest, LastBytesAndEndInOnePacket) {
  start([](Socket& socket) { sendAll(socket, "got " + readToEnd(socket)); });
  for (int i = 0; i < 50; ++i) {
    Socket client = connectTo(port_);
    EXPECT_TRUE(sendAll(client, "all of it"));
    endSending(client);
    EXPECT_EQ(readToEnd(client), "got all of it");
  }
  waitNothingOpen();
}

TEST_F(TcpBytesTest, TheClientEndsAndTheServerGoesOn) {
  start([](Socket& socket) {
    readToEnd(socket);
    for (int i = 0; i < 100; ++i) {
      sendAll(socket, pattern(1000, 7));
    }
  });
  Socket client = connectTo(port_);
  endSending(client);
  EXPECT_EQ(readToEnd(client).size(), 100'000u);
  waitNothingOpen();
}

TEST_F(TcpBytesTest, TheServerEndsAndTheClientGoesOn) {
  std::string got;
  start([&got](Socket& socket) {
    sendAll(socket, "bye");
    endSending(socket);
    got = readToEnd(socket);
  });
  {
    Socket client = connectTo(port_);
    EXPECT_EQ(readToEnd(client), "bye");
    EXPECT_TRUE(sendAll(client, pattern(100'000, 3)));
    endSending(client);
    waitNothingOpen();
  }
  waitServed();
  EXPECT_EQ(got, pattern(100'000, 3));
}

TEST_F(TcpBytesTest, AClientThatLeavesAtOnceHasItsBytesDelivered) {
  std::string got;
  start([&got](Socket& socket) { got = readToEnd(socket); });
  {
    Socket client = connectTo(port_);
    EXPECT_TRUE(sendAll(client, pattern(300'000, 5)));
  }
  waitNothingOpen();
  waitServed();
  EXPECT_EQ(got, pattern(300'000, 5));
}

TEST_F(TcpBytesTest, AClientThatResets) {
  std::atomic<bool> was_reset{false};
  start([&was_reset](Socket& socket) { was_reset = endsWithReset(socket); });
  Socket client = connectTo(port_);
  EXPECT_TRUE(sendAll(client, "x"));
  EXPECT_TRUE(eventually([this] { return server_->open() == 1; }));
  reset(client);
  waitNothingOpen();
  waitServed();
  EXPECT_TRUE(was_reset);
}

TEST_F(TcpBytesTest, AClientThatSaysNothing) {
  start([](Socket& socket) {
    socket.sendLine("first");
    readToEnd(socket);
  });
  // The server may speak first.
  EXPECT_EQ(greetingOf(port_), "first");
  std::vector<Socket> silent;
  for (int i = 0; i < 50; ++i) {
    silent.push_back(connectTo(port_));
  }
  proxy_->waitForStat("cluster.up.upstream_cx_active", 50);
  EXPECT_EQ(greetingOf(port_), "first");
  silent.clear();
  waitNothingOpen();
}

TEST_F(TcpBytesTest, SixtyFourMegabytesBothWaysAtOnce) {
  constexpr size_t kTotal = 64 << 20;
  constexpr size_t kPart = 1 << 20;
  const std::string up = pattern(kPart, 1);
  const std::string down = pattern(kPart, 2);
  std::atomic<bool> server_matches{false};
  const auto exchange = [](Socket& socket, const std::string& out, const std::string& in) {
    std::thread sender([&] {
      for (size_t sent = 0; sent < kTotal; sent += kPart) {
        if (!sendAll(socket, out)) {
          return;
        }
      }
      endSending(socket);
    });
    bool matches = true;
    for (size_t got = 0; got < kTotal && matches; got += kPart) {
      matches = receive(socket, kPart) == in;
    }
    matches = matches && receive(socket, 1).empty();
    sender.join();
    return matches;
  };
  start([&](Socket& socket) { server_matches = exchange(socket, down, up); });
  Socket client = connectTo(port_);
  EXPECT_TRUE(exchange(client, up, down));
  client = Socket();
  waitNothingOpen();
  waitServed();
  EXPECT_TRUE(server_matches);
  proxy_->waitForStat("tcp.t.downstream_cx_rx_bytes_total", kTotal);
  EXPECT_EQ(proxy_->stat("tcp.t.downstream_cx_tx_bytes_total"), kTotal);
  EXPECT_EQ(proxy_->stat("cluster.up.upstream_cx_rx_bytes_total"), kTotal);
  EXPECT_EQ(proxy_->stat("cluster.up.upstream_cx_tx_bytes_total"), kTotal);
}

TEST_F(TcpBytesTest, AClientThatNeverReadsCostsNoMemory) {
  std::atomic<uint64_t> sent{0};
  start(
      [&sent](Socket& socket) {
        const std::string part = pattern(64 * 1024, 9);
        while (sendAll(socket, part)) {
          sent += part.size();
        }
      },
      "per_connection_buffer_limit_bytes: 65536", "per_connection_buffer_limit_bytes: 65536");
  Socket client = connectTo(port_);
  // The kernel's buffers fill, then ours, and then the server is made to wait.
  uint64_t before = 0;
  int still = 0;
  EXPECT_TRUE(eventually([&] {
    still = sent == before && before > 0 ? still + 1 : 0;
    before = sent;
    return still > 100;
  }));
  EXPECT_LE(proxy_->stat("tcp.t.downstream_cx_tx_bytes_buffered").value_or(0), 256 * 1024);
  EXPECT_LE(proxy_->stat("cluster.up.upstream_cx_rx_bytes_buffered").value_or(0), 256 * 1024);
  // Others are served, and what was held back comes whole.
  const std::string expected = pattern(64 * 1024, 9);
  EXPECT_EQ(receive(client, expected.size()), expected);
  reset(client);
  waitNothingOpen();
}

TEST_F(TcpBytesTest, AServerThatNeverReadsCostsNoMemory) {
  std::atomic<bool> stop{false};
  start([&stop](Socket&) { eventually([&] { return stop.load(); }); }, "per_connection_buffer_limit_bytes: 65536",
        "per_connection_buffer_limit_bytes: 65536");
  Socket client = connectTo(port_);
  std::atomic<uint64_t> sent{0};
  std::thread sender([&] {
    const std::string part = pattern(64 * 1024, 9);
    while (sendAll(client, part)) {
      sent += part.size();
    }
  });
  uint64_t before = 0;
  int still = 0;
  EXPECT_TRUE(eventually([&] {
    still = sent == before && before > 0 ? still + 1 : 0;
    before = sent;
    return still > 100;
  }));
  EXPECT_LE(proxy_->stat("cluster.up.upstream_cx_tx_bytes_buffered").value_or(0), 256 * 1024);
  stop = true;
  sender.join();
  waitNothingOpen();
}

TEST_F(TcpBytesTest, SmallExchangesManyTimes) {
  start([](Socket& socket) {
    std::string line;
    while (socket.readLine(line) && socket.sendLine(line)) {
    }
  });
  Socket client = connectTo(port_);
  for (int i = 0; i < 2000; ++i) {
    const std::string line = std::to_string(i);
    std::string back;
    ASSERT_TRUE(client.sendLine(line) && client.readLine(back));
    ASSERT_EQ(back, line);
  }
}

TEST_F(TcpBytesTest, ManyConnectionsAtOnce) {
  start([](Socket& socket) {
    std::string line;
    while (socket.readLine(line) && socket.sendLine(line)) {
    }
  });
  std::vector<Socket> clients;
  for (int i = 0; i < 200; ++i) {
    clients.push_back(connectTo(port_));
    ASSERT_TRUE(clients.back().sendLine(std::to_string(i)));
  }
  for (int i = 0; i < 200; ++i) {
    std::string back;
    ASSERT_TRUE(clients[i].readLine(back));
    EXPECT_EQ(back, std::to_string(i));
  }
  proxy_->waitForStat("listener.127.0.0.1_0.downstream_cx_active", 200);
  clients.clear();
  waitNothingOpen();
}

TEST(FiltersTest, EchoSendsBackBytesAndEnd) {
  Proxy proxy(staticResources({}, {listener("front", {chain("all", {echo()})})}));
  ASSERT_TRUE(proxy.waitReady());
  Socket client = connectTo(proxy.listenerPort("front").value_or(0));
  const std::string bytes = pattern(500'000, 4);
  std::thread sender([&] {
    EXPECT_TRUE(sendAll(client, bytes));
    endSending(client);
  });
  EXPECT_EQ(receive(client, bytes.size() + 1), bytes);
  sender.join();
}

TEST(FiltersTest, DirectResponseSaysItsTextAndCloses) {
  Proxy proxy(staticResources({}, {listener("front", {chain("all", {directResponse("go away")})})}));
  ASSERT_TRUE(proxy.waitReady());
  const uint16_t port = proxy.listenerPort("front").value_or(0);
  Socket client = connectTo(port);
  EXPECT_EQ(client.readAll(), "go away");
  // One that talks before it listens hears it too.
  Socket talker = connectTo(port);
  sendAll(talker, pattern(10'000, 1));
  EXPECT_EQ(talker.readAll(), "go away");
}

}  // namespace
}  // namespace sluice::integration
