// Secrets from a control plane and from files: warming, rotation under traffic, refusals.

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "test/integration/harness/mesh.h"
#include "test/integration/harness/tls.h"

namespace sluice::integration {
namespace {

using test::CertificateRequest;
using test::TestAuthority;
using test::TestCertificate;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class SdsTest : public MeshTest {
 protected:
  static std::string tlsListener(const std::string& name, const std::string& common, const std::string& extra = "") {
    return listener(name, {chain("tls", {tcpProxy("blue")}, downstreamTls(common, extra))});
  }
  static std::string front(const std::string& secret = "cert", const std::string& sds_extra = "") {
    return tlsListener("front", withSdsCertificate(sdsOverAds(secret, sds_extra)));
  }
  void startServing() {
    setClusters({cluster("blue", blue_.port())});
    setSecrets({certificateSecret("cert", one_)});
    setListeners({front()});
    start();
    port_ = port("front");
    EXPECT_EQ(servedSerial(port_), one_.serial());
  }
  bool asksFor(const std::string& secret) {
    return controlPlane()
        .waitForRequest([&](const control_plane_mock::Request& request) {
          return request.type_url == xds::kSecretType &&
                 std::find(request.names.begin(), request.names.end(), secret) != request.names.end();
        })
        .has_value();
  }
  std::string page(const std::string& path) { return proxy().get(path).body; }
  /** Its key does not belong to it. */
  std::string mixedSecret() const {
    return certificateSecret("cert", one_.chain(),
                             authority_.issueFor({"localhost"}, CertificateRequest::Key::Rsa).key_pem);
  }

  TestAuthority authority_;
  TestCertificate one_ = authority_.issueFor({"localhost"});
  TestCertificate two_ = authority_.issueFor({"localhost"});
  EchoServer blue_{"blue"};
  uint16_t port_ = 0;
};

TEST_F(SdsTest, AListenerWarmsUntilItsSecretComes) {
  setClusters({cluster("blue", blue_.port())});
  setListeners({});
  start();
  setListeners({front()});
  EXPECT_TRUE(asksFor("cert"));
  EXPECT_TRUE(proxy().waitForStat("listener_manager.total_listeners_warming", 1));
  EXPECT_THAT(page("/init_dump"), HasSubstr("SdsApi cert"));
  EXPECT_THAT(page("/config_dump?resource=dynamic_warming_secrets"),
              AllOf(HasSubstr("\"uninitialized\""), HasSubstr("transport_sockets.tls.v3.Secret\"")));
  setSecrets({certificateSecret("cert", one_)});
  EXPECT_EQ(servedSerial(port("front")), one_.serial());
  EXPECT_EQ(tlsGreetingOf(port("front")), "blue");
  EXPECT_EQ(proxy().stat("sds.cert.update_success"), 1);
}

TEST_F(SdsTest, OnlyTheListenerWaitsThatNamesTheSecret) {
  setClusters({cluster("blue", blue_.port())});
  setListeners({});
  start();
  setListeners({front("cert", "initial_fetch_timeout: 0s"), forward("plain", "blue")});
  EXPECT_EQ(greetingOf(port("plain")), "blue");
  EXPECT_EQ(proxy().listenerPort("front"), std::nullopt);
}

TEST_F(SdsTest, AfterTheFetchTimeoutTheListenerServesWithoutIt) {
  setClusters({cluster("blue", blue_.port())});
  setListeners({});
  start();
  setListeners({front("cert", "initial_fetch_timeout: 0.2s")});
  EXPECT_NE(port("front"), 0);
  EXPECT_EQ(proxy().stat("sds.cert.init_fetch_timeout"), 1);
  EXPECT_EQ(tlsGreetingOf(port("front")), "");
  setSecrets({certificateSecret("cert", one_)});
  EXPECT_TRUE(waitForSerial(port("front"), one_.serial()));
}

TEST_F(SdsTest, RotationFailsNoHandshakeAndClosesNoConnection) {
  startServing();
  TlsConnection held = TlsConnection::connect(port_);
  std::string greeting;
  EXPECT_TRUE(held.readLine(greeting));
  SteadyTlsLoad load(port_, 3);
  for (int i = 0; i < 10; ++i) {
    setSecrets({certificateSecret("cert", i % 2 == 0 ? two_ : one_)});
    EXPECT_TRUE(waitForSerial(port_, (i % 2 == 0 ? two_ : one_).serial()));
  }
  load.stop();
  EXPECT_EQ(load.failed(), 0u) << load.error();
  EXPECT_GT(load.greeted(), 0u);
  EXPECT_TRUE(held.echo("still there"));
  EXPECT_EQ(held.peerSerial(), one_.serial());
  EXPECT_EQ(proxy().stat("listener_manager.listener_modified"), 0);
}

TEST_F(SdsTest, AChangeWithEveryHandshake) {
  startServing();
  SteadyTlsLoad load(port_, 2);
  std::string last;
  for (int i = 0; i < 200; ++i) {
    last = controlPlane().setResources(xds::kSecretType, resources({certificateSecret("cert", i % 2 ? one_ : two_)}));
    ASSERT_TRUE(load.waitUntilGreeted(load.greeted() + 1)) << load.error();
  }
  last = controlPlane().setResources(xds::kSecretType, resources({certificateSecret("cert", two_)}));
  EXPECT_TRUE(controlPlane().waitForAck(xds::kSecretType, last));
  EXPECT_TRUE(waitForSerial(port_, two_.serial()));
  load.stop();
  EXPECT_EQ(load.failed(), 0u) << load.error();
}

TEST_F(SdsTest, ABrokenSecretIsRefusedAndTheOldOneServesOn) {
  startServing();
  EXPECT_THAT(refusedSecrets({mixedSecret()}),
              AllOf(HasSubstr("\"cert\""), HasSubstr("tls_certificate.private_key"), Not(HasSubstr("PRIVATE KEY"))));
  EXPECT_THAT(refusedSecrets({certificateSecret("cert", "junk", "junk")}),
              AllOf(HasSubstr("\"cert\""), HasSubstr("tls_certificate.certificate_chain")));
  EXPECT_THAT(refusedSecrets({validationSecret("cert", authority_.pem())}), HasSubstr("must be a tls_certificate"));
  EXPECT_EQ(servedSerial(port_), one_.serial());
  EXPECT_EQ(proxy().stat("sds.cert.update_rejected"), 3);
  EXPECT_THAT(page("/config_dump?resource=dynamic_active_secrets"), HasSubstr("error_state"));
  setSecrets({certificateSecret("cert", two_)});
  EXPECT_TRUE(waitForSerial(port_, two_.serial()));
}

TEST_F(SdsTest, ASecretThatTheServerTakesAwayStays) {
  startServing();
  envoy::service::discovery::v3::DiscoveryResponse nothing;
  nothing.set_type_url(std::string(xds::kSecretType));
  nothing.set_version_info("none");
  controlPlane().send(nothing);
  EXPECT_TRUE(controlPlane().waitForAck(xds::kSecretType, "none"));
  EXPECT_EQ(servedSerial(port_), one_.serial());
  setSecrets({certificateSecret("cert", two_)});
  EXPECT_TRUE(waitForSerial(port_, two_.serial()));
}

TEST_F(SdsTest, NobodyAsksForASecretAnyMoreThatNobodyNames) {
  startServing();
  setListeners({forward("front", "blue")});
  EXPECT_TRUE(controlPlane()
                  .waitForRequest([](const control_plane_mock::Request& request) {
                    return request.type_url == xds::kSecretType && request.version != "" && request.names.empty();
                  })
                  .has_value());
}

TEST_F(SdsTest, TheClientsAuthorityRotatesToo) {
  const TestAuthority other("Another CA");
  TlsSide client;
  client.present(one_);
  setClusters({cluster("blue", blue_.port())});
  setSecrets({certificateSecret("cert", one_), validationSecret("ca", authority_.pem())});
  setListeners({tlsListener("front",
                            withSdsCertificate(sdsOverAds("cert")) + ", combined_validation_context: {" +
                                "default_validation_context: {}, " + withSdsValidation(sdsOverAds("ca")) + "}",
                            "require_client_certificate: true")});
  start();
  port_ = port("front");
  EXPECT_EQ(tlsGreetingOf(port_, client), "blue");
  EXPECT_EQ(tlsGreetingOf(port_), "");
  setSecrets({certificateSecret("cert", one_), validationSecret("ca", other.pem())});
  EXPECT_TRUE(eventually([&] { return tlsGreetingOf(port_, client).empty(); }));
  client.present(other.issueFor({"client"}));
  EXPECT_EQ(tlsGreetingOf(port_, client), "blue");
}

TEST_F(SdsTest, AClusterWarmsUntilItsAuthorityComes) {
  TlsSide side;
  side.present(two_);
  TlsServer backend(side, "ciphered");
  setListeners({forward("front", "blue")});
  setClusters(
      {cluster("blue", backend.port(), upstreamTls(withSdsValidation(sdsOverAds("ca", "initial_fetch_timeout: 0s"))))});
  launch();
  EXPECT_TRUE(asksFor("ca"));
  EXPECT_THAT(page("/init_dump"), HasSubstr("SdsApi ca"));
  setSecrets({validationSecret("ca", authority_.pem())});
  EXPECT_TRUE(waitGreeting(port("front"), "ciphered"));
  const TestAuthority other("Another CA");
  setSecrets({validationSecret("ca", other.pem())});
  EXPECT_TRUE(eventually([&] { return greetingOf(port("front")).empty(); }));
}

TEST_F(SdsTest, SecretsOverAStreamOfTheirOwn) {
  for (const std::string api : {"GRPC", "DELTA_GRPC"}) {
    setClusters({cluster("blue", blue_.port())});
    setSecrets({certificateSecret("cert", one_)});
    setListeners({tlsListener(
        "front",
        withSdsCertificate("{name: cert, sds_config: {resource_api_version: V3, api_config_source: {api_type: " + api +
                           ", transport_api_version: V3, grpc_services: [{envoy_grpc: {cluster_name: "
                           "control_plane}}]}}}"))});
    start();
    port_ = port("front");
    EXPECT_EQ(servedSerial(port_), one_.serial()) << api;
    SteadyTlsLoad load(port_, 2);
    setSecrets({certificateSecret("cert", two_)});
    EXPECT_TRUE(waitForSerial(port_, two_.serial())) << api;
    load.stop();
    EXPECT_EQ(load.failed(), 0u) << load.error();
    stopProxy();
  }
}

TEST_F(SdsTest, ManySecretsForManyChains) {
  constexpr int kMany = 300;
  const auto source = [](int i) { return "127.1." + std::to_string(i / 100) + "." + std::to_string(1 + i % 100); };
  Yamls chains;
  Yamls secrets;
  std::vector<TestCertificate> certificates;
  for (int i = 0; i < kMany; ++i) {
    const std::string name = "host" + std::to_string(i);
    certificates.push_back(authority_.issueFor({name}));
    secrets.push_back(certificateSecret(name, certificates.back()));
    chains.push_back(chain(name, {tcpProxy("blue")},
                           fromSource(source(i)) + ", " + downstreamTls(withSdsCertificate(sdsOverAds(name)))));
  }
  setClusters({cluster("blue", blue_.port())});
  setSecrets(secrets);
  setListeners({listener("front", chains)});
  start();
  port_ = port("front");
  for (const int i : {0, 117, kMany - 1}) {
    TlsSide side;
    side.from = source(i);
    EXPECT_EQ(TlsConnection::connect(port_, side).peerSerial(), certificates[i].serial());
  }
}

TEST_F(SdsTest, AdminPagesShowSecretsWithoutTheirKeys) {
  startServing();
  const std::string dump = page("/config_dump?resource=dynamic_active_secrets");
  EXPECT_THAT(dump, AllOf(HasSubstr("\"name\": \"cert\""), HasSubstr("\"version_info\": \"1\""),
                          HasSubstr("\"inline_string\": \"[redacted]\""), Not(HasSubstr("PRIVATE KEY"))));
  setListeners({front(), tlsListener("inline", withCertificates({tlsCertificate(two_)}))});
  port("inline");
  EXPECT_THAT(page("/config_dump"), AllOf(HasSubstr("[redacted]"), Not(HasSubstr("PRIVATE KEY"))));
  EXPECT_THAT(page("/certs"),
              AllOf(HasSubstr(one_.serial()), HasSubstr(two_.serial()), HasSubstr("\"path\": \"\\u003cinline\\u003e\""),
                    HasSubstr("\"dns\": \"localhost\""), HasSubstr("\"days_until_expiration\": \"")));
  EXPECT_TRUE(eventually([&] { return proxy().stat("server.days_until_first_cert_expiring").value_or(99) == 0; }));
}

/** Secrets without a control plane. */
class SecretFilesTest : public ::testing::Test {
 protected:
  std::string front(const std::string& common) {
    return listener("front", {chain("tls", {tcpProxy("blue")}, downstreamTls(common))});
  }
  void start(const std::string& common, const std::string& extra = "") {
    proxy_ = std::make_unique<Proxy>(staticResources({cluster("blue", blue_.port())}, {front(common)}, extra));
    ASSERT_TRUE(proxy_->waitReady());
    port_ = proxy_->listenerPort("front").value_or(0);
  }
  std::string sdsOverFile(const std::string& file, const std::string& extra = "") {
    return withSdsCertificate("{name: cert, sds_config: {resource_api_version: V3, path_config_source: {path: \"" +
                              folder_.path() + "/" + file + "\"" + extra + "}}}");
  }
  std::string certificateFiles(const std::string& extra = "") {
    return "{certificate_chain: {filename: \"" + folder_.path() + "/cert.pem\"}, private_key: {filename: \"" +
           folder_.path() + "/key.pem\"}" + extra + "}";
  }
  void writeFiles(const TestCertificate& certificate) {
    folder_.write("cert.pem", certificate.chain());
    folder_.write("key.pem", certificate.key_pem);
  }

  TestAuthority authority_;
  TestCertificate one_ = authority_.issueFor({"localhost"});
  TestCertificate two_ = authority_.issueFor({"localhost"});
  TestCertificate rsa_ = authority_.issueFor({"localhost"}, CertificateRequest::Key::Rsa);
  EchoServer blue_{"blue"};
  TempFolder folder_;
  std::unique_ptr<Proxy> proxy_;
  uint16_t port_ = 0;
};

TEST_F(SecretFilesTest, AFileOfSecretsIsReadAnewWhenItIsMoved) {
  const auto file = [](const std::string& secret) { return "resources:\n- " + secret + "\n"; };
  folder_.write("sds.yaml", file(certificateSecret("cert", one_)));
  start(sdsOverFile("sds.yaml"));
  EXPECT_EQ(servedSerial(port_), one_.serial());
  SteadyTlsLoad load(port_, 2);
  folder_.write("sds.yaml", file(certificateSecret("cert", two_)));
  EXPECT_TRUE(waitForSerial(port_, two_.serial()));
  folder_.write("sds.yaml", file(certificateSecret("cert", "junk", "junk")));
  EXPECT_TRUE(proxy_->waitForStat("sds.cert.update_rejected", 1));
  EXPECT_EQ(servedSerial(port_), two_.serial());
  load.stop();
  EXPECT_EQ(load.failed(), 0u) << load.error();
}

TEST_F(SecretFilesTest, TheFilesThatItNamesAreWatched) {
  writeFiles(one_);
  folder_.write("sds.json",
                "{\"resources\": [{\"@type\": \"type.googleapis.com/envoy.extensions.transport_sockets.tls."
                "v3.Secret\", \"name\": \"cert\", \"tls_certificate\": {\"certificate_chain\": "
                "{\"filename\": \"" +
                    folder_.path() + "/cert.pem\"}, \"private_key\": {\"filename\": \"" + folder_.path() +
                    "/key.pem\"}}}]}");
  start(sdsOverFile("sds.json"));
  EXPECT_EQ(servedSerial(port_), one_.serial());
  SteadyTlsLoad load(port_, 2);
  folder_.write("cert.pem", rsa_.chain());
  EXPECT_TRUE(proxy_->waitForStatAtLeast("sds.cert.key_rotation_failed", 1));
  EXPECT_EQ(servedSerial(port_), one_.serial());
  folder_.write("key.pem", rsa_.key_pem);
  EXPECT_TRUE(waitForSerial(port_, rsa_.serial()));
  load.stop();
  EXPECT_EQ(load.failed(), 0u) << load.error();
}

TEST_F(SecretFilesTest, InlineOnesWithAWatchedDirectory) {
  writeFiles(one_);
  start(withCertificates({certificateFiles(", watched_directory: {path: \"" + folder_.path() + "\"}")}));
  EXPECT_EQ(servedSerial(port_), one_.serial());
  writeFiles(two_);
  EXPECT_TRUE(waitForSerial(port_, two_.serial()));
}

TEST_F(SecretFilesTest, SecretsOfTheBootstrap) {
  start(withSdsCertificate(staticSecret("mine")),
        "secrets: [{name: mine, tls_certificate: " + tlsCertificate(one_) + "}]");
  EXPECT_EQ(servedSerial(port_), one_.serial());
  EXPECT_THAT(proxy_->get("/config_dump?resource=static_secrets").body,
              AllOf(HasSubstr("\"mine\""), HasSubstr("[redacted]"), Not(HasSubstr("PRIVATE KEY"))));
}

TEST_F(SecretFilesTest, ASecretThatTheBootstrapDoesNotHave) {
  folder_.write("bootstrap.yaml",
                staticResources({cluster("blue", blue_.port())}, {front(withSdsCertificate(staticSecret("missing")))}));
  const RunResult result = runProgram({"--mode", "validate", "--config-path", folder_.path() + "/bootstrap.yaml"});
  EXPECT_NE(result.status, 0);
  EXPECT_THAT(result.output, AllOf(HasSubstr("tls_certificate_sds_secret_configs[0].name"), HasSubstr("'missing'")));
}

}  // namespace
}  // namespace sluice::integration
