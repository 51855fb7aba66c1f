// DownstreamTlsContext and UpstreamTlsContext as configuration has them: what they become, and what is refused where.

#include "source/filters/transport/tls.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include <gtest/gtest.h>

#include "source/config/loader.h"
#include "source/stats/store.h"
#include "source/thread/slot.h"
#include "source/tls/certificate.h"
#include "source/tls/pem.h"
#include "source/tls/session_ticket_keys.h"
#include "source/tls/tls_transport_socket.h"
#include "source/tls/validation_context.h"
#include "test/support/certificates.h"
#include "test/support/fake_dispatcher.h"

namespace sluice::filters {
namespace {

namespace proto = envoy::extensions::transport_sockets::tls::v3;

template <class Content>
class Fixed final : public tls::SecretProvider<Content> {
 public:
  explicit Fixed(std::shared_ptr<const Content> content) : content_(std::move(content)) {}
  std::shared_ptr<const Content> content() const override { return content_; }
  base::CallbackHandlePtr onChange(std::function<void()>) override { return nullptr; }

 private:
  const std::shared_ptr<const Content> content_;
};

/** Knows what is inline; what is named is never there. */
class InlineSecrets final : public tls::SecretSource {
 public:
  template <class Content, class Message>
  static Provider<Content> inlined(const Message& message, const config::FieldPath& path,
                                   config::Violations& violations) {
    auto content = Content::create(message, path, violations);
    return content == nullptr ? nullptr : std::make_shared<Fixed<Content>>(std::move(content));
  }
  Provider<tls::Certificate> certificate(const proto::TlsCertificate& message, const config::FieldPath& path,
                                         config::Violations& violations) override {
    return inlined<tls::Certificate>(message, path, violations);
  }
  Provider<tls::Certificate> certificate(const SdsSecretConfig&, const config::FieldPath&, xds::InitManager&,
                                         config::Violations&) override {
    return std::make_shared<Fixed<tls::Certificate>>(nullptr);
  }
  Provider<tls::ValidationContext> validation(const proto::CertificateValidationContext& message,
                                              const config::FieldPath& path, config::Violations& violations) override {
    return inlined<tls::ValidationContext>(message, path, violations);
  }
  Provider<tls::ValidationContext> validation(const SdsSecretConfig&, const proto::CertificateValidationContext*,
                                              const config::FieldPath&, xds::InitManager&,
                                              config::Violations&) override {
    return std::make_shared<Fixed<tls::ValidationContext>>(nullptr);
  }
  Provider<tls::SessionTicketKeys> ticketKeys(const proto::TlsSessionTicketKeys& message, const config::FieldPath& path,
                                              config::Violations& violations) override {
    return inlined<tls::SessionTicketKeys>(message, path, violations);
  }
  Provider<tls::SessionTicketKeys> ticketKeys(const SdsSecretConfig&, const config::FieldPath&, xds::InitManager&,
                                              config::Violations&) override {
    return std::make_shared<Fixed<tls::SessionTicketKeys>>(nullptr);
  }
  Provider<tls::GenericSecret> generic(const SdsSecretConfig&, const config::FieldPath&, xds::InitManager&,
                                       config::Violations&) override {
    return nullptr;
  }
};

class TlsConfigTest : public testing::Test {
 protected:
  ~TlsConfigTest() override {
    made_.reset();
    downstream_.reset();
    upstream_.reset();
    contexts_.reset();
    main_.runUntilIdle();
    slots_.shutdownThread(main_);
  }
  /** "" where it was taken, else the mistakes. */
  std::string downstream(const proto::DownstreamTlsContext& message) {
    xds::InitManager init{"test"};
    listener::FactoryContext context{init, "l", "127.0.0.1_80"};
    config::Violations violations;
    made_ = downstream_->create(message, config::FieldPath("t"), context, violations);
    EXPECT_EQ(made_ == nullptr, !violations.empty());
    return violations.toString();
  }
  std::string upstream(const proto::UpstreamTlsContext& message) {
    xds::InitManager init{"test"};
    cluster::TransportContext context{init, store_.createScope("cluster.c"), "c"};
    config::Violations violations;
    made_ = upstream_->create(message, config::FieldPath("t"), context, violations);
    EXPECT_EQ(made_ == nullptr, !violations.empty());
    return violations.toString();
  }
  template <class Message>
  static Message parsed(absl::string_view yaml) {
    Message message;
    config::Violations violations;
    EXPECT_TRUE(config::parseYaml(yaml, message, {}, nullptr, violations)) << violations.toString();
    return message;
  }
  proto::DownstreamTlsContext server(absl::string_view yaml = "{}") {
    auto message = parsed<proto::DownstreamTlsContext>(yaml);
    *message.mutable_common_tls_context()->add_tls_certificates() = ca_.issueFor({"a.test"}).config();
    return message;
  }
  const tls::Settings& settings() {
    socket_ = made_->create({});
    auto& tls = dynamic_cast<tls::TlsTransportSocket&>(*socket_);
    return tls::SslConnection::of(tls.ssl()).context().settings();
  }

  test::TestAuthority ca_;
  test::FakeDispatcher main_;
  stats::Store store_;
  thread::SlotAllocator slots_{main_};
  thread::FileWriter files_{*store_.root(), {}};
  InlineSecrets secrets_;
  std::shared_ptr<tls::ContextPublisher> contexts_ = std::make_shared<tls::ContextPublisher>(main_, slots_);
  std::unique_ptr<listener::DownstreamTransportSocketFactory> downstream_ =
      tlsDownstreamFactory({main_, store_.root(), files_, secrets_, contexts_});
  std::unique_ptr<cluster::UpstreamTransportSocketFactory> upstream_ =
      tlsUpstreamFactory({main_, store_.root(), files_, secrets_, contexts_});
  std::shared_ptr<const net::TransportSocketFactory> made_;
  std::unique_ptr<net::TransportSocket> socket_;
};

TEST_F(TlsConfigTest, DefaultsAreEnvoys) {
  ASSERT_EQ("", downstream(server()));
  EXPECT_TRUE(made_->isTls());
  EXPECT_FALSE(made_->readsOptions());
  EXPECT_EQ(TLS1_2_VERSION, settings().min_version);
  EXPECT_EQ(TLS1_3_VERSION, settings().max_version);
  EXPECT_FALSE(settings().require_client_certificate);
  EXPECT_TRUE(settings().stateless_resumption && settings().stateful_resumption);
  ASSERT_EQ("", upstream({}));
  EXPECT_TRUE(made_->readsOptions());
  EXPECT_EQ(TLS1_2_VERSION, settings().max_version);
  EXPECT_EQ(1u, settings().max_session_keys);
  EXPECT_TRUE(settings().enforce_rsa_key_usage);
}

TEST_F(TlsConfigTest, ReadsWhatIsSet) {
  ASSERT_EQ("", downstream(server(R"(
common_tls_context:
  tls_params: {tls_minimum_protocol_version: TLSv1_3, ecdh_curves: [P-384, X25519], signature_algorithms: [rsa_pss_rsae_sha256]}
  alpn_protocols: [h2, http/1.1]
require_client_certificate: true
disable_stateless_session_resumption: true
disable_stateful_session_resumption: true
session_timeout: 30s
prefer_client_ciphers: true
full_scan_certs_on_sni_mismatch: true
ocsp_staple_policy: STRICT_STAPLING
)")));
  const tls::Settings& read = settings();
  EXPECT_EQ(TLS1_3_VERSION, read.min_version);
  EXPECT_EQ("P-384:X25519", read.groups);
  EXPECT_EQ("rsa_pss_rsae_sha256", read.signature_algorithms);
  EXPECT_EQ((std::vector<std::string>{"h2", "http/1.1"}), read.alpn);
  EXPECT_TRUE(read.require_client_certificate && read.prefer_client_ciphers && read.full_scan_on_sni_mismatch);
  EXPECT_FALSE(read.stateless_resumption || read.stateful_resumption);
  EXPECT_EQ(std::chrono::seconds(30), read.session_timeout);
  EXPECT_EQ(tls::OcspPolicy::Strict, read.ocsp_policy);
}

TEST_F(TlsConfigTest, CiphersInTheSpellingOfEnvoysDocumentation) {
  ASSERT_EQ("", downstream(server(R"(
common_tls_context:
  tls_params:
    cipher_suites: ["[ECDHE-ECDSA-AES128-GCM-SHA256|ECDHE-ECDSA-CHACHA20-POLY1305]", "ECDHE-RSA-AES256-SHA"]
)")));
  EXPECT_EQ("ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-AES256-SHA:!aNULL:!eNULL",
            settings().ciphers.text);
  EXPECT_TRUE(settings().ciphers.client_chooses_chacha);
}

TEST_F(TlsConfigTest, CiphersInTheSpellingOfTheRfcs) {
  ASSERT_EQ("", downstream(server(
                    "{common_tls_context: {tls_params: {cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]}}}")));
  EXPECT_EQ("ECDHE-RSA-AES128-GCM-SHA256:!aNULL:!eNULL", settings().ciphers.text);
}

TEST_F(TlsConfigTest, NoCipherLeavesOutEncryptionOrAuthentication) {
  const std::string at = "t.common_tls_context.tls_params.cipher_suites: ";
  for (const char* nothing : {"NULL", "ADH-AES128-SHA", "aNULL"}) {
    auto message = server();
    message.mutable_common_tls_context()->mutable_tls_params()->add_cipher_suites(nothing);
    EXPECT_EQ(at + "without encryption or authentication: '" + nothing + "'\n", downstream(message));
  }
  auto message = server();
  message.mutable_common_tls_context()->mutable_tls_params()->add_cipher_suites("ALL");
  message.mutable_common_tls_context()->mutable_tls_params()->set_tls_minimum_protocol_version(
      proto::TlsParameters::TLSv1_0);
  ASSERT_EQ("", downstream(message));
  const tls::SslCtxPtr ctx(SSL_CTX_new(TLS_method()));
  SSL_CTX_set_security_level(ctx.get(), 0);
  ASSERT_EQ(1, SSL_CTX_set_cipher_list(ctx.get(), settings().ciphers.text.c_str()));
  const STACK_OF(SSL_CIPHER)* left = SSL_CTX_get_ciphers(ctx.get());
  for (int i = 0; i < sk_SSL_CIPHER_num(left); ++i) {
    EXPECT_NE(NID_auth_null, SSL_CIPHER_get_auth_nid(sk_SSL_CIPHER_value(left, i)));
  }
}

TEST_F(TlsConfigTest, SignatureAlgorithmsThatOpenSslSpellsOtherwiseOrRefusesTwice) {
  auto message = server();
  auto* parameters = message.mutable_common_tls_context()->mutable_tls_params();
  parameters->add_signature_algorithms("ecdsa_sha1");
  EXPECT_EQ("", downstream(message));
  parameters->add_signature_algorithms("ecdsa_sha1");
  EXPECT_EQ("t.common_tls_context.tls_params.signature_algorithms: 'ecdsa_sha1' is there twice\n", downstream(message));
}

TEST_F(TlsConfigTest, AnEntryOfProtocolsMayBeAList) {
  auto message = server();
  message.mutable_common_tls_context()->add_alpn_protocols("h2,http/1.1");
  ASSERT_EQ("", downstream(message));
  EXPECT_EQ((std::vector<std::string>{"h2", "http/1.1"}), settings().alpn);
  message.mutable_common_tls_context()->add_alpn_protocols("a,");
  EXPECT_EQ("t.common_tls_context.alpn_protocols[1]: a protocol's name has 1 to 255 bytes\n", downstream(message));
  message.mutable_common_tls_context()->clear_alpn_protocols();
  for (int i = 0; i < 300; ++i) {
    message.mutable_common_tls_context()->add_alpn_protocols(std::string(255, 'a'));
  }
  EXPECT_EQ("t.common_tls_context.alpn_protocols: the names take 76800 bytes, and there is room for 65535\n",
            downstream(message));
}

TEST_F(TlsConfigTest, TellsWhenWhatIsTrustedExpires) {
  auto message = server();
  *message.mutable_common_tls_context()->mutable_validation_context() = ca_.config();
  ASSERT_EQ("", downstream(message));
  const std::string digest = absl::BytesToHexString(tls::sha256(ca_.pem())).substr(0, 8);
  EXPECT_LT(0u, store_.gaugeValue(absl::StrCat("listener.127.0.0.1_80.ssl.certificate.unnamed_ca_cert_", digest,
                                               ".expiration_unix_time_seconds")));
}

TEST_F(TlsConfigTest, CertificatesAreInlineOrNamedNotBoth) {
  auto message = server();
  message.mutable_common_tls_context()->add_tls_certificate_sds_secret_configs()->set_name("x");
  EXPECT_EQ("t.common_tls_context.tls_certificate_sds_secret_configs: must not be set beside tls_certificates\n",
            downstream(message));
}

TEST_F(TlsConfigTest, NamesEachMistakeByItsPath) {
  const std::string said = downstream(server(R"(
common_tls_context:
  tls_params:
    tls_minimum_protocol_version: TLSv1_3
    tls_maximum_protocol_version: TLSv1_2
    cipher_suites: [ECDHE-RSA-AES128-GCM-SHA256, NONSENSE, "[A|B]"]
    ecdh_curves: [X25519, P-1]
    signature_algorithms: [rsa_md5]
)"));
  for (const char* mistake :
       {"t.common_tls_context.tls_params.tls_maximum_protocol_version: is below tls_minimum_protocol_version",
        "t.common_tls_context.tls_params.cipher_suites: there are no ciphers 'NONSENSE', 'A', 'B'",
        "t.common_tls_context.tls_params.ecdh_curves: there is no curve 'P-1'",
        "t.common_tls_context.tls_params.signature_algorithms: there is no signature algorithm 'rsa_md5'"}) {
    EXPECT_NE(std::string::npos, said.find(mistake)) << mistake << "\n" << said;
  }
  EXPECT_EQ("t.common_tls_context: a server needs a certificate, and there is none\n", downstream({}));
}

TEST_F(TlsConfigTest, AClientsOwnFields) {
  auto message = parsed<proto::UpstreamTlsContext>(
      "{sni: a.test, auto_host_sni: true, max_session_keys: 0, enforce_rsa_key_usage: false}");
  ASSERT_EQ("", upstream(message));
  EXPECT_EQ("a.test", settings().sni);
  EXPECT_TRUE(settings().auto_host_sni);
  EXPECT_EQ(0u, settings().max_session_keys);
  EXPECT_FALSE(settings().enforce_rsa_key_usage);
  message.set_auto_sni_san_validation(true);
  EXPECT_EQ("t.auto_sni_san_validation: needs a validation context that says whom to trust\n", upstream(message));
  message.mutable_common_tls_context()->mutable_validation_context();
  EXPECT_EQ("t.auto_sni_san_validation: needs a validation context that says whom to trust\n", upstream(message));
  *message.mutable_common_tls_context()->mutable_validation_context() = ca_.config();
  EXPECT_EQ("", upstream(message));
  message.set_sni(std::string(300, 'a'));
  EXPECT_EQ("t.sni: not a host's name\n", upstream(message));
}

TEST_F(TlsConfigTest, WaitsForSecretsThatAreNamed) {
  const auto message = parsed<proto::DownstreamTlsContext>(
      "{common_tls_context: {tls_certificate_sds_secret_configs: [{name: x, sds_config: {ads: {}}}]}}");
  ASSERT_EQ("", downstream(message));
  EXPECT_EQ("TLS error: Secret is not supplied by SDS", made_->create({})->failureReason());
  EXPECT_EQ(
      1u, store_.counterValue("listener.127.0.0.1_80.server_ssl_socket_factory.downstream_context_secrets_not_ready"));
}

TEST_F(TlsConfigTest, TheKeyIsTheMessages) {
  ASSERT_EQ("", upstream(parsed<proto::UpstreamTlsContext>("{sni: a}")));
  const config::ContentKey first = made_->structuralKey();
  ASSERT_EQ("", upstream(parsed<proto::UpstreamTlsContext>("{sni: a}")));
  EXPECT_EQ(first, made_->structuralKey());
  ASSERT_EQ("", upstream(parsed<proto::UpstreamTlsContext>("{sni: b}")));
  EXPECT_NE(first, made_->structuralKey());
}

TEST_F(TlsConfigTest, KeyLogsAreOpenedAndFiltered) {
  const std::string path = testing::TempDir() + "/keys.log";
  auto message = server();
  auto* log = message.mutable_common_tls_context()->mutable_key_log();
  log->set_path(path);
  ASSERT_EQ("", downstream(message));
  ASSERT_NE(nullptr, settings().key_log);
  EXPECT_EQ(path, settings().key_log->file->path());
  log->set_path("/does/not/exist/keys.log");
  EXPECT_NE(std::string::npos, downstream(message).find("t.common_tls_context.key_log.path: "));
}

}  // namespace
}  // namespace sluice::filters
