// Upstreams that fail, stall, or say something else than HTTP; retries and timeouts.

#include <sys/socket.h>

#include <atomic>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

#include "test/integration/harness/http.h"

namespace sluice::integration {
namespace {

class HttpUpstreamTroubleTest : public ::testing::Test {
 protected:
  void start(uint16_t backend, const std::string& action = "", const std::string& cluster_extra = "") {
    log_ = "%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %UPSTREAM_REQUEST_ATTEMPT_COUNT%";
    proxy_ = std::make_unique<Proxy>(staticResources(
        {cluster("c", backend, cluster_extra)},
        {httpListener("front",
                      httpConnectionManager(routeConfig({virtualHost("all", {"*"}, {routeTo("c", action)})}),
                                            "access_log: [" + fileAccessLog(folder_.path() + "/log", log_) + "]"))}));
    ASSERT_TRUE(proxy_->waitReady());
    port_ = proxy_->listenerPort("front").value_or(0);
  }
  /** The access log's lines, once the proxy has ended. */
  std::string logged() {
    proxy_.reset();
    return folder_.read("log");
  }

  TempFolder folder_;
  std::string log_;
  std::unique_ptr<Proxy> proxy_;
  uint16_t port_ = 0;
};

TEST_F(HttpUpstreamTroubleTest, ARefusedConnectionIs503) {
  start(demo::freePort());
  const HttpMessage answer = httpGet(port_, "/");
  EXPECT_EQ(answer.status(), 503);
  EXPECT_NE(answer.body.find("upstream connect error or disconnect/reset before headers"), std::string::npos);
  const std::string line = logged();
  EXPECT_EQ(line.find("503 UF upstream_reset_before_response_started{remote_connection_failure|"), 0u) << line;
}

TEST_F(HttpUpstreamTroubleTest, ACloseBeforeTheAnswerIs503) {
  HttpServer backend([](const HttpMessage&) { return ""; });
  start(backend.port());
  EXPECT_EQ(httpGet(port_, "/").status(), 503);
  EXPECT_EQ(logged(), "503 UC upstream_reset_before_response_started{connection_termination} 1\n");
}

TEST_F(HttpUpstreamTroubleTest, WhatIsNoHttpIs502) {
  HttpServer backend([](const HttpMessage&) { return "what?\r\n\r\n"; });
  start(backend.port());
  EXPECT_EQ(httpGet(port_, "/").status(), 502);
  EXPECT_EQ(logged(), "502 UPE upstream_reset_before_response_started{protocol_error} 1\n");
}

TEST_F(HttpUpstreamTroubleTest, AnAnswerThatNeverComesIs504) {
  TcpServer backend([](Socket& socket) { socket.readAll(); });
  start(backend.port(), "timeout: 0.2s");
  const HttpMessage answer = httpGet(port_, "/");
  EXPECT_EQ(answer.status(), 504);
  EXPECT_EQ(answer.body, "upstream request timeout");
  EXPECT_TRUE(proxy_->waitForStat("cluster.c.upstream_rq_timeout", 1));
  EXPECT_EQ(logged(), "504 UT response_timeout 1\n");
}

TEST_F(HttpUpstreamTroubleTest, AnAnswerThatBreaksOffResetsTheClient) {
  TcpServer cutter([](Socket& socket) {
    HttpReader(socket).readRequest();
    sendAll(socket, "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf");
  });
  start(cutter.port());
  const HttpMessage answer = httpGet(port_, "/cut");
  EXPECT_EQ(answer.status(), 200);
  EXPECT_FALSE(answer.complete);
  const std::string line = logged();
  EXPECT_EQ(line.find("200 UPE upstream_reset_after_response_started{protocol_error}"), 0u) << line;
}

TEST_F(HttpUpstreamTroubleTest, ARetryFindsTheAnswer) {
  std::atomic<int> asked{0};
  HttpServer backend([&](const HttpMessage& request) {
    return ++asked < 3 ? httpResponse(503, "no") : httpResponse(200, "yes " + request.body);
  });
  start(backend.port(), "retry_policy: {retry_on: \"5xx\", num_retries: 3}");
  HttpClient client(port_);
  const HttpMessage answer = client.request("POST", "/", "", "payload");
  EXPECT_EQ(answer.status(), 200);
  EXPECT_EQ(answer.body, "yes payload");
  EXPECT_EQ(asked, 3);
  EXPECT_TRUE(proxy_->waitForStat("cluster.c.upstream_rq_retry", 2));
  EXPECT_TRUE(proxy_->waitForStat("cluster.c.upstream_rq_retry_success", 1));
  EXPECT_EQ(logged(), "200 - via_upstream 3\n");
}

TEST_F(HttpUpstreamTroubleTest, RetriesEnd) {
  HttpServer backend([](const HttpMessage&) { return httpResponse(503, "no"); });
  start(backend.port(), "retry_policy: {retry_on: \"5xx\", num_retries: 2}");
  EXPECT_EQ(httpGet(port_, "/").status(), 503);
  EXPECT_EQ(backend.requests().size(), 3u);
  EXPECT_EQ(logged(), "503 URX via_upstream 3\n");
}

TEST_F(HttpUpstreamTroubleTest, ATryThatTakesTooLongIsMadeAgain) {
  std::atomic<int> asked{0};
  TcpServer backend([&](Socket& socket) {
    HttpReader reader(socket);
    while (!reader.readRequest().start.empty()) {
      if (++asked > 1) {
        sendAll(socket, httpResponse(200, "second"));
      }
    }
  });
  start(backend.port(), "retry_policy: {retry_on: reset, per_try_timeout: 0.2s}");
  EXPECT_EQ(httpGet(port_, "/").body, "second");
  EXPECT_TRUE(proxy_->waitForStat("cluster.c.upstream_rq_per_try_timeout", 1));
}

TEST_F(HttpUpstreamTroubleTest, CircuitBreakersOverflow) {
  TcpServer backend([](Socket& socket) { socket.readAll(); });
  start(backend.port(), "timeout: 0s",
        "circuit_breakers: {thresholds: [{max_connections: 1, max_pending_requests: 1, max_requests: 10}]}");
  std::vector<std::unique_ptr<HttpClient>> waiting;
  // One is sent, one waits for its connection; each worker has at least one connection of its own.
  EXPECT_TRUE(eventually([&] {
    auto client = std::make_unique<HttpClient>(port_);
    client->send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    waiting.push_back(std::move(client));
    return proxy_->stat("cluster.c.upstream_rq_pending_overflow").value_or(0) > 0;
  }));
  EXPECT_TRUE(eventually([&] {
    for (auto& client : waiting) {
      char byte = 0;
      if (recv(client->socket().fd(), &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 1) {
        const HttpMessage answer = client->receive();
        return answer.status() == 503 && answer.header("x-envoy-overloaded") == "true";
      }
    }
    return false;
  }));
}

}  // namespace
}  // namespace sluice::integration
