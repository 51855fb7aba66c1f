// Upgrades that are not taken, and CONNECT that ends at the proxy: its body is a TCP connection's bytes.

#include <sys/socket.h>

#include "gtest/gtest.h"

#include "test/integration/harness/http.h"

namespace sluice::integration {
namespace {

class HttpTunnelsTest : public ::testing::Test {
 protected:
  void start(uint16_t backend, const std::string& upgrade) {
    proxy_ = std::make_unique<Proxy>(staticResources(
        {cluster("c", backend)},
        {httpListener("front",
                      httpConnectionManager(
                          routeConfig({virtualHost(
                              "all", {"*"},
                              {route("connect_matcher: {}", "route: {cluster: c, upgrade_configs: [" + upgrade + "]}"),
                               route("prefix: /", "route: {cluster: c, upgrade_configs: [" + upgrade + "]}")})}),
                          "upgrade_configs: [{upgrade_type: CONNECT}, {upgrade_type: websocket}], access_log: [" +
                              fileAccessLog(folder_.path() + "/log",
                                            "%RESPONSE_CODE% %RESPONSE_CODE_DETAILS% %UPSTREAM_PROTOCOL% "
                                            "%BYTES_RECEIVED% %BYTES_SENT%") +
                              "]"))}));
    ASSERT_TRUE(proxy_->waitReady());
    port_ = proxy_->listenerPort("front").value_or(0);
  }
  std::string logged() {
    proxy_.reset();
    return folder_.read("log");
  }

  TempFolder folder_;
  std::unique_ptr<Proxy> proxy_;
  uint16_t port_ = 0;
};

constexpr const char* kTerminate = "{upgrade_type: CONNECT, connect_config: {allow_post: true}}";

TEST_F(HttpTunnelsTest, ConnectEndsHere) {
  TcpServer backend([](Socket& socket) {
    HttpReader reader(socket);
    while (reader.readRequest().path() == "/inner") {
      sendAll(socket, httpResponse(201, "inside"));
    }
  });
  start(backend.port(), kTerminate);
  {
    HttpClient client(port_);
    // Its first bytes come with the request itself.
    client.send("CONNECT c.test:80 HTTP/1.1\r\nhost: c.test:80\r\n\r\nGET /inner HTTP/1.1\r\nhost: i\r\n\r\n");
    const std::string head = "HTTP/1.1 200 OK\r\n";
    std::string got;
    while (got.find("inside") == std::string::npos) {
      char bytes[512];
      const ssize_t count = ::recv(client.socket().fd(), bytes, sizeof(bytes), 0);
      ASSERT_GT(count, 0) << got;
      got.append(bytes, static_cast<size_t>(count));
    }
    EXPECT_EQ(got.compare(0, head.size(), head), 0) << got;
    EXPECT_NE(got.find("\r\n\r\nHTTP/1.1 201"), std::string::npos) << got;
    EXPECT_EQ(got.find("transfer-encoding"), std::string::npos) << got;
  }
  EXPECT_TRUE(proxy_->waitForStat("cluster.c.upstream_cx_active", 0));
  EXPECT_EQ(proxy_->stat("cluster.c.upstream_cx_total").value_or(0), 1u);
  EXPECT_EQ(proxy_->stat("cluster.c.upstream_rq_200").value_or(0), 1u);
}

TEST_F(HttpTunnelsTest, APostsBodyIsAConnectionToo) {
  TcpServer backend([](Socket& socket) { sendAll(socket, "got " + socket.readAll()); });
  start(backend.port(), kTerminate);
  HttpClient client(port_);
  const HttpMessage answer = client.request("POST", "/", "", "payload");
  EXPECT_EQ(answer.status(), 200);
  EXPECT_EQ(answer.body, "got payload");
  EXPECT_EQ(logged(), "200 via_upstream - 7 11\n");
}

TEST_F(HttpTunnelsTest, ATunnelToNobodyIs503) {
  start(demo::freePort(), kTerminate);
  HttpClient client(port_);
  client.send("CONNECT c.test:80 HTTP/1.1\r\nhost: c.test:80\r\n\r\n");
  const HttpMessage answer = client.receive();
  EXPECT_EQ(answer.status(), 503);
  EXPECT_EQ(answer.header("connection"), "close");
}

TEST_F(HttpTunnelsTest, AnUnansweredWebSocketHandshakeEndsWithoutABody) {
  HttpServer backend([](const HttpMessage& request) {
    return httpResponse(request.path() == "/no" ? 403 : 200, "no frames", "x-own: 1\r\n");
  });
  start(backend.port(), "{upgrade_type: websocket}");
  constexpr const char* kUpgrade = "connection: upgrade\r\nupgrade: websocket\r\n";
  const HttpMessage ignored = httpGet(port_, "/", kUpgrade);
  EXPECT_EQ(ignored.status(), 200);
  EXPECT_EQ(ignored.body, "");
  EXPECT_FALSE(ignored.has("x-own"));
  EXPECT_EQ(ignored.header("connection"), "close");
  EXPECT_FALSE(backend.requests()[0].has("content-length"));
  const HttpMessage refused = httpGet(port_, "/no", kUpgrade);
  EXPECT_EQ(refused.status(), 403);
  EXPECT_EQ(refused.body, "no frames");
  EXPECT_EQ(refused.header("connection"), "close");
  EXPECT_EQ(logged(), "200 websocket_handshake_unsuccessful HTTP/1.1 0 0\n403 via_upstream HTTP/1.1 0 9\n");
}

}  // namespace
}  // namespace sluice::integration
