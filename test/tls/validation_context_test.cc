// Which peers' certificates are taken.

#include "source/tls/validation_context.h"

#include "absl/strings/escaping.h"
#include "envoy/extensions/transport_sockets/tls/v3/common.pb.h"
#include "envoy/extensions/transport_sockets/tls/v3/tls_spiffe_validator_config.pb.h"
#include <gtest/gtest.h>

#include "source/tls/pem.h"
#include "source/tls/trust_store.h"
#include "test/support/certificates.h"

namespace sluice::tls {
namespace {

using Proto = ValidationContext::Proto;
using SanProto = envoy::extensions::transport_sockets::tls::v3::SubjectAltNameMatcher;
using Failure = ValidationContext::Failure;

class ValidationContextTest : public testing::Test {
 public:
  std::shared_ptr<const ValidationContext> create(const Proto& message) {
    violations_ = {};
    return ValidationContext::create(message, config::FieldPath("v"), violations_);
  }
  std::string refused(const Proto& message) {
    EXPECT_EQ(nullptr, create(message));
    EXPECT_EQ(1u, violations_.size()) << violations_.toString();
    return violations_.empty() ? "" : violations_.list()[0].path + ": " + violations_.list()[0].reason;
  }
  ValidationContext::Verdict verify(const Proto& message, const test::TestCertificate& peer,
                                    ValidationContext::Demands demands = {}) {
    const auto context = create(message);
    EXPECT_NE(nullptr, context) << violations_.toString();
    PemCertificates sent = readPemCertificates(peer.chain());
    X509StackPtr chain(sk_X509_new_null());
    for (const X509Ptr& one : sent.certificates) {
      sk_X509_push(chain.get(), share(one.get()).release());
    }
    return context->verify(*sent.certificates.front(), chain.get(), demands);
  }
  static SanProto* addMatcher(Proto& message, SanProto::SanType type) {
    SanProto* matcher = message.add_match_typed_subject_alt_names();
    matcher->set_san_type(type);
    return matcher;
  }

  test::TestAuthority ca_;
  config::Violations violations_;
};

TEST_F(ValidationContextTest, TakesWhatIsTracedToTheAuthority) {
  const auto direct = verify(ca_.config(), ca_.issueFor({"a.test"}));
  EXPECT_TRUE(direct.accepted);
  EXPECT_TRUE(direct.validated);
  EXPECT_TRUE(verify(ca_.config(), ca_.intermediate("middle").issueFor({"a.test"})).accepted);
}

TEST_F(ValidationContextTest, TrustsAnIntermediateAuthorityAlone) {
  const test::TestAuthority middle = ca_.intermediate("middle");
  EXPECT_TRUE(verify(middle.config(), middle.issueFor({"a"})).accepted);
}

TEST_F(ValidationContextTest, RefusesOthersWithTheReason) {
  const auto other = verify(ca_.config(), test::TestAuthority("Other").issueFor({"a"}));
  EXPECT_FALSE(other.accepted);
  EXPECT_EQ(Failure::Chain, other.failure);
  EXPECT_EQ(
      "verify cert failed: X509_verify_cert: certificate verification error at depth 0: unable to get local issuer "
      "certificate",
      other.details);
  EXPECT_FALSE(verify(ca_.config(), test::selfSigned({})).accepted);
  Proto lenient = ca_.config();
  lenient.set_trust_chain_verification(Proto::ACCEPT_UNTRUSTED);
  const auto let_through = verify(lenient, test::selfSigned({}));
  EXPECT_TRUE(let_through.accepted);
  EXPECT_FALSE(let_through.validated);
}

TEST_F(ValidationContextTest, LooksAtTheTime) {
  test::CertificateRequest request;
  request.not_before = -7200;
  request.not_after = -3600;
  const test::TestCertificate expired = ca_.issue(request);
  const auto verdict = verify(ca_.config(), expired);
  EXPECT_FALSE(verdict.accepted);
  EXPECT_NE(std::string::npos, verdict.details.find("certificate has expired")) << verdict.details;
  EXPECT_EQ(X509_V_ERR_CERT_HAS_EXPIRED, verdict.error);
  Proto lenient = ca_.config();
  lenient.set_allow_expired_certificate(true);
  EXPECT_TRUE(verify(lenient, expired).validated);
  request.not_before = 3600;
  request.not_after = 7200;
  EXPECT_FALSE(verify(ca_.config(), ca_.issue(request)).accepted);
}

TEST_F(ValidationContextTest, LooksIntoRevocationLists) {
  const test::TestCertificate good = ca_.issueFor({"good"});
  const test::TestCertificate bad = ca_.issueFor({"bad"});
  Proto message = ca_.config();
  message.mutable_crl()->set_inline_string(ca_.revoke({&bad}));
  EXPECT_TRUE(verify(message, good).accepted);
  EXPECT_NE(std::string::npos, verify(message, bad).details.find("certificate revoked"));
  // There is no list of the intermediate authority.
  const test::TestAuthority middle = ca_.intermediate("middle");
  EXPECT_FALSE(verify(message, middle.issueFor({"deep"})).accepted);
  const test::TestCertificate deep = middle.issueFor({"deep"});
  message.mutable_crl()->set_inline_string(middle.revoke({&bad}));
  EXPECT_FALSE(verify(message, deep).accepted);
  message.set_only_verify_leaf_cert_crl(true);
  EXPECT_TRUE(verify(message, deep).accepted) << verify(message, deep).details;
}

TEST_F(ValidationContextTest, BoundsTheDepth) {
  const test::TestCertificate deep = ca_.intermediate("one").intermediate("two").issueFor({"a"});
  Proto message = ca_.config();
  message.mutable_max_verify_depth()->set_value(3);
  EXPECT_TRUE(verify(message, deep).accepted);
  message.mutable_max_verify_depth()->set_value(2);
  EXPECT_FALSE(verify(message, deep).accepted);
  // The one that is trusted counts, and is always taken.
  for (const uint32_t depth : {1u, 0u}) {
    message.mutable_max_verify_depth()->set_value(depth);
    EXPECT_TRUE(verify(message, ca_.issueFor({"a"})).accepted);
    EXPECT_FALSE(verify(message, ca_.intermediate("one").issueFor({"a"})).accepted);
  }
}

TEST_F(ValidationContextTest, MatchesNamesByTheirKind) {
  test::CertificateRequest request;
  request.dns = {"*.a.test"};
  request.uris = {"spiffe://td/ns/x/sa/y"};
  request.ips = {"10.0.0.1"};
  request.emails = {"me@a.test"};
  const test::TestCertificate peer = ca_.issue(request);
  const auto matches = [&](SanProto::SanType type,
                           const std::function<void(envoy::type::matcher::v3::StringMatcher*)>& set) {
    Proto message = ca_.config();
    set(addMatcher(message, type)->mutable_matcher());
    const auto verdict = verify(message, peer);
    EXPECT_EQ(verdict.accepted ? Failure::None : Failure::San, verdict.failure);
    return verdict.accepted;
  };
  EXPECT_TRUE(matches(SanProto::DNS, [](auto* m) { m->set_exact("x.a.test"); }));
  EXPECT_FALSE(matches(SanProto::DNS, [](auto* m) { m->set_exact("x.y.a.test"); }));
  EXPECT_TRUE(matches(SanProto::DNS, [](auto* m) { m->set_suffix("a.test"); }));
  EXPECT_TRUE(matches(SanProto::URI, [](auto* m) { m->set_prefix("spiffe://td/"); }));
  EXPECT_FALSE(matches(SanProto::DNS, [](auto* m) { m->set_prefix("spiffe://td/"); }));
  EXPECT_TRUE(matches(SanProto::URI, [](auto* m) { m->mutable_safe_regex()->set_regex("spiffe://td/ns/x/.*"); }));
  EXPECT_TRUE(matches(SanProto::IP_ADDRESS, [](auto* m) { m->set_exact("10.0.0.1"); }));
  EXPECT_TRUE(matches(SanProto::EMAIL, [](auto* m) { m->set_exact("me@a.test"); }));
  EXPECT_FALSE(matches(SanProto::EMAIL, [](auto* m) { m->set_exact("you@a.test"); }));
}

TEST_F(ValidationContextTest, AConnectionsDemandsCount) {
  Proto message = ca_.config();
  addMatcher(message, SanProto::DNS)->mutable_matcher()->set_exact("configured.test");
  const std::vector<std::string> names = {"b.test"};
  EXPECT_FALSE(verify(ca_.config(), ca_.issueFor({"a.test"}), {.server = true, .names = &names, .sni = ""}).accepted);
  EXPECT_TRUE(verify(ca_.config(), ca_.issueFor({"b.test"}), {.server = true, .names = &names, .sni = ""}).accepted);
  EXPECT_TRUE(
      verify(message, ca_.issueFor({"sni.test"}), {.server = true, .names = nullptr, .sni = "sni.test"}).accepted);
  EXPECT_FALSE(
      verify(message, ca_.issueFor({"a.test"}), {.server = true, .names = nullptr, .sni = "sni.test"}).accepted);
}

TEST_F(ValidationContextTest, ComparesHashes) {
  const test::TestCertificate peer = ca_.issueFor({"a"});
  Proto message;
  message.add_verify_certificate_hash(peer.sha256());
  EXPECT_TRUE(verify(message, peer).validated);
  EXPECT_EQ(Failure::Hash, verify(message, ca_.issueFor({"a"})).failure);
  message.clear_verify_certificate_hash();
  message.add_verify_certificate_spki(peer.spkiSha256Base64());
  EXPECT_TRUE(verify(message, peer).validated);
  message.set_verify_certificate_spki(0, "junk");
  EXPECT_EQ("v.verify_certificate_spki[0]: not a SHA-256 in base64", refused(message));
}

TEST_F(ValidationContextTest, SaysWhatIsWrong) {
  Proto message;
  message.mutable_trusted_ca()->set_inline_string("junk");
  EXPECT_EQ("v.trusted_ca: not a PEM certificate", refused(message));
  message.mutable_trusted_ca()->set_inline_string("");
  EXPECT_EQ("v.trusted_ca: must not be empty", refused(message));
  message = ca_.config();
  message.mutable_crl()->set_inline_string("junk");
  EXPECT_EQ("v.crl: not a PEM certificate revocation list", refused(message));
  message.clear_trusted_ca();
  message.mutable_crl()->set_inline_string(ca_.revoke({}));
  EXPECT_EQ("v.crl: there is no trusted_ca that revocation lists could be of", refused(message));
  message.Clear();
  addMatcher(message, SanProto::DNS)->mutable_matcher()->set_exact("a");
  EXPECT_EQ("v.match_typed_subject_alt_names: names of a peer's certificate mean nothing without trusted_ca",
            refused(message));
}

TEST_F(ValidationContextTest, EqualAuthoritiesAreHeldOnce) {
  EXPECT_EQ(*TrustStore::create(ca_.pem(), ""), *TrustStore::create(ca_.pem(), ""));
  EXPECT_EQ(create(ca_.config())->key(), create(ca_.config())->key());
}

TEST_F(ValidationContextTest, SpiffeDomainsVouchForTheirOwnAlone) {
  const test::TestAuthority other("Other");
  envoy::extensions::transport_sockets::tls::v3::SPIFFECertValidatorConfig spiffe;
  for (const auto& [name, pem] : {std::pair{"one.test", &ca_.pem()}, std::pair{"two.test", &other.pem()}}) {
    auto* domain = spiffe.add_trust_domains();
    domain->set_name(name);
    domain->mutable_trust_bundle()->set_inline_string(*pem);
  }
  Proto message;
  message.mutable_custom_validator_config()->mutable_typed_config()->PackFrom(spiffe);
  const auto peer = [](const test::TestAuthority& ca, const std::string& uri) {
    test::CertificateRequest request;
    request.uris = {uri};
    return ca.issue(request);
  };
  EXPECT_TRUE(create(message)->demandsCertificate());
  EXPECT_TRUE(verify(message, peer(ca_, "spiffe://one.test/a")).validated);
  EXPECT_TRUE(verify(message, peer(other, "spiffe://two.test/a")).validated);
  EXPECT_FALSE(verify(message, peer(ca_, "spiffe://two.test/a")).accepted);
  EXPECT_EQ("verify cert failed: no trust bundle store", verify(message, peer(ca_, "spiffe://three.test/a")).details);
  EXPECT_FALSE(verify(message, ca_.issueFor({"one.test"})).accepted);
  addMatcher(message, SanProto::URI)->mutable_matcher()->set_suffix("/b");
  EXPECT_EQ(Failure::San, verify(message, peer(ca_, "spiffe://one.test/a")).failure);

  spiffe.mutable_trust_domains(1)->set_name("one.test");
  message.mutable_custom_validator_config()->mutable_typed_config()->PackFrom(spiffe);
  EXPECT_EQ("v.custom_validator_config.typed_config.trust_domains[1].name: there is another trust domain 'one.test'",
            refused(message));
}

TEST_F(ValidationContextTest, SpiffeBundleMaps) {
  const PemCertificates authorities = readPemCertificates(ca_.pem());
  unsigned char* der = nullptr;
  const int length = i2d_X509(authorities.certificates[0].get(), &der);
  const std::string x5c = absl::Base64Escape({reinterpret_cast<char*>(der), static_cast<size_t>(length)});
  OPENSSL_free(der);
  envoy::extensions::transport_sockets::tls::v3::SPIFFECertValidatorConfig spiffe;
  spiffe.mutable_trust_bundles()->set_inline_string(
      R"({"trust_domains":{"one.test":{"keys":[{"kty":"EC","use":"x509-svid","x5c":[")" + x5c + R"("]}]}}})");
  Proto message;
  message.mutable_custom_validator_config()->mutable_typed_config()->PackFrom(spiffe);
  test::CertificateRequest request;
  request.uris = {"spiffe://one.test/a"};
  EXPECT_TRUE(verify(message, ca_.issue(request)).validated);
  spiffe.mutable_trust_bundles()->set_inline_string("{}");
  message.mutable_custom_validator_config()->mutable_typed_config()->PackFrom(spiffe);
  EXPECT_NE(std::string::npos, refused(message).find("it has no trust_domains"));
}

}  // namespace
}  // namespace sluice::tls
