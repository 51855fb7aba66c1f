// Clusters whose endpoints are where requests say, and what upstream connections tell of the client.

#include <arpa/inet.h>
#include <sys/socket.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "test/integration/harness/http.h"

namespace sluice::integration {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;

std::string originalDst(const std::string& extra) {
  return "{\"@type\": type.googleapis.com/envoy.config.cluster.v3.Cluster, name: dst, type: ORIGINAL_DST, lb_policy: "
         "CLUSTER_PROVIDED, connect_timeout: 5s, " +
         extra + "}";
}

std::string destination(uint16_t port) {
  return "x-envoy-original-dst-host: 127.0.0.1:" + std::to_string(port) + "\r\n";
}

class OriginalDstTest : public MeshTest {
 protected:
  HttpServer a_{"a"};
  HttpServer b_{"b"};
};

TEST_F(OriginalDstTest, RequestsGoWhereTheirHeaderSays) {
  setClusters({originalDst("cleanup_interval: 0.2s, original_dst_lb_config: {use_http_header: true}")});
  setListeners({httpForward("front", "dst")});
  start();
  {
    HttpClient client(port("front"));
    EXPECT_EQ(client.get("/", destination(a_.port())).body, "a");
    EXPECT_EQ(client.get("/", destination(b_.port())).body, "b");
    EXPECT_EQ(client.get("/", destination(a_.port())).body, "a");
    const HttpMessage wrong = client.get("/", "x-envoy-original-dst-host: nonsense\r\n");
    EXPECT_EQ(wrong.status(), 503);
    EXPECT_EQ(wrong.body, "no healthy upstream");
    EXPECT_EQ(client.get("/").status(), 503);
  }
  EXPECT_EQ(a_.connections(), 1u) << "a connection is kept for the next request to the same address";
  EXPECT_TRUE(proxy().waitForStat("cluster.dst.original_dst_host_invalid", 1));
  EXPECT_TRUE(proxy().waitForStat("cluster.dst.membership_total", 2));
  EXPECT_THAT(proxy().get("/clusters").body,
              HasSubstr("dst::127.0.0.1:" + std::to_string(a_.port()) + "::rq_total::2"));
}

TEST_F(OriginalDstTest, AddressesThatNothingUsesAreForgotten) {
  setClusters(
      {originalDst("cleanup_interval: 0.05s, original_dst_lb_config: {use_http_header: true, "
                   "http_header_name: X-To}, common_http_protocol_options: {idle_timeout: 0.1s}")});
  setListeners({httpForward("front", "dst")});
  start();
  EXPECT_EQ(httpGet(port("front"), "/", "x-to: 127.0.0.1:" + std::to_string(a_.port()) + "\r\n").body, "a");
  EXPECT_TRUE(proxy().waitForStat("cluster.dst.membership_change", 2)) << "one more, one less";
  EXPECT_TRUE(proxy().waitForStat("cluster.dst.membership_total", 0));
  EXPECT_THAT(proxy().get("/clusters").body, Not(HasSubstr("dst::127.0.0.1:" + std::to_string(a_.port()))));
}

TEST_F(OriginalDstTest, ChangesOfTheClusterKeepItsConnections) {
  const std::string rules = "original_dst_lb_config: {use_http_header: true}";
  setClusters({originalDst(rules)});
  setListeners({httpForward("front", "dst")});
  start({.arguments = {}, .concurrency = 1});
  HttpClient client(port("front"));
  EXPECT_EQ(client.get("/", destination(a_.port())).body, "a");
  setClusters({originalDst(rules + ", circuit_breakers: {thresholds: [{max_requests: 7}]}")});
  EXPECT_TRUE(proxy().waitForStat("cluster_manager.cluster_modified", 1));
  EXPECT_EQ(client.get("/", destination(a_.port())).body, "a");
  EXPECT_EQ(a_.connections(), 1u);
  setClusters({originalDst(
      "original_dst_lb_config: {use_http_header: true, upstream_port_override: " + std::to_string(b_.port()) + "}")});
  // Main has counted the change before the worker has it.
  EXPECT_TRUE(eventually([&] { return client.get("/", destination(a_.port())).body == "b"; }));
}

TEST_F(OriginalDstTest, UpstreamConnectionsComeFromTheirAddress) {
  std::string from;
  TcpServer backend([&](Socket& socket) {
    sockaddr_in peer{};
    socklen_t length = sizeof(peer);
    ::getpeername(socket.fd(), reinterpret_cast<sockaddr*>(&peer), &length);
    char text[INET_ADDRSTRLEN];
    from = ::inet_ntop(AF_INET, &peer.sin_addr, text, sizeof(text));
    sendAll(socket, "hello\n");
  });
  setClusters(
      {cluster("be", backend.port(), "upstream_bind_config: {source_address: {address: 127.0.0.6, port_value: 0}}")});
  setListeners({forward("front", "be")});
  start();
  EXPECT_EQ(greetingOf(port("front")), "hello");
  EXPECT_EQ(from, "127.0.0.6");
}

TEST_F(OriginalDstTest, UpstreamsAreToldOfTheClient) {
  TcpServer backend([&](Socket& socket) {
    std::string line;
    while (line.empty() || line.back() != '\n') {
      const std::string byte = receive(socket, 1);
      if (byte.empty()) {
        return;
      }
      line += byte;
    }
    sendAll(socket, line);
  });
  setClusters({cluster(
      "be", backend.port(),
      R"(transport_socket: {name: p, typed_config: {"@type": type.googleapis.com/envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport,
          config: {version: V1}, transport_socket: {name: envoy.transport_sockets.raw_buffer}}})")});
  setListeners({forward("front", "be")});
  start();
  EXPECT_THAT(greetingOf(port("front"), "127.0.0.3"),
              MatchesRegex("PROXY TCP4 127.0.0.3 127.0.0.1 [0-9]+ " + std::to_string(port("front")) + "\r?"));
}

}  // namespace
}  // namespace sluice::integration
