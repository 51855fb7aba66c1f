// What HTTP makes of TLS on its clients' connections: the protocol, the scheme, and who the client is.

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "test/integration/harness/http.h"
#include "test/integration/harness/tls.h"
#include "test/support/certificates.h"

namespace sluice::integration {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class HttpTlsTest : public ::testing::Test {
 protected:
  void start(const Yamls& routes, const std::string& extra = "", const Yamls& filters = {}) {
    const std::string context =
        downstreamTls(absl::StrCat(withCertificates({tlsCertificate(served_.chain(), served_.key_pem)}),
                                   ", alpn_protocols: [h2, http/1.1], ", withValidation(trusting(ca_.pem()))));
    proxy_ = std::make_unique<Proxy>(
        staticResources(
            {cluster("a", backend_.port())},
            {listener("front",
                      {chain("main",
                             {httpConnectionManager(routeConfig({virtualHost("all", {"*"}, routes)}), extra, filters)},
                             context)})}),
        Proxy::Options{{"--file-flush-interval-msec", "20"}});
    ASSERT_TRUE(proxy_->waitReady());
    port_ = proxy_->listenerPort("front").value_or(0);
  }
  TlsSide anonymous() const {
    TlsSide side;
    side.trusted = ca_.pem();
    side.server_name = "x.test";
    return side;
  }
  TlsSide known() const {
    TlsSide side = anonymous();
    side.certificate = client_.chain();
    side.key = client_.key_pem;
    return side;
  }
  /** The whole answer. */
  std::string get(const TlsSide& side, const std::string& path = "/", const std::string& headers = "") {
    TlsConnection connection = TlsConnection::connect(port_, side);
    EXPECT_TRUE(connection.isOpen()) << connection.error();
    connection.send(absl::StrCat("GET ", path, " HTTP/1.1\r\nhost: x.test\r\nconnection: close\r\n", headers, "\r\n"));
    return connection.readAll();
  }
  HttpMessage lastRequest() const {
    const std::vector<HttpMessage> seen = backend_.requests();
    return seen.empty() ? HttpMessage() : seen.back();
  }

  const test::TestAuthority ca_;
  const test::TestCertificate served_ = ca_.issue({.dns = {"x.test"}, .uris = {"spiffe://td/us"}});
  const test::TestCertificate client_ =
      ca_.issue({.common_name = "me", .dns = {"me.test"}, .uris = {"spiffe://td/me"}});
  HttpServer backend_{"a"};
  TempFolder folder_;
  std::unique_ptr<Proxy> proxy_;
  uint16_t port_ = 0;
};

TEST_F(HttpTlsTest, TheBackendIsToldWhoTheClientIs) {
  start({routeTo("a")},
        "forward_client_cert_details: SANITIZE_SET, set_current_client_cert_details: {uri: true, dns: true, subject: "
        "true}");
  EXPECT_THAT(get(known(), "/", "x-forwarded-client-cert: By=forged\r\n"), StartsWith("HTTP/1.1 200"));
  EXPECT_EQ(
      lastRequest().header("x-forwarded-client-cert"),
      absl::StrCat("By=spiffe://td/us;Hash=", client_.sha256(), ";Subject=\"CN=me\";URI=spiffe://td/me;DNS=me.test"));
  EXPECT_EQ(lastRequest().header("x-forwarded-proto"), "https");

  get(anonymous(), "/", "x-forwarded-client-cert: By=forged\r\n");
  EXPECT_FALSE(lastRequest().has("x-forwarded-client-cert"));
}

TEST_F(HttpTlsTest, WhatCameIsKeptAndAddedTo) {
  start({routeTo("a")},
        "forward_client_cert_details: APPEND_FORWARD, set_current_client_cert_details: {uri: true, cert: true}");
  get(known(), "/", "x-forwarded-client-cert: By=before\r\n");
  const std::string text = lastRequest().header("x-forwarded-client-cert");
  EXPECT_THAT(text, StartsWith("By=before,By=spiffe://td/us;Hash="));
  EXPECT_THAT(text, HasSubstr(";Cert=\"-----BEGIN%20CERTIFICATE-----%0A"));
}

TEST_F(HttpTlsTest, AlpnChoosesTheCodec) {
  start({routeTo("a")});
  TlsSide h2 = anonymous();
  h2.alpn = {"h2", "http/1.1"};
  TlsConnection connection = TlsConnection::connect(port_, h2);
  ASSERT_TRUE(connection.isOpen()) << connection.error();
  EXPECT_EQ(connection.alpn(), "h2");
  connection.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + std::string("\0\0\0\4\0\0\0\0\0", 9));
  EXPECT_EQ(connection.receive(5).substr(3), std::string("\4\0", 2)) << "no SETTINGS came";
  EXPECT_TRUE(proxy_->waitForStat("http.h.downstream_cx_http2_total", 1));
  EXPECT_TRUE(proxy_->waitForStat("http.h.downstream_cx_ssl_total", 1));
  EXPECT_TRUE(proxy_->waitForStat("http.h.downstream_cx_ssl_active", 1));

  TlsSide h1 = anonymous();
  h1.alpn = {"http/1.1"};
  EXPECT_THAT(get(h1), StartsWith("HTTP/1.1 200"));
  // Nobody negotiated it: the preface decides.
  TlsConnection plain = TlsConnection::connect(port_, anonymous());
  plain.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + std::string("\0\0\0\4\0\0\0\0\0", 9));
  EXPECT_EQ(plain.receive(5).substr(3), std::string("\4\0", 2));
  EXPECT_EQ(proxy_->stat("http.h.downstream_cx_http1_total"), 1u);
}

TEST_F(HttpTlsTest, WhoNegotiatedHttp1IsNotHeardInHttp2) {
  start({routeTo("a")});
  TlsSide h1 = anonymous();
  h1.alpn = {"http/1.1"};
  TlsConnection connection = TlsConnection::connect(port_, h1);
  connection.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  EXPECT_THAT(connection.readAll(), StartsWith("HTTP/1.1 400"));
}

TEST_F(HttpTlsTest, RoutesAndRulesAskForTheClientsCertificate) {
  start(
      {route("prefix: /, tls_context: {presented: true, validated: true}", "route: {cluster: a}"),
       route("prefix: /", "direct_response: {status: 418}")},
      "",
      {"{name: rbac, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC, rules: "
       "{policies: {p: {permissions: [{header: {name: \":path\", string_match: {exact: /open}}}, {any: true}], "
       "principals: [{authenticated: {principal_name: {exact: spiffe://td/me}}}, {header: {name: \":path\", "
       "string_match: {exact: /open}}}]}}}}}"});
  EXPECT_THAT(get(known()), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(get(anonymous()), StartsWith("HTTP/1.1 403"));
  EXPECT_THAT(get(anonymous(), "/open"), StartsWith("HTTP/1.1 418"));
}

TEST_F(HttpTlsTest, LogsTellOfTheHandshake) {
  start({routeTo("a")},
        "access_log: [" +
            fileAccessLog(folder_.path() + "/log",
                          "%DOWNSTREAM_TLS_VERSION% %DOWNSTREAM_PEER_URI_SAN% %DOWNSTREAM_PEER_SUBJECT% "
                          "%DOWNSTREAM_LOCAL_URI_SAN% %DOWNSTREAM_PEER_FINGERPRINT_256% "
                          "%DOWNSTREAM_PEER_SERIAL% %DOWNSTREAM_TRANSPORT_FAILURE_REASON%") +
            "]");
  get(known());
  const std::string expected =
      absl::StrCat("TLSv1.3 spiffe://td/me CN=me spiffe://td/us ", client_.sha256(), " ", client_.serial(), " -\n");
  EXPECT_TRUE(eventually([&] { return folder_.read("log") == expected; })) << folder_.read("log") << expected;
}

}  // namespace
}  // namespace sluice::integration
