// Backends that speak TLS, and those that should not be trusted.

#include <atomic>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "test/integration/harness/mesh.h"
#include "test/integration/harness/tls.h"

namespace sluice::integration {
namespace {

using test::CertificateRequest;
using test::TestAuthority;
using test::TestCertificate;
using ::testing::HasSubstr;

class TlsUpstreamHandshakeTest : public ::testing::Test {
 protected:
  void start(uint16_t backend, const std::string& common, const std::string& extra = "") {
    proxy_ = std::make_unique<Proxy>(
        staticResources({cluster("blue", backend, upstreamTls(common, extra))}, {forward("front", "blue")}));
    ASSERT_TRUE(proxy_->waitReady());
    port_ = proxy_->listenerPort("front").value_or(0);
  }
  std::string trustingOurs(const std::string& more = "") { return withValidation(trusting(authority_.pem(), more)); }
  static TlsSide presenting(const TestCertificate& certificate) {
    TlsSide side;
    side.present(certificate);
    return side;
  }

  TestAuthority authority_;
  TestCertificate server_ = authority_.issueFor({"backend.test"});
  std::unique_ptr<Proxy> proxy_;
  uint16_t port_ = 0;
};

TEST_F(TlsUpstreamHandshakeTest, CiphersToTheBackend) {
  TlsSide side = presenting(server_);
  side.alpn = {"istio", "h2"};
  TlsServer backend(side, "ciphered");
  start(backend.port(), trustingOurs() + ", alpn_protocols: [h2, istio]", "sni: backend.test");
  Client client = Client::connect(port_);
  EXPECT_EQ(client.greeting(), "ciphered");
  for (int i = 0; i < 10; ++i) {
    EXPECT_TRUE(client.echo(std::string(50000, static_cast<char>('a' + i))));
  }
  EXPECT_EQ(backend.lastServerName(), "backend.test");
  EXPECT_EQ(backend.lastAlpn(), "istio");
  EXPECT_EQ(proxy_->stat("cluster.blue.ssl.handshake"), 1);
}

TEST_F(TlsUpstreamHandshakeTest, RefusesABackendOfAnotherAuthority) {
  const TestAuthority other("Another CA");
  TlsServer backend(presenting(other.issueFor({"backend.test"})), "ciphered");
  start(backend.port(), trustingOurs());
  EXPECT_EQ(greetingOf(port_), "");
  EXPECT_TRUE(proxy_->waitForStatAtLeast("cluster.blue.ssl.fail_verify_error", 1));
  EXPECT_TRUE(proxy_->waitForStatAtLeast("cluster.blue.upstream_cx_connect_fail", 1));
}

TEST_F(TlsUpstreamHandshakeTest, RefusesABackendOfAnotherName) {
  TlsServer backend(presenting(server_), "ciphered");
  start(backend.port(), trustingOurs("match_typed_subject_alt_names: [{san_type: DNS, matcher: {exact: other.test}}]"));
  EXPECT_EQ(greetingOf(port_), "");
  EXPECT_TRUE(proxy_->waitForStatAtLeast("cluster.blue.ssl.fail_verify_san", 1));
}

TEST_F(TlsUpstreamHandshakeTest, RefusesAnExpiredBackend) {
  CertificateRequest request;
  request.dns = {"backend.test"};
  request.not_before = -7200;
  request.not_after = -60;
  TlsServer backend(presenting(authority_.issue(request)), "ciphered");
  start(backend.port(), trustingOurs());
  EXPECT_EQ(greetingOf(port_), "");
  EXPECT_GE(proxy_->stat("cluster.blue.ssl.fail_verify_error").value_or(0), 1u);
}

TEST_F(TlsUpstreamHandshakeTest, TrustsWhomItIsNotToldToDistrust) {
  TlsServer backend(presenting(server_), "ciphered");
  start(backend.port(), "");
  EXPECT_EQ(greetingOf(port_), "ciphered");
}

TEST_F(TlsUpstreamHandshakeTest, PresentsItsCertificate) {
  CertificateRequest request;
  request.common_name = "sidecar";
  request.uris = {"spiffe://cluster.local/ns/a/sa/b"};
  const TestCertificate own = authority_.issue(request);
  TlsSide side = presenting(server_);
  side.trust(authority_).require_certificate = true;
  TlsServer backend(side, "ciphered");
  start(backend.port(), withCertificates({tlsCertificate(own)}) + ", " + trustingOurs());
  EXPECT_EQ(greetingOf(port_), "ciphered");
  EXPECT_THAT(backend.lastPeerSubject(), HasSubstr("CN=sidecar"));
}

TEST_F(TlsUpstreamHandshakeTest, ABackendThatRefusesUs) {
  TlsSide side = presenting(server_);
  side.trust(authority_).require_certificate = true;
  // TLS 1.2 tells during the handshake; 1.3 after it.
  side.max_version = TLS1_2_VERSION;
  TlsServer backend(side, "ciphered");
  start(backend.port(), trustingOurs());
  EXPECT_EQ(greetingOf(port_), "");
  EXPECT_TRUE(proxy_->waitForStatAtLeast("cluster.blue.ssl.connection_error", 1));
  EXPECT_TRUE(eventually([&backend] { return backend.failed() >= 1; }));
}

TEST_F(TlsUpstreamHandshakeTest, TakesSessionsUpAgain) {
  TlsSide side = presenting(server_);
  side.max_version = TLS1_2_VERSION;
  TlsServer backend(side, "ciphered");
  start(backend.port(), trustingOurs(), "max_session_keys: 4");
  EXPECT_TRUE(eventually([&] { return greetingOf(port_) == "ciphered" && backend.resumed() > 0; }));
}

TEST_F(TlsUpstreamHandshakeTest, ABackendThatIsNoTls) {
  TcpServer plain([](Socket& socket) {
    socket.sendLine("not ciphered");
    socket.readAll();
  });
  start(plain.port(), trustingOurs());
  EXPECT_EQ(greetingOf(port_), "");
  EXPECT_TRUE(proxy_->waitForStatAtLeast("cluster.blue.ssl.connection_error", 1));
}

TEST_F(TlsUpstreamHandshakeTest, ABackendThatStopsInTheHandshake) {
  TcpServer silent([](Socket& socket) { socket.readAll(); });
  proxy_ = std::make_unique<Proxy>(
      staticResources({cluster("blue", silent.port(), "connect_timeout: 0.3s, " + upstreamTls(trustingOurs()))},
                      {forward("front", "blue")}));
  ASSERT_TRUE(proxy_->waitReady());
  port_ = proxy_->listenerPort("front").value_or(0);
  EXPECT_EQ(greetingOf(port_), "");
  EXPECT_TRUE(proxy_->waitForStatAtLeast("cluster.blue.upstream_cx_connect_timeout", 1));
}

TEST_F(TlsUpstreamHandshakeTest, AnEndWithoutCloseNotifyIsPassedOn) {
  TlsServer backend(presenting(server_), [](TlsConnection& connection) {
    connection.sendLine("last words");
    // The socket closes under TLS.
  });
  start(backend.port(), trustingOurs());
  EXPECT_EQ(connectTo(port_).readAll(), "last words\n");
}

TEST_F(TlsUpstreamHandshakeTest, GivesUpABackendThatNeverAnswersTheHandshake) {
  std::atomic<bool> said{false};
  TcpServer silent([&said](Socket& socket) {
    said = receive(socket, 6).substr(0, 1) == "\x16";
    receive(socket, 1 << 20);
  });
  proxy_ = std::make_unique<Proxy>(
      staticResources({cluster("blue", silent.port(), upstreamTls(trustingOurs()) + ", connect_timeout: 0.3s")},
                      {forward("front", "blue")}));
  ASSERT_TRUE(proxy_->waitReady());
  port_ = proxy_->listenerPort("front").value_or(0);
  EXPECT_EQ(greetingOf(port_), "");
  EXPECT_TRUE(said) << "the handshake was begun";
  EXPECT_TRUE(proxy_->waitForStat("cluster.blue.upstream_cx_connect_timeout", 1));
  EXPECT_TRUE(proxy_->waitForStat("cluster.blue.upstream_cx_active", 0));
  EXPECT_TRUE(eventually([&silent] { return silent.open() == 0; }));
}

}  // namespace
}  // namespace sluice::integration
