// What of a certificate, its key and what belongs to it is taken, and in what words the rest is refused.

#include "source/tls/certificate.h"

#include "envoy/extensions/transport_sockets/tls/v3/common.pb.h"
#include <gtest/gtest.h>
#include <openssl/pem.h>

#include "source/tls/certificate_details.h"
#include "source/tls/pem.h"
#include "test/support/certificates.h"

namespace sluice::tls {
namespace {

using Key = test::CertificateRequest::Key;
using Proto = Certificate::Proto;

class CertificateTest : public testing::Test {
 public:
  std::shared_ptr<const Certificate> create(const Proto& message) {
    violations_ = {};
    return Certificate::create(message, config::FieldPath("cert"), violations_);
  }
  /** "path: reason" of the one mistake that there must be. */
  std::string refused(const Proto& message) {
    EXPECT_EQ(nullptr, create(message));
    EXPECT_EQ(1u, violations_.size()) << violations_.toString();
    return violations_.empty() ? "" : violations_.list()[0].path + ": " + violations_.list()[0].reason;
  }

  test::TestAuthority ca_;
  config::Violations violations_;
};

TEST_F(CertificateTest, TakesEcAndRsaKeysWithTheirNames) {
  test::CertificateRequest request;
  request.common_name = "Common.test";
  const auto by_name = create(ca_.issue(request).config());
  ASSERT_NE(nullptr, by_name) << violations_.toString();
  EXPECT_EQ(std::vector<std::string>{"common.test"}, by_name->names());
  EXPECT_EQ(Certificate::KeyType::Ecdsa, by_name->keyType());
  EXPECT_EQ(NID_X9_62_prime256v1, by_name->curve());
  EXPECT_EQ(nullptr, by_name->intermediates());
  EXPECT_EQ("<inline>", by_name->location());

  const auto rsa = create(ca_.issueFor({"A.test", "*.b.test"}, Key::Rsa).config());
  ASSERT_NE(nullptr, rsa) << violations_.toString();
  EXPECT_EQ(Certificate::KeyType::Rsa, rsa->keyType());
  EXPECT_EQ((std::vector<std::string>{"a.test", "*.b.test"}), rsa->names());
  EXPECT_NE(nullptr, create(ca_.issueFor({"a"}, Key::Ec384).config()));
}

TEST_F(CertificateTest, TheLeafToPresentIsTheSameWithItsPublicKey) {
  for (const Key kind : {Key::Ec, Key::Ec384, Key::Rsa}) {
    const test::TestCertificate issued = ca_.issueFor({"a.test"}, kind);
    const auto made = create(issued.config());
    ASSERT_NE(nullptr, made) << violations_.toString();
    EXPECT_EQ(&made->whole(), &made->whole());
    EXPECT_EQ(0, X509_cmp(&made->whole(), &made->leaf()));
    EXPECT_EQ(1, X509_check_private_key(&made->whole(), &made->privateKey()));
    EXPECT_EQ(issued.serial(), serialText(made->leaf()));
  }
}

/** The key as old programs write it. */
std::string traditional(const std::string& pem, const char* cipher = nullptr) {
  const BioPtr from = readingBio(pem);
  const PkeyPtr key(PEM_read_bio_PrivateKey(from.get(), nullptr, nullptr, nullptr));
  const BioPtr to(BIO_new(BIO_s_mem()));
  char password[] = "secret";
  EXPECT_EQ(1, PEM_write_bio_PrivateKey_traditional(
                   to.get(), key.get(), cipher == nullptr ? nullptr : EVP_get_cipherbyname(cipher),
                   cipher == nullptr ? nullptr : reinterpret_cast<unsigned char*>(password), cipher == nullptr ? 0 : 6,
                   nullptr, nullptr));
  char* data = nullptr;
  const long length = BIO_get_mem_data(to.get(), &data);
  return std::string(data, static_cast<size_t>(length));
}

TEST_F(CertificateTest, TakesKeysInEveryFormThatPemHas) {
  for (const Key kind : {Key::Ec, Key::Rsa}) {
    const test::TestCertificate issued = ca_.issueFor({"a.test"}, kind);
    Proto message = issued.config();
    for (const std::string& key : {traditional(issued.key_pem), issued.pem + issued.key_pem,
                                   "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n" +
                                       traditional(issued.key_pem)}) {
      message.mutable_private_key()->set_inline_string(key);
      EXPECT_NE(nullptr, create(message)) << violations_.toString();
    }
    message.mutable_private_key()->set_inline_string(traditional(issued.key_pem, "AES-128-CBC"));
    EXPECT_EQ("cert.private_key: the private key is encrypted and there is no password", refused(message));
    message.mutable_password()->set_inline_string("secret");
    EXPECT_NE(nullptr, create(message)) << violations_.toString();
  }
  // One that is broken harms none that come after it.
  Proto broken = ca_.issueFor({"a.test"}).config();
  broken.mutable_private_key()->set_inline_string(
      "-----BEGIN EC PRIVATE KEY-----\nMAMCAQE=\n-----END EC PRIVATE KEY-----\n");
  EXPECT_EQ("cert.private_key: not a PEM private key", refused(broken));
  EXPECT_NE(nullptr, create(ca_.issueFor({"b.test"}).config()));
}

TEST_F(CertificateTest, KeepsTheChainInItsOrder) {
  const test::TestAuthority middle = ca_.intermediate("middle");
  const auto made = create(middle.issueFor({"a.test"}).config());
  ASSERT_NE(nullptr, made);
  EXPECT_EQ(1, sk_X509_num(made->intermediates()));
}

TEST_F(CertificateTest, EqualBytesHaveEqualKeys) {
  const Proto one = ca_.issueFor({"a.test"}).config();
  EXPECT_EQ(create(one)->key(), create(one)->key());
  EXPECT_NE(create(one)->key(), create(ca_.issueFor({"a.test"}).config())->key());
}

TEST_F(CertificateTest, SaysWhatIsNoPem) {
  Proto message = ca_.issueFor({"a"}).config();
  message.mutable_certificate_chain()->set_inline_string("junk");
  EXPECT_EQ("cert.certificate_chain: not a PEM certificate", refused(message));
  message = ca_.issueFor({"a"}).config();
  message.mutable_private_key()->set_inline_string("junk");
  EXPECT_EQ("cert.private_key: not a PEM private key", refused(message));
  message.mutable_certificate_chain()->set_inline_string("junk");
  EXPECT_EQ(nullptr, create(message));
  EXPECT_EQ(2u, violations_.size());
  message.clear_private_key();
  EXPECT_EQ("cert.private_key: is required", refused(message));
  message.mutable_private_key()->set_filename("/does/not/exist");
  EXPECT_NE(std::string::npos, refused(message).find("/does/not/exist"));
}

TEST_F(CertificateTest, RefusesAKeyOfAnotherCertificate) {
  Proto message = ca_.issueFor({"a"}).config();
  message.mutable_private_key()->set_inline_string(ca_.issueFor({"a"}).key_pem);
  EXPECT_EQ("cert.private_key: private_key does not belong to the certificate", refused(message));
}

TEST_F(CertificateTest, DecryptsTheKeyWithThePassword) {
  const test::TestCertificate issued = ca_.issueFor({"a"});
  Proto message = issued.config();
  message.mutable_private_key()->set_inline_string(issued.keyPem("secret"));
  EXPECT_EQ("cert.private_key: the private key is encrypted and there is no password", refused(message));
  message.mutable_password()->set_inline_string("wrong");
  EXPECT_EQ("cert.private_key: the private key cannot be decrypted with the password", refused(message));
  message.mutable_password()->set_inline_string("secret");
  EXPECT_NE(nullptr, create(message)) << violations_.toString();
}

TEST_F(CertificateTest, RefusesWeakLargeAndUnknownKeys) {
  EXPECT_EQ("cert.certificate_chain: its RSA key has 1024 bits, fewer than the 2048 that are needed at least",
            refused(ca_.issueFor({"a"}, Key::Rsa1024).config()));
  EXPECT_EQ(
      "cert.certificate_chain: its RSA key has 8320 bits, more than the 8192 that are supported: each handshake would "
      "hold up a worker for long",
      refused(ca_.issueFor({"a"}, Key::Rsa8320).config()));
  EXPECT_NE(std::string::npos, refused(ca_.issueFor({"a"}, Key::Ec224).config()).find("only P-256, P-384 and P-521"));
  EXPECT_EQ("cert.certificate_chain: its key is neither RSA nor ECDSA",
            refused(ca_.issueFor({"a"}, Key::Ed25519).config()));
}

TEST_F(CertificateTest, ReadsPkcs12) {
  const test::TestCertificate issued = ca_.intermediate("middle").issueFor({"p12.test"});
  Proto message;
  message.mutable_pkcs12()->set_inline_bytes(issued.pkcs12("secret"));
  EXPECT_EQ("cert.pkcs12: the archive is encrypted and there is no password", refused(message));
  message.mutable_password()->set_inline_string("wrong");
  EXPECT_EQ("cert.pkcs12: the archive cannot be decrypted with the password", refused(message));
  message.mutable_password()->set_inline_string("secret");
  const auto made = create(message);
  ASSERT_NE(nullptr, made) << violations_.toString();
  EXPECT_EQ(std::vector<std::string>{"p12.test"}, made->names());
  EXPECT_EQ(1, sk_X509_num(made->intermediates()));
  message.mutable_pkcs12()->set_inline_bytes("junk");
  EXPECT_EQ("cert.pkcs12: not a PKCS #12 archive", refused(message));
}

TEST_F(CertificateTest, ChecksTheOcspResponse) {
  test::CertificateRequest request;
  request.must_staple = true;
  const test::TestCertificate issued = ca_.issue(request);
  Proto message = issued.config();
  message.mutable_ocsp_staple()->set_inline_bytes(ca_.ocsp(issued));
  const auto made = create(message);
  ASSERT_NE(nullptr, made) << violations_.toString();
  EXPECT_TRUE(made->mustStaple());
  EXPECT_FALSE(made->ocspStaple()->expired(std::chrono::system_clock::now()));
  message.mutable_ocsp_staple()->set_inline_bytes(ca_.ocsp(issued, -60, -30));
  EXPECT_TRUE(create(message)->ocspStaple()->expired(std::chrono::system_clock::now()));
  message.mutable_ocsp_staple()->set_inline_bytes(ca_.ocsp(ca_.issueFor({"b"})));
  EXPECT_EQ("cert.ocsp_staple: the OCSP response does not match its TLS certificate", refused(message));
  message.mutable_ocsp_staple()->set_inline_bytes("junk");
  EXPECT_EQ("cert.ocsp_staple: not a DER-encoded OCSP response", refused(message));
}

TEST_F(CertificateTest, RefusesWhatItCannotDo) {
  Proto message = ca_.issueFor({"a"}).config();
  message.mutable_private_key_provider()->set_provider_name("cryptomb");
  EXPECT_EQ("cert.private_key_provider: private key providers are not supported", refused(message));
}

}  // namespace
}  // namespace sluice::tls
