// Clusters that speak TLS: which endpoints do, what they ask for, and what of it connections share.

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "test/integration/harness/http.h"
#include "test/integration/harness/tls.h"
#include "test/support/certificates.h"

namespace sluice::integration {
namespace {

using ::testing::HasSubstr;

class TlsClustersTest : public MeshTest {
 protected:
  TlsSide side(std::vector<std::string> alpn = {}) const {
    TlsSide made;
    made.certificate = certificate_.chain();
    made.key = certificate_.key_pem;
    made.alpn = std::move(alpn);
    return made;
  }
  /** Fields of a CommonTlsContext that trust the backend. */
  std::string trust() const { return withValidation(trusting(authority_.pem())); }

  const test::TestAuthority authority_;
  const test::TestCertificate certificate_ = authority_.issueFor({"be.test", "other.test"});
};

/** Answers each request on the connection with what TLS was asked for. */
void answerRequests(TlsConnection& connection) {
  std::string got;
  while (true) {
    const std::string some = connection.receiveSome();
    if (some.empty()) {
      return;
    }
    got += some;
    while (got.find("\r\n\r\n") != std::string::npos) {
      got.erase(0, got.find("\r\n\r\n") + 4);
      connection.send(httpResponse(200, connection.serverName() + " " + connection.alpn()));
    }
  }
}

TEST_F(TlsClustersTest, TcpAndHttpGoOverIt) {
  TlsServer greeter(side(), "tls");
  TlsServer web(side(), answerRequests);
  setClusters({cluster("tcp", greeter.port(), upstreamTls(trust(), "sni: be.test")),
               cluster("web", web.port(), upstreamTls(trust(), "sni: be.test"))});
  setListeners({forward("tcp", "tcp"), httpForward("web", "web")});
  start();
  EXPECT_EQ(greetingOf(port("tcp")), "tls");
  EXPECT_EQ(greeter.lastServerName(), "be.test");
  EXPECT_EQ(httpGet(port("web"), "/").body, "be.test ");
  EXPECT_TRUE(proxy().waitForStat("cluster.web.ssl.handshake", 1));
}

TEST_F(TlsClustersTest, AFailedHandshakeIsAFailedConnection) {
  const test::TestAuthority stranger("Stranger");
  TlsServer web(side(), answerRequests);
  setClusters({cluster("web", web.port(), upstreamTls(withValidation(trusting(stranger.pem()))))});
  setListeners({httpForward("web", "web")});
  start();
  const HttpMessage answer = httpGet(port("web"), "/");
  EXPECT_EQ(answer.status(), 503);
  EXPECT_THAT(answer.body, HasSubstr("reset reason: remote connection failure"));
  EXPECT_TRUE(proxy().waitForStat("cluster.web.ssl.fail_verify_error", 1));
  EXPECT_TRUE(proxy().waitForStat("cluster.web.upstream_cx_connect_fail", 1));
}

TEST_F(TlsClustersTest, TheRequestsHostIsTheServerName) {
  TlsServer web(side({"http/1.1"}), answerRequests);
  setClusters(
      {cluster("web", web.port(),
               upstreamTls(trust()) +
                   R"(, typed_extension_protocol_options: {envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {
  "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions,
  upstream_http_protocol_options: {auto_sni: true, auto_san_validation: true}, explicit_http_config: {http_protocol_options: {}}}})")});
  setListeners({httpForward("web", "web")});
  start({.arguments = {}, .concurrency = 1});
  HttpClient client(port("web"));
  EXPECT_EQ(client.get("/", "", "be.test").body, "be.test http/1.1");
  EXPECT_EQ(client.get("/", "", "other.test:80").body, "other.test http/1.1");
  EXPECT_EQ(client.get("/", "", "be.test").body, "be.test http/1.1");
  EXPECT_EQ(web.handshakes(), 2u) << "each name has a connection of its own, which is kept";
  EXPECT_EQ(client.get("/", "", "stranger.test").status(), 503) << "the certificate is not for it";
}

TEST_F(TlsClustersTest, EndpointsMetadataChoosesWhoSpeaksTls) {
  TlsServer tls(side(), "tls");
  EchoServer plain("plain");
  const auto labelled = [](uint16_t port, const std::string& mode) {
    return endpoint(port, "metadata: {filter_metadata: {envoy.transport_socket_match: {tlsMode: " + mode + "}}}");
  };
  const std::string matches =
      "transport_socket_matches: [{name: istio, match: {tlsMode: istio}, " + upstreamTls(trust(), "sni: be.test") +
      "}, {name: disabled, match: {}, transport_socket: {name: envoy.transport_sockets.raw_buffer}}]";
  setClusters({edsCluster("be", matches)});
  setEndpoints({assignment("be", {labelled(tls.port(), "istio")})});
  setListeners({forward("front", "be")});
  start();
  EXPECT_EQ(greetingOf(port("front")), "tls");
  EXPECT_EQ(proxy().stat("cluster.be.istio.total_match_count"), 1);
  setEndpoints({assignment("be", {labelled(plain.port(), "disabled")})});
  EXPECT_TRUE(waitGreeting(port("front"), "plain"));
  EXPECT_TRUE(proxy().waitForStat("cluster.be.disabled.total_match_count", 1));
}

TEST_F(TlsClustersTest, AClusterWaitsForItsSecretsAndTheOldOneServesOn) {
  TlsServer tls(side(), "tls");
  EchoServer plain("plain");
  setClusters({cluster("be", plain.port())});
  setListeners({forward("front", "be")});
  start();
  EXPECT_EQ(greetingOf(port("front")), "plain");
  setClusters({cluster("be", tls.port(), upstreamTls(withSdsValidation(sdsOverAds("root"))))});
  EXPECT_TRUE(proxy().waitForStat("cluster_manager.warming_clusters", 1));
  EXPECT_EQ(greetingOf(port("front")), "plain");
  EXPECT_THAT(proxy().get("/init_dump").body, HasSubstr("be"));
  controlPlane().setResources(xds::kSecretType, resources({validationSecret("root", authority_.pem())}));
  EXPECT_TRUE(waitGreeting(port("front"), "tls"));
  EXPECT_TRUE(proxy().waitForStat("cluster_manager.warming_clusters", 0));
}

}  // namespace
}  // namespace sluice::integration
