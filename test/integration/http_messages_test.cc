// Messages pass whole, whatever their form, over both versions of HTTP and every combination of them.

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

#include "test/integration/harness/http.h"

namespace sluice::integration {
namespace {

/** Envoy's default of 256 MiB would take every body here, however slowly it is read. */
constexpr char kWindows[] = "initial_stream_window_size: 1048576, initial_connection_window_size: 1048576";

/** What stands between the client, which speaks HTTP/1, and the backend, which does too. */
enum class Way { Direct, OverHttp2 };

class HttpMessagesTest : public ::testing::TestWithParam<Way> {
 protected:
  void start(HttpServer::Answer answer, const std::string& extra = "") {
    backend_ = std::make_unique<HttpServer>(std::move(answer));
    start(backend_->port(), extra);
  }
  void start(uint16_t backend, const std::string& extra = "") {
    // Over HTTP/2 the request goes through the proxy twice: out of it as HTTP/2, into it again, and on as HTTP/1.
    const uint16_t inner = demo::freePort();
    const bool twice = GetParam() == Way::OverHttp2;
    Yamls clusters = {cluster("back", backend)};
    Yamls listeners = {httpForward("front", twice ? "inner" : "back", extra)};
    if (twice) {
      clusters.push_back(cluster("inner", inner, http2Upstream("", kWindows)));
      listeners.push_back(listenerAt(
          socketAddress(inner), "inner",
          {chain("http",
                 {httpConnectionManager(routeConfig({virtualHost("all", {"*"}, {routeTo("back")})}), extra)})}));
    }
    proxy_ = std::make_unique<Proxy>(staticResources(clusters, listeners));
    ASSERT_TRUE(proxy_->waitReady());
    port_ = proxy_->listenerPort("front").value_or(0);
  }

  std::unique_ptr<HttpServer> backend_;
  std::unique_ptr<Proxy> proxy_;
  uint16_t port_ = 0;
};

INSTANTIATE_TEST_SUITE_P(Ways, HttpMessagesTest, ::testing::Values(Way::Direct, Way::OverHttp2),
                         [](const auto& info) { return info.param == Way::Direct ? "Direct" : "OverHttp2"; });

TEST_P(HttpMessagesTest, ManyRequestsOnOneConnection) {
  start([](const HttpMessage& request) { return httpResponse(200, request.path()); });
  HttpClient client(port_);
  for (int i = 0; i < 100; ++i) {
    const std::string path = absl::StrCat("/", i);
    ASSERT_EQ(client.get(path).body, path);
  }
  // Each worker has a connection at most.
  EXPECT_LE(backend_->connections(), 2u);
}

TEST_P(HttpMessagesTest, PipelinedRequestsAreAnsweredInOrder) {
  start([](const HttpMessage& request) { return httpResponse(200, request.path()); });
  HttpClient client(port_);
  std::string all;
  for (int i = 0; i < 20; ++i) {
    absl::StrAppend(&all, "GET /", i, " HTTP/1.1\r\nhost: a\r\n\r\n");
  }
  client.send(all);
  for (int i = 0; i < 20; ++i) {
    ASSERT_EQ(client.receive().body, absl::StrCat("/", i));
  }
}

TEST_P(HttpMessagesTest, LargeBodiesBothWays) {
  start([](const HttpMessage& request) { return httpResponse(200, request.body); });
  const std::string body = pattern(5 << 20, 7);
  HttpClient client(port_);
  std::thread sender([&] {
    client.send(absl::StrCat("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: ", body.size(), "\r\n\r\n"));
    client.send(body);
  });
  const HttpMessage answer = client.receive();
  sender.join();
  EXPECT_EQ(answer.status(), 200);
  EXPECT_TRUE(answer.body == body);
}

TEST_P(HttpMessagesTest, ChunksAndTrailers) {
  start(
      [](const HttpMessage& request) {
        const std::string trailer = request.trailers.empty() ? "none" : request.trailers[0].second;
        return absl::StrCat("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-back\r\n\r\n",
                            absl::Hex(request.body.size()), "\r\n", request.body, "\r\n0\r\nx-back: ", trailer,
                            "\r\n\r\n");
      },
      "http_protocol_options: {enable_trailers: true}");
  HttpClient client(port_);
  client.send(
      "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"
      "3\r\nabc\r\n4;ext=1\r\ndefg\r\n0\r\nx-there: told\r\n\r\n");
  const HttpMessage answer = client.receive();
  EXPECT_EQ(answer.body, "abcdefg");
}

TEST_P(HttpMessagesTest, HeadAndEmptyAnswers) {
  start([](const HttpMessage& request) -> std::string {
    if (request.method() == "HEAD") {
      return "HTTP/1.1 200 OK\r\ncontent-length: 1234\r\n\r\n";
    }
    if (request.path() == "/204") {
      return "HTTP/1.1 204 No Content\r\n\r\n";
    }
    return "HTTP/1.1 304 Not Modified\r\netag: \"x\"\r\n\r\n";
  });
  HttpClient client(port_);
  EXPECT_EQ(client.request("HEAD", "/", "").header("content-length"), "1234");
  EXPECT_EQ(client.get("/204").status(), 204);
  EXPECT_EQ(client.get("/304").header("etag"), "\"x\"");
  EXPECT_EQ(client.request("HEAD", "/", "").status(), 200);
}

TEST_P(HttpMessagesTest, AnAnswerThatEndsWithItsConnection) {
  TcpServer backend([](Socket& socket) {
    HttpReader(socket).readRequest();
    sendAll(socket, "HTTP/1.1 200 OK\r\n\r\nuntil the end");
  });
  start(backend.port());
  HttpClient client(port_);
  EXPECT_EQ(client.get("/").body, "until the end");
  EXPECT_EQ(client.get("/").body, "until the end");
}

TEST_P(HttpMessagesTest, ContinueIsPassedOn) {
  start([](const HttpMessage& request) {
    return absl::StrCat("HTTP/1.1 100 Continue\r\n\r\n", httpResponse(200, request.body));
  });
  HttpClient client(port_);
  client.send("POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n");
  EXPECT_EQ(client.receive().status(), 100);
  client.send("body");
  HttpMessage answer = client.receive();
  while (answer.status() == 100) {
    answer = client.receive();
  }
  EXPECT_EQ(answer.body, "body");
}

TEST_P(HttpMessagesTest, AClientThatReadsSlowlyStopsTheBackend) {
  // Far more than all buffers between hold.
  const std::string body = pattern(64 << 20, 3);
  TcpServer backend([&](Socket& socket) {
    HttpReader(socket).readRequest();
    sendAll(socket, absl::StrCat("HTTP/1.1 200 OK\r\ncontent-length: ", body.size(), "\r\n\r\n"));
    sendAll(socket, body);
  });
  start(backend.port());
  HttpClient client(port_);
  client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
  EXPECT_TRUE(proxy_->waitForStatAtLeast("cluster.back.upstream_flow_control_paused_reading_total", 1));
  EXPECT_TRUE(client.receive().body == body);
}

}  // namespace
}  // namespace sluice::integration
