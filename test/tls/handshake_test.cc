// Whole handshakes between two transport sockets: what is agreed on, what is refused and in what words.

#include <gtest/gtest.h>

#include "test/tls/tls_pair.h"

namespace sluice::tls {
namespace {

using Key = test::CertificateRequest::Key;
using SanProto = envoy::extensions::transport_sockets::tls::v3::SubjectAltNameMatcher;

using HandshakeTest = TlsPairTest;

TEST_F(HandshakeTest, AgreesAndMovesBytes) {
  server_settings_.alpn = {"h2", "http/1.1"};
  client_settings_.alpn = {"http/1.1"};
  usual();
  ASSERT_TRUE(handshake());
  exchange();
  EXPECT_EQ("http/1.1", server_->transport().protocol());
  EXPECT_EQ("http/1.1", client_->transport().protocol());
  const SslConnection& info = server_->info();
  EXPECT_EQ("TLSv1.3", info.version());
  EXPECT_EQ("TLS_AES_128_GCM_SHA256", info.cipher());
  EXPECT_EQ(0x1301, info.cipherId());
  EXPECT_EQ("X25519", info.group());
  EXPECT_EQ("a.test", info.serverName());
  EXPECT_FALSE(info.resumed());
  EXPECT_FALSE(info.peerPresentedCertificate());
  EXPECT_EQ(nullptr, info.peer());
  EXPECT_EQ(std::vector<std::string>{"a.test"}, info.local()->dns_sans);
  EXPECT_TRUE(client_->info().peerCertificateValidated());
  EXPECT_EQ(info.local()->serial, client_->info().peer()->serial);
  EXPECT_EQ(1u, client_->info().peer()->chain_serials.size());
  EXPECT_EQ(1u, counter("listener.x.ssl.handshake"));
  EXPECT_EQ(1u, counter("listener.x.ssl.no_certificate"));
  EXPECT_EQ(1u, counter("listener.x.ssl.versions.TLSv1.3"));
  EXPECT_EQ(1u, counter("listener.x.ssl.ciphers.TLS_AES_128_GCM_SHA256"));
  EXPECT_EQ(1u, counter("listener.x.ssl.curves.X25519"));
  EXPECT_EQ(1u, counter("cluster.y.ssl.sigalgs.ecdsa_secp256r1_sha256"));
  EXPECT_EQ(0u, counter("listener.x.ssl.connection_error"));
}

TEST_F(HandshakeTest, CountsNamesTheSecondTimeWithoutMain) {
  usual();
  ASSERT_TRUE(handshake());
  ASSERT_TRUE(handshake());
  EXPECT_EQ(2u, counter("listener.x.ssl.versions.TLSv1.3"));
}

TEST_F(HandshakeTest, TlsInfoOutlivesTheConnection) {
  usual();
  ASSERT_TRUE(handshake());
  const std::shared_ptr<const net::TlsInfo> info = server_->transport().tlsInfo();
  server_.reset();
  client_.reset();
  EXPECT_EQ("a.test", info->serverName());
  EXPECT_EQ(std::vector<std::string>{"a.test"}, info->local()->dns_sans);
}

TEST_F(HandshakeTest, MutualWithNamesAndDetails) {
  server_settings_.require_client_certificate = true;
  ValidationContext::Proto server_validation = ca_.config();
  auto* matcher = server_validation.add_match_typed_subject_alt_names();
  matcher->set_san_type(SanProto::URI);
  matcher->mutable_matcher()->set_prefix("spiffe://td/");
  server_context_ = makeServer({{certificate(ca_.issueFor({"a.test"}))}, validation(server_validation), nullptr});
  test::CertificateRequest request;
  request.common_name = "me";
  request.uris = {"spiffe://td/me"};
  const test::TestCertificate mine = ca_.intermediate("middle").issue(request);
  client_context_ = makeClient({{certificate(mine)}, validation(ca_.config()), nullptr});
  ASSERT_TRUE(handshake()) << server_->transport().failureReason();
  const net::CertificateDetails* peer = server_->info().peer();
  EXPECT_TRUE(server_->info().peerCertificateValidated());
  EXPECT_EQ("CN=me", peer->subject);
  EXPECT_EQ("CN=middle", peer->issuer);
  EXPECT_EQ(mine.serial(), peer->serial);
  EXPECT_EQ(mine.sha256(), peer->sha256);
  EXPECT_EQ(std::vector<std::string>{"spiffe://td/me"}, peer->uri_sans);
  EXPECT_EQ(2u, peer->chain_sha256.size());
  EXPECT_EQ(0u, peer->pem.find("-----BEGIN%20CERTIFICATE-----%0A"));
  EXPECT_EQ(mine.serial(), client_->info().local()->serial);
  EXPECT_EQ(1u, counter("listener.x.ssl.sigalgs.ecdsa_secp256r1_sha256"));

  // Another identity of the same authority.
  request.uris = {"spiffe://other/me"};
  client_context_ = makeClient({{certificate(ca_.issue(request))}, validation(ca_.config()), nullptr});
  handshake();
  EXPECT_TRUE(server_->failed);
  EXPECT_EQ(1u, counter("listener.x.ssl.fail_verify_san"));
  const std::string reason(server_->transport().failureReason());
  EXPECT_EQ(0u, reason.find("TLS_error:|")) << reason;
  EXPECT_NE(std::string::npos,
            reason.find(
                ":SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:verify cert failed: SAN matcher, certificate "
                "SANs are [spiffe://other/me]:TLS_error_end"))
      << reason;
}

TEST_F(HandshakeTest, AClientWithoutItsCertificateIsRefused) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    server_settings_.require_client_certificate = true;
    server_settings_.max_version = version;
    server_context_ = makeServer({{certificate(ca_.issueFor({"a.test"}))}, validation(ca_.config()), nullptr});
    client_context_ = makeClient({{}, validation(ca_.config()), nullptr});
    const uint64_t before = counter("listener.x.ssl.fail_verify_no_cert");
    handshake();
    EXPECT_TRUE(server_->failed);
    EXPECT_FALSE(server_->connected);
    EXPECT_EQ(before + 1, counter("listener.x.ssl.fail_verify_no_cert"));
    EXPECT_NE(std::string::npos, server_->transport().failureReason().find(
                                     ":peer did not provide required client certificate:TLS_error_end"));
  }
  // Where it is optional, it is not.
  server_settings_.require_client_certificate = false;
  server_context_ = makeServer({{certificate(ca_.issueFor({"a.test"}))}, validation(ca_.config()), nullptr});
  EXPECT_TRUE(handshake());
  EXPECT_FALSE(server_->info().peerCertificateValidated());
}

TEST_F(HandshakeTest, BadClientCertificatesAreRefused) {
  server_settings_.require_client_certificate = true;
  const test::TestCertificate revoked = ca_.issueFor({"revoked"});
  ValidationContext::Proto message = ca_.config();
  message.mutable_crl()->set_inline_string(ca_.revoke({&revoked}));
  server_context_ = makeServer({{certificate(ca_.issueFor({"a.test"}))}, validation(message), nullptr});
  test::CertificateRequest expired;
  expired.not_before = -7200;
  expired.not_after = -3600;
  uint64_t failures = 0;
  for (const test::TestCertificate& bad :
       {revoked, ca_.issue(expired), test::selfSigned({}), test::TestAuthority("Other").issueFor({"x"})}) {
    client_context_ = makeClient({{certificate(bad)}, validation(ca_.config()), nullptr});
    handshake();
    EXPECT_TRUE(server_->failed);
    EXPECT_EQ(++failures, counter("listener.x.ssl.fail_verify_error"));
    EXPECT_TRUE(client_->failed);
    EXPECT_NE(std::string::npos, client_->transport().failureReason().find("ALERT"))
        << client_->transport().failureReason();
  }
  client_context_ = makeClient({{certificate(ca_.issueFor({"good"}))}, validation(ca_.config()), nullptr});
  EXPECT_TRUE(handshake());
}

TEST_F(HandshakeTest, BadServerCertificatesAreRefused) {
  usual();
  client_context_ = makeClient({{}, validation(test::TestAuthority("Other").config()), nullptr});
  handshake();
  EXPECT_TRUE(client_->failed);
  EXPECT_FALSE(client_->connected);
  EXPECT_EQ(1u, counter("cluster.y.ssl.fail_verify_error"));
  EXPECT_NE(std::string::npos, client_->transport().failureReason().find("CERTIFICATE_VERIFY_FAILED"));
  client_settings_.auto_sni_san_validation = true;
  client_settings_.sni = "b.test";
  client_context_ = makeClient({{}, validation(ca_.config()), nullptr});
  handshake();
  EXPECT_TRUE(client_->failed);
  EXPECT_EQ(1u, counter("cluster.y.ssl.fail_verify_san"));
  // Nobody asked: anything goes.
  client_settings_.auto_sni_san_validation = false;
  client_context_ = makeClient({});
  EXPECT_TRUE(handshake());
  EXPECT_FALSE(client_->info().peerCertificateValidated());
}

TEST_F(HandshakeTest, OptionsOfOneConnectionComeFirst) {
  server_settings_.alpn = {"istio", "h2"};
  client_settings_.alpn = {"h2"};
  client_settings_.auto_host_sni = true;
  usual();
  ASSERT_TRUE(handshake({nullptr, "host.test"}));
  EXPECT_EQ("host.test", server_->info().serverName());
  auto options = std::make_shared<net::TransportSocketOptions>();
  options->server_name = "wanted.test";
  options->protocols = {"istio"};
  options->verify_names = {"a.test"};
  ASSERT_TRUE(handshake({options, "host.test"}));
  EXPECT_EQ("wanted.test", server_->info().serverName());
  EXPECT_EQ("istio", client_->transport().protocol());
  options = std::make_shared<net::TransportSocketOptions>(*options);
  options->verify_names = {"other.test"};
  handshake({options, ""});
  EXPECT_TRUE(client_->failed);
  EXPECT_NE(std::string::npos, client_->transport().failureReason().find("verify SAN list, expected SANs: ["));

  client_settings_.alpn.clear();
  client_context_ = makeClient({});
  auto fallback = std::make_shared<net::TransportSocketOptions>();
  fallback->fallback_protocols = {"h2"};
  ASSERT_TRUE(handshake({fallback, ""}));
  EXPECT_EQ("h2", client_->transport().protocol());
}

TEST_F(HandshakeTest, VersionsBelowTheLeastAreRefused) {
  usual();
  client_settings_.min_version = TLS1_1_VERSION;
  client_settings_.max_version = TLS1_1_VERSION;
  client_settings_.ciphers = *readCiphers({"ECDHE-RSA-AES128-SHA"});
  client_context_ = makeClient({});
  handshake();
  EXPECT_TRUE(server_->failed);
  EXPECT_NE(std::string::npos, server_->transport().failureReason().find("UNSUPPORTED_PROTOCOL"))
      << server_->transport().failureReason();
  EXPECT_EQ(1u, counter("listener.x.ssl.connection_error"));
  // Where they are asked for, they are there.
  server_settings_.min_version = TLS1_VERSION;
  client_settings_.min_version = TLS1_VERSION;
  server_settings_.ciphers = *readCiphers({"ECDHE-RSA-AES128-SHA"});
  server_context_ = makeServer({{certificate(ca_.issueFor({"a.test"}, Key::Rsa))}, nullptr, nullptr});
  client_context_ = makeClient({});
  ASSERT_TRUE(handshake()) << server_->transport().failureReason() << client_->transport().failureReason();
  EXPECT_EQ("TLSv1.1", server_->info().version());
}

TEST_F(HandshakeTest, CertificatesAreChosenByNameAndKey) {
  const test::TestCertificate a_ec = ca_.issueFor({"a.test"});
  const test::TestCertificate a_rsa = ca_.issueFor({"a.test"}, Key::Rsa);
  const test::TestCertificate wild = ca_.issueFor({"*.w.test"});
  const test::TestCertificate exact = ca_.issueFor({"x.w.test"});
  const test::TestCertificate first = ca_.issueFor({"first.test"}, Key::Rsa);
  const Materials materials = {
      {certificate(first), certificate(a_rsa), certificate(a_ec), certificate(wild), certificate(exact)},
      nullptr,
      nullptr};
  server_context_ = makeServer(materials);
  const auto serialFor = [this](const std::string& name) {
    client_settings_.sni = name;
    client_context_ = makeClient({});
    EXPECT_TRUE(handshake()) << name;
    return client_->info().peer()->serial;
  };
  EXPECT_EQ(a_ec.serial(), serialFor("A.test"));
  EXPECT_EQ(wild.serial(), serialFor("y.w.test"));
  EXPECT_EQ(exact.serial(), serialFor("x.w.test"));
  EXPECT_EQ(first.serial(), serialFor("z.y.w.test"));
  EXPECT_EQ(first.serial(), serialFor("unknown.test"));
  EXPECT_EQ(a_ec.serial(), serialFor(""));
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    client_settings_.max_version = version;
    client_settings_.signature_algorithms = "rsa_pss_rsae_sha256:rsa_pkcs1_sha256";
    EXPECT_EQ(a_rsa.serial(), serialFor("a.test"));
  }
  client_settings_.signature_algorithms = "";
  client_settings_.max_version = TLS1_2_VERSION;
  client_settings_.ciphers = *readCiphers({"ECDHE-RSA-AES128-GCM-SHA256"});
  EXPECT_EQ(a_rsa.serial(), serialFor("a.test"));
  client_settings_.ciphers = defaultCiphers();
  server_settings_.full_scan_on_sni_mismatch = true;
  server_context_ = makeServer(materials);
  EXPECT_EQ(a_ec.serial(), serialFor("unknown.test"));
  // The one of that name has a key that the client does not take.
  client_settings_.ciphers = *readCiphers({"ECDHE-RSA-AES128-GCM-SHA256"});
  EXPECT_EQ(first.serial(), serialFor("y.w.test"));
}

TEST_F(HandshakeTest, TakesAClientsCurveThatKeysAreNotExchangedOver) {
  test::CertificateRequest request;
  request.dns = {"me.test"};
  request.key = Key::Ec384;
  const test::TestCertificate me = ca_.issue(request);
  server_settings_.require_client_certificate = true;
  server_context_ = makeServer({{certificate(ca_.issueFor({"a.test"}))}, validation(ca_.config()), nullptr});
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    client_settings_.max_version = version;
    client_settings_.groups = "P-256:P-384";
    client_context_ = makeClient({{certificate(me)}, nullptr, nullptr});
    ASSERT_TRUE(handshake()) << server_->transport().failureReason();
    EXPECT_EQ("P-256", server_->info().group());
  }
}

TEST_F(HandshakeTest, OfTls13TheSignatureAlgorithmsTellTheCurves) {
  test::CertificateRequest request;
  request.dns = {"a.test"};
  request.key = Key::Ec384;
  const test::TestCertificate p384 = ca_.issue(request);
  const test::TestCertificate p256 = ca_.issueFor({"a.test"});
  server_context_ = makeServer({{certificate(p384), certificate(p256)}, nullptr, nullptr});
  client_context_ = makeClient({});
  ASSERT_TRUE(handshake());
  EXPECT_EQ(p384.serial(), client_->info().peer()->serial);
  client_settings_.signature_algorithms = "ecdsa_secp256r1_sha256";
  client_context_ = makeClient({});
  ASSERT_TRUE(handshake()) << server_->transport().failureReason();
  EXPECT_EQ(p256.serial(), client_->info().peer()->serial);
}

TEST_F(HandshakeTest, OcspResponsesByPolicy) {
  const test::TestCertificate issued = ca_.issueFor({"a.test"});
  const auto stapled = [&](int64_t until) {
    Certificate::Proto message = issued.config();
    message.mutable_ocsp_staple()->set_inline_bytes(ca_.ocsp(issued, -60, until));
    return certificate(message);
  };
  const auto asks = [this](std::shared_ptr<const Certificate> with, OcspPolicy policy) {
    server_settings_.ocsp_policy = policy;
    server_context_ = makeServer({{std::move(with)}, nullptr, nullptr});
    client_context_ = makeClient({});
    connect();
    SSL* ssl = client_->transport().ssl();
    SSL_set_tlsext_status_type(ssl, TLSEXT_STATUSTYPE_ocsp);
    pump();
    const unsigned char* response = nullptr;
    return std::pair(client_->connected && !client_->failed, SSL_get_tlsext_status_ocsp_resp(ssl, &response) > 0);
  };
  EXPECT_EQ(std::pair(true, true), asks(stapled(3600), OcspPolicy::Lenient));
  EXPECT_EQ(1u, counter("listener.x.ssl.ocsp_staple_responses"));
  EXPECT_EQ(std::pair(true, false), asks(stapled(-30), OcspPolicy::Lenient));
  EXPECT_EQ(std::pair(true, false), asks(certificate(issued), OcspPolicy::Strict));
  EXPECT_EQ(2u, counter("listener.x.ssl.ocsp_staple_omitted"));
  EXPECT_FALSE(asks(stapled(-30), OcspPolicy::Strict).first);
  EXPECT_EQ(1u, counter("listener.x.ssl.ocsp_staple_failed"));
  EXPECT_EQ(4u, counter("listener.x.ssl.ocsp_staple_requests"));
  server_settings_.ocsp_policy = OcspPolicy::MustStaple;
  const auto refused = Context::create(std::make_shared<Settings>(server_settings_),
                                       {{certificate(issued)}, nullptr, nullptr}, server_stats_);
  EXPECT_EQ("ocsp_staple_policy MUST_STAPLE needs an OCSP response for each certificate", refused.status().message());
}

TEST_F(HandshakeTest, RsaKeyUsage) {
  test::CertificateRequest request;
  request.dns = {"a.test"};
  request.key = Key::Rsa;
  request.key_usage = "keyEncipherment";
  client_settings_.enforce_rsa_key_usage = false;
  usual();
  server_context_ = makeServer({{certificate(ca_.issue(request))}, nullptr, nullptr});
  EXPECT_TRUE(handshake());
  EXPECT_EQ(1u, counter("cluster.y.ssl.was_key_usage_invalid"));
  client_settings_.enforce_rsa_key_usage = true;
  client_context_ = makeClient({{}, validation(ca_.config()), nullptr});
  EXPECT_FALSE(handshake());
}

TEST_F(HandshakeTest, PlainTextAndJunkAreErrors) {
  usual();
  connect();
  client_->close();
  auto [ours, theirs] = test::unixPair();
  server_ = std::make_unique<Side>(std::move(ours), server_context_);
  test::sendSome(theirs, "GET / HTTP/1.1\r\n\r\n");
  while (server_->step()) {
  }
  EXPECT_TRUE(server_->failed);
  EXPECT_NE(std::string::npos, server_->transport().failureReason().find("HTTP_REQUEST"))
      << server_->transport().failureReason();
  EXPECT_EQ(1u, counter("listener.x.ssl.connection_error"));
}

TEST_F(HandshakeTest, APeerThatStopsInTheMiddleIsGone) {
  usual();
  connect();
  client_->step();
  client_->close();
  server_->step(true);
  EXPECT_TRUE(server_->failed);
  EXPECT_FALSE(server_->connected);
  EXPECT_EQ("", server_->transport().failureReason());
}

}  // namespace
}  // namespace sluice::tls
