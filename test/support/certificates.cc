#include "test/support/certificates.h"

#include <ctime>
#include <map>
#include <utility>

#include "absl/strings/escaping.h"
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>

#include "source/base/assert.h"

namespace sluice::test {
namespace {

template <auto Free>
struct FreeWith {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};
using X509Ptr = std::unique_ptr<X509, FreeWith<X509_free>>;
using PkeyPtr = std::unique_ptr<EVP_PKEY, FreeWith<EVP_PKEY_free>>;
using BioPtr = std::unique_ptr<BIO, FreeWith<BIO_free_all>>;

using Key = CertificateRequest::Key;

/** More primes make a large key quickly. */
EVP_PKEY* makeRsa(size_t bits, int primes) {
  std::unique_ptr<EVP_PKEY_CTX, FreeWith<EVP_PKEY_CTX_free>> context(EVP_PKEY_CTX_new_id(EVP_PKEY_RSA, nullptr));
  EVP_PKEY* key = nullptr;
  EVP_PKEY_keygen_init(context.get());
  EVP_PKEY_CTX_set_rsa_keygen_bits(context.get(), static_cast<int>(bits));
  EVP_PKEY_CTX_set_rsa_keygen_primes(context.get(), primes);
  EVP_PKEY_keygen(context.get(), &key);
  return key;
}

PkeyPtr makeKey(Key kind) {
  // The newest RSA key of a size serves again: a test that needs two that differ asks for EC.
  static std::map<size_t, EVP_PKEY*> rsa;
  const auto remembered = [](size_t bits, int primes = 2) {
    EVP_PKEY*& key = rsa[bits];
    if (key == nullptr) {
      key = makeRsa(bits, primes);
    }
    EVP_PKEY_up_ref(key);
    return PkeyPtr(key);
  };
  switch (kind) {
    case Key::Rsa:
      return remembered(2048);
    case Key::Rsa1024:
      return remembered(1024);
    case Key::Rsa3072:
      return remembered(3072);
    case Key::Rsa4096:
      return remembered(4096);
    case Key::Rsa8320:
      return remembered(8320, 5);
    case Key::Ec:
      return PkeyPtr(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"));
    case Key::Ec384:
      return PkeyPtr(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-384"));
    case Key::Ec521:
      return PkeyPtr(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-521"));
    case Key::Ec224:
      return PkeyPtr(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-224"));
    case Key::Ed25519:
      return PkeyPtr(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  }
  return nullptr;
}

std::string contents(const BioPtr& bio) {
  char* data = nullptr;
  const long length = BIO_get_mem_data(bio.get(), &data);
  return std::string(data, length);
}

std::string pemOf(X509* certificate) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(bio.get(), certificate);
  return contents(bio);
}

std::string pemOf(EVP_PKEY* key, const std::string* password) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_PKCS8PrivateKey(bio.get(), key, password == nullptr ? nullptr : EVP_aes_256_cbc(),
                                password == nullptr ? nullptr : password->c_str(),
                                password == nullptr ? 0 : static_cast<int>(password->size()), nullptr, nullptr);
  return contents(bio);
}

X509Ptr x509Of(const std::string& pem) {
  const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  return X509Ptr(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
}

PkeyPtr keyOf(const std::string& pem) {
  const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  return PkeyPtr(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
}

void extend(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  SLUICE_CHECK(extension != nullptr, "a test's certificate has an extension that OpenSSL does not take");
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

/** Signed by `issuer_key`; by its own key where there is no issuer. */
X509Ptr makeCertificate(const CertificateRequest& request, EVP_PKEY* key, X509* issuer, EVP_PKEY* issuer_key) {
  X509Ptr made(X509_new());
  X509_set_version(made.get(), 2);
  uint64_t serial = 0;
  RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof(serial));
  ASN1_INTEGER_set_uint64(X509_get_serialNumber(made.get()), serial | 1);
  X509_gmtime_adj(X509_getm_notBefore(made.get()), request.not_before);
  X509_gmtime_adj(X509_getm_notAfter(made.get()), request.not_after);
  X509_set_pubkey(made.get(), key);
  X509_NAME* name = X509_get_subject_name(made.get());
  if (!request.common_name.empty()) {
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(request.common_name.c_str()), -1, -1, 0);
  }
  X509* signer = issuer == nullptr ? made.get() : issuer;
  X509_set_issuer_name(made.get(), X509_get_subject_name(signer));
  extend(made.get(), signer, NID_basic_constraints, request.authority ? "critical,CA:TRUE" : "CA:FALSE");
  extend(made.get(), signer, NID_subject_key_identifier, "hash");
  if (request.authority) {
    extend(made.get(), signer, NID_key_usage, "critical,keyCertSign,cRLSign");
  } else if (!request.key_usage.empty()) {
    extend(made.get(), signer, NID_key_usage, request.key_usage);
  }
  if (!request.extended_key_usage.empty()) {
    extend(made.get(), signer, NID_ext_key_usage, request.extended_key_usage);
  }
  std::string names;
  const auto add = [&names](const char* kind, const std::vector<std::string>& values) {
    for (const std::string& value : values) {
      names += (names.empty() ? "" : ",") + std::string(kind) + ":" + value;
    }
  };
  add("DNS", request.dns);
  add("URI", request.uris);
  add("IP", request.ips);
  add("email", request.emails);
  if (!names.empty()) {
    extend(made.get(), signer, NID_subject_alt_name, names);
  }
  if (request.must_staple) {
    extend(made.get(), signer, NID_tlsfeature, "status_request");
  }
  EVP_PKEY* with = issuer_key == nullptr ? key : issuer_key;
  SLUICE_CHECK(X509_sign(made.get(), with, EVP_PKEY_base_id(with) == EVP_PKEY_ED25519 ? nullptr : EVP_sha256()) > 0,
               "cannot sign a test's certificate");
  return made;
}

}  // namespace

std::string TestCertificate::serial() const {
  const X509Ptr certificate = x509Of(pem);
  BIGNUM* number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate.get()), nullptr);
  char* digits = BN_bn2hex(number);
  std::string text(digits);
  OPENSSL_free(digits);
  BN_free(number);
  for (char& c : text) {
    c = static_cast<char>(std::tolower(c));
  }
  return text;
}

std::string TestCertificate::sha256() const {
  const X509Ptr certificate = x509Of(pem);
  unsigned char digest[SHA256_DIGEST_LENGTH];
  unsigned int length = 0;
  X509_digest(certificate.get(), EVP_sha256(), digest, &length);
  return absl::BytesToHexString({reinterpret_cast<char*>(digest), length});
}

std::string TestCertificate::spkiSha256Base64() const {
  const X509Ptr certificate = x509Of(pem);
  unsigned char* der = nullptr;
  const int length = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate.get()), &der);
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(der, length, digest);
  OPENSSL_free(der);
  return absl::Base64Escape({reinterpret_cast<char*>(digest), sizeof(digest)});
}

std::string TestCertificate::keyPem(const std::string& password) const {
  return pemOf(keyOf(key_pem).get(), &password);
}

std::string TestCertificate::pkcs12(const std::string& password) const {
  STACK_OF(X509)* others = sk_X509_new_null();
  if (!issuers_pem.empty()) {
    sk_X509_push(others, x509Of(issuers_pem).release());
  }
  PKCS12* archive =
      PKCS12_create(password.c_str(), "test", keyOf(key_pem).get(), x509Of(pem).get(), others, 0, 0, 0, 0, 0);
  SLUICE_CHECK(archive != nullptr, "cannot make a PKCS #12 archive");
  const BioPtr bio(BIO_new(BIO_s_mem()));
  i2d_PKCS12_bio(bio.get(), archive);
  PKCS12_free(archive);
  sk_X509_pop_free(others, X509_free);
  return contents(bio);
}

envoy::extensions::transport_sockets::tls::v3::TlsCertificate TestCertificate::config() const {
  envoy::extensions::transport_sockets::tls::v3::TlsCertificate message;
  message.mutable_certificate_chain()->set_inline_string(chain());
  message.mutable_private_key()->set_inline_string(key_pem);
  return message;
}

struct TestAuthority::Parts {
  X509Ptr certificate;
  PkeyPtr key;
};

TestAuthority::TestAuthority(std::unique_ptr<Parts> parts, std::string pem, std::string issuers)
    : parts_(std::move(parts)), pem_(std::move(pem)), issuers_pem_(std::move(issuers)) {}

TestAuthority::TestAuthority(const std::string& name) : parts_(std::make_unique<Parts>()) {
  CertificateRequest request;
  request.common_name = name;
  request.authority = true;
  parts_->key = makeKey(Key::Ec);
  parts_->certificate = makeCertificate(request, parts_->key.get(), nullptr, nullptr);
  pem_ = pemOf(parts_->certificate.get());
}

TestAuthority::~TestAuthority() = default;
TestAuthority::TestAuthority(TestAuthority&&) noexcept = default;

TestCertificate TestAuthority::issue(const CertificateRequest& request) const {
  const PkeyPtr key = makeKey(request.key);
  const X509Ptr made = makeCertificate(request, key.get(), parts_->certificate.get(), parts_->key.get());
  return {pemOf(made.get()), issuers_pem_, pemOf(key.get(), nullptr)};
}

TestCertificate TestAuthority::issueFor(const std::vector<std::string>& dns, Key key) const {
  CertificateRequest request;
  request.common_name = dns.empty() ? "nobody" : dns.front();
  request.dns = dns;
  request.key = key;
  return issue(request);
}

TestAuthority TestAuthority::intermediate(const std::string& name) const {
  CertificateRequest request;
  request.common_name = name;
  request.authority = true;
  auto parts = std::make_unique<Parts>();
  parts->key = makeKey(Key::Ec);
  parts->certificate = makeCertificate(request, parts->key.get(), parts_->certificate.get(), parts_->key.get());
  std::string pem = pemOf(parts->certificate.get());
  std::string issuers = pem + issuers_pem_;
  return TestAuthority(std::move(parts), std::move(pem), std::move(issuers));
}

std::string TestAuthority::revoke(const std::vector<const TestCertificate*>& revoked) const {
  X509_CRL* crl = X509_CRL_new();
  X509_CRL_set_version(crl, 1);
  X509_CRL_set_issuer_name(crl, X509_get_subject_name(parts_->certificate.get()));
  ASN1_TIME* time = X509_gmtime_adj(nullptr, -60);
  X509_CRL_set1_lastUpdate(crl, time);
  for (const TestCertificate* one : revoked) {
    X509_REVOKED* entry = X509_REVOKED_new();
    X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(x509Of(one->pem).get()));
    X509_REVOKED_set_revocationDate(entry, time);
    X509_CRL_add0_revoked(crl, entry);
  }
  X509_gmtime_adj(time, 24 * 3600);
  X509_CRL_set1_nextUpdate(crl, time);
  ASN1_TIME_free(time);
  X509_CRL_sort(crl);
  X509_CRL_sign(crl, parts_->key.get(), EVP_sha256());
  const BioPtr bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509_CRL(bio.get(), crl);
  X509_CRL_free(crl);
  return contents(bio);
}

std::string TestAuthority::ocsp(const TestCertificate& certificate, int64_t this_update, int64_t next_update) const {
  const X509Ptr subject = x509Of(certificate.pem);
  OCSP_CERTID* id = OCSP_cert_to_id(nullptr, subject.get(), parts_->certificate.get());
  OCSP_BASICRESP* basic = OCSP_BASICRESP_new();
  ASN1_TIME* from = X509_gmtime_adj(nullptr, this_update);
  ASN1_TIME* until = X509_gmtime_adj(nullptr, next_update);
  OCSP_basic_add1_status(basic, id, V_OCSP_CERTSTATUS_GOOD, 0, nullptr, from, until);
  OCSP_basic_sign(basic, parts_->certificate.get(), parts_->key.get(), EVP_sha256(), nullptr, 0);
  OCSP_RESPONSE* response = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
  const BioPtr bio(BIO_new(BIO_s_mem()));
  ASN1_i2d_bio_of(OCSP_RESPONSE, i2d_OCSP_RESPONSE, bio.get(), response);
  OCSP_RESPONSE_free(response);
  OCSP_BASICRESP_free(basic);
  OCSP_CERTID_free(id);
  ASN1_TIME_free(from);
  ASN1_TIME_free(until);
  return contents(bio);
}

envoy::extensions::transport_sockets::tls::v3::CertificateValidationContext TestAuthority::config() const {
  envoy::extensions::transport_sockets::tls::v3::CertificateValidationContext message;
  message.mutable_trusted_ca()->set_inline_string(pem_);
  return message;
}

TestCertificate selfSigned(const CertificateRequest& request) {
  const PkeyPtr key = makeKey(request.key);
  return {pemOf(makeCertificate(request, key.get(), nullptr, nullptr).get()), "", pemOf(key.get(), nullptr)};
}

}  // namespace sluice::test
