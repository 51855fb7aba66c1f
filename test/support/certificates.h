#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "envoy/extensions/transport_sockets/tls/v3/common.pb.h"

namespace sluice::test {

/** What a test asks of a certificate. */
struct CertificateRequest {
  enum class Key { Ec, Ec384, Ec521, Ec224, Rsa, Rsa1024, Rsa3072, Rsa4096, Rsa8320, Ed25519 };

  std::string common_name = "test";
  std::vector<std::string> dns = {};
  std::vector<std::string> uris = {};
  std::vector<std::string> ips = {};
  std::vector<std::string> emails = {};
  Key key = Key::Ec;
  /** Seconds from now. */
  int64_t not_before = -3600;
  int64_t not_after = 24 * 3600;
  /** As OpenSSL's configuration writes it, such as "digitalSignature"; empty: no such extension. */
  std::string key_usage = {};
  std::string extended_key_usage = {};
  bool must_staple = false;
  bool authority = false;
};

/** A certificate with its key, made anew. PEM all. */
struct TestCertificate {
  std::string pem;
  /** Of its issuers below the root, to follow it in a chain. */
  std::string issuers_pem;
  std::string key_pem;

  std::string chain() const { return pem + issuers_pem; }
  /** Hexadecimal in lower case. */
  std::string serial() const;
  std::string sha256() const;
  std::string spkiSha256Base64() const;
  std::string keyPem(const std::string& password) const;
  std::string pkcs12(const std::string& password) const;
  /** The configuration that presents it, inline. */
  envoy::extensions::transport_sockets::tls::v3::TlsCertificate config() const;
};

/** Issues certificates. Keys are made once for each kind and process where they need not differ: RSA's take long. */
class TestAuthority {
 public:
  /** A root of its own. */
  explicit TestAuthority(const std::string& name = "Test CA");
  ~TestAuthority();
  TestAuthority(TestAuthority&&) noexcept;

  const std::string& pem() const { return pem_; }
  TestCertificate issue(const CertificateRequest& request) const;
  /** A server's for these DNS names. */
  TestCertificate issueFor(const std::vector<std::string>& dns,
                           CertificateRequest::Key key = CertificateRequest::Key::Ec) const;
  /** Signed by this one. */
  TestAuthority intermediate(const std::string& name) const;
  /** A revocation list (PEM) that names these. */
  std::string revoke(const std::vector<const TestCertificate*>& revoked) const;
  /** An OCSP response (DER) that calls it good, from and until so many seconds from now. */
  std::string ocsp(const TestCertificate& certificate, int64_t this_update = -60, int64_t next_update = 3600) const;
  /** A validation context that trusts this one. */
  envoy::extensions::transport_sockets::tls::v3::CertificateValidationContext config() const;

 private:
  struct Parts;
  TestAuthority(std::unique_ptr<Parts> parts, std::string pem, std::string issuers);

  std::unique_ptr<Parts> parts_;
  std::string pem_;
  /** This one's and its issuers', the root's left out. */
  std::string issuers_pem_;
};

/** Signed by its own key. */
TestCertificate selfSigned(const CertificateRequest& request);

}  // namespace sluice::test
