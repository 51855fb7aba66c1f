// istio.alpn: what upstream connections offer by ALPN goes by the protocol of the request's cluster.

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

#include "test/integration/harness/http.h"
#include "test/integration/harness/tls.h"

namespace sluice::integration {
namespace {

constexpr const char* kFilter =
    "{name: istio.alpn, typed_config: {\"@type\": "
    "type.googleapis.com/istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig, alpn_override: [{alpn_override: "
    "[istio-http/1.0, istio, http/1.0]}, {upstream_protocol: HTTP11, alpn_override: [istio-http/1.1, istio, "
    "http/1.1]}, {upstream_protocol: HTTP2, alpn_override: [istio-h2, istio, h2]}]}}";

class IstioAlpnTest : public ::testing::Test {
 protected:
  /** The log's next line for a request to the path. */
  std::string logged(const std::string& path) {
    const std::string before = folder_.read("log");
    httpGet(port_, path);
    std::string now;
    EXPECT_TRUE(eventually([&] {
      now = folder_.read("log");
      return now.size() > before.size() && now.back() == '\n';
    }));
    return now.substr(before.size());
  }

  TempFolder folder_;
  HttpServer backend_{"a"};
  std::unique_ptr<Proxy> proxy_;
  uint16_t port_ = 0;
};

TEST_F(IstioAlpnTest, TheClusterDecides) {
  const auto to = [](const std::string& name) { return route("prefix: /" + name, "route: {cluster: " + name + "}"); };
  const int backend = backend_.port();
  proxy_ = std::make_unique<Proxy>(
      staticResources(
          {cluster("one", backend), cluster("two", backend, http2Upstream()),
           cluster("plain", backend, "metadata: {filter_metadata: {istio: {alpn_override: \"false\", config: here}}}")},
          {httpListener("front", httpConnectionManager(
                                     routeConfig({virtualHost("all", {"*"},
                                                              {to("one"), to("two"), to("plain"),
                                                               route("prefix: /",
                                                                     "direct_response: {status: "
                                                                     "200}")})}),
                                     "access_log: [" +
                                         fileAccessLog(folder_.path() + "/log",
                                                       "%FILTER_STATE(envoy.network.application_protocols:PLAIN)% "
                                                       "%CLUSTER_METADATA(istio:config)%") +
                                         "]",
                                     {kFilter}))}),
      Proxy::Options{{"--file-flush-interval-msec", "20"}});
  ASSERT_TRUE(proxy_->waitReady());
  port_ = proxy_->listenerPort("front").value_or(0);
  EXPECT_EQ(logged("/one"), "istio-http/1.1,istio,http/1.1 -\n");
  EXPECT_EQ(logged("/two"), "istio-h2,istio,h2 -\n");
  EXPECT_EQ(logged("/plain"), "- here\n");
  EXPECT_EQ(logged("/"), "- -\n");
}

TEST_F(IstioAlpnTest, WhatAConnectionOffersKeepsItFromOthers) {
  const test::TestAuthority authority;
  TlsSide side;
  side.present(authority.issueFor({"backend.test"}));
  side.alpn = {"istio-http/1.1", "http/1.1"};
  TlsServer backend(side, [](TlsConnection& connection) {
    std::string line;
    while (connection.readLine(line)) {
      if (line == "\r" && !connection.send(httpResponse(200, connection.alpn()))) {
        return;
      }
    }
  });
  const auto listenerWith = [](const std::string& name, const Yamls& filters) {
    return httpListener(name,
                        httpConnectionManager(routeConfig({virtualHost("all", {"*"}, {routeTo("one")})}), "", filters));
  };
  proxy_ = std::make_unique<Proxy>(
      staticResources(
          {cluster("one", backend.port(),
                   upstreamTls(withValidation(trusting(authority.pem())) + ", alpn_protocols: [http/1.1]"))},
          {listenerWith("with", {kFilter}), listenerWith("without", {})}),
      Proxy::Options{.concurrency = 1});
  ASSERT_TRUE(proxy_->waitReady());
  const uint16_t with = proxy_->listenerPort("with").value_or(0);
  const uint16_t without = proxy_->listenerPort("without").value_or(0);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(httpGet(with, "/").body, "istio-http/1.1");
    EXPECT_EQ(httpGet(without, "/").body, "http/1.1");
  }
  EXPECT_EQ(backend.handshakes(), 2u) << "each of the two is used again, and only for its own";
  EXPECT_EQ(proxy_->stat("cluster.one.upstream_cx_total"), 2);
}

TEST_F(IstioAlpnTest, AnUnknownProtocolIsRefused) {
  const std::string filter =
      "{name: istio.alpn, typed_config: {\"@type\": "
      "type.googleapis.com/istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig, alpn_override: "
      "[{upstream_protocol: 7}]}}";
  TempFolder folder;
  const std::string config = folder.write(
      "bootstrap.yaml",
      staticResources(
          {cluster("one", backend_.port())},
          {httpListener("front", httpConnectionManager(routeConfig({virtualHost("all", {"*"}, {routeTo("one")})}), "",
                                                       {filter}))}));
  const RunResult result = runProgram({"--mode", "validate", "-c", config});
  EXPECT_NE(result.status, 0);
  EXPECT_NE(result.output.find("alpn_override[0].upstream_protocol"), std::string::npos) << result.output;
}

}  // namespace
}  // namespace sluice::integration
