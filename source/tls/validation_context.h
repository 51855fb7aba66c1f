#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "source/config/canonical_key.h"
#include "source/config/field_path.h"
#include "source/config/violations.h"
#include "source/tls/openssl_handles.h"

namespace envoy::extensions::transport_sockets::tls::v3 {
class CertificateValidationContext;
}  // namespace envoy::extensions::transport_sockets::tls::v3

namespace sluice::tls {

class SanMatcher;
class SpiffeDomains;
class TrustStore;

/**
 * What the peer's certificate must be. Made on main; immutable, shared by contexts and connections, any thread.
 */
class ValidationContext {
 public:
  using Proto = envoy::extensions::transport_sockets::tls::v3::CertificateValidationContext;

  /**
   * Reads the message's data sources here and now (config::readDataSource(), so config::FilesRead notes the files; also
   * those of a SPIFFE configuration). watched_directory is not looked at: whoever made the provider watches. Null, with a
   * violation for each mistake.
   */
  static std::shared_ptr<const ValidationContext> create(const Proto& message, const config::FieldPath& path,
                                                         config::Violations& violations);
  ~ValidationContext();
  ValidationContext(const ValidationContext&) = delete;

  /** What one connection demands besides. */
  struct Demands {
    /** The peer is a server. */
    bool server = false;
    /** One of these must be among the peer's names; empty: no matter. */
    const std::vector<std::string>* names = nullptr;
    /** In place of the SAN matchers: the peer's certificate must be for this DNS name; empty: the matchers decide. */
    std::string sni;
  };
  enum class Failure : uint8_t { None, Chain, San, Hash };
  struct Verdict {
    /** The handshake goes on. */
    bool accepted = false;
    /** It is all that was asked for, and not merely let through. */
    bool validated = false;
    Failure failure = Failure::None;
    /** X509_V_ERR_*, for the alert. */
    int error = X509_V_OK;
    /** In Envoy's words: "verify cert failed: SAN matcher". */
    std::string details;
  };
  /** `chain` is what the peer sent. */
  Verdict verify(X509& leaf, STACK_OF(X509) * chain, const Demands& demands) const;

  /** A client is asked for a certificate, since there is something to hold it against. */
  bool asksForCertificate() const { return asks_; }
  /** A client that sends none is refused, whatever the context requires. */
  bool demandsCertificate() const { return demands_; }
  /** There are authorities. */
  bool verifiesChain() const { return store_ != nullptr || spiffe_ != nullptr; }
  /** All that are trusted: for the names that a server sends, and for admin pages. */
  std::vector<X509*> authorities() const;
  /** Where trusted_ca came from: a file's path, "<inline>", or "" where there is none. */
  const std::string& location() const { return location_; }
  /** Of all that it was made of. */
  const config::ContentKey& key() const { return key_; }

 private:
  ValidationContext();
  void readAuthorities(const Proto& message, const config::FieldPath& path, config::Violations& violations);
  void readHashes(const Proto& message, const config::FieldPath& path, config::Violations& violations);
  bool hashMatches(X509& leaf) const;

  std::shared_ptr<const TrustStore> store_;
  std::unique_ptr<const SpiffeDomains> spiffe_;
  std::vector<SanMatcher> matchers_;
  /** SHA-256, 32 bytes each: of certificates, and of public keys. */
  std::vector<std::string> hashes_;
  std::vector<std::string> spkis_;
  bool allow_expired_ = false;
  bool accept_untrusted_ = false;
  bool crl_of_leaf_only_ = false;
  int max_depth_ = -1;
  bool asks_ = false;
  bool demands_ = false;
  std::string location_;
  config::ContentKey key_;
};

}  // namespace sluice::tls
