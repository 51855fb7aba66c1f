#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "source/config/canonical_key.h"
#include "source/config/field_path.h"
#include "source/config/violations.h"
#include "source/tls/ocsp_staple.h"
#include "source/tls/openssl_handles.h"

namespace envoy::extensions::transport_sockets::tls::v3 {
class TlsCertificate;
}  // namespace envoy::extensions::transport_sockets::tls::v3

namespace sluice::tls {

/**
 * A certificate chain with its private key, as TLS contexts present it. Made on main; immutable, shared by all contexts
 * and connections that present it, on any thread.
 */
class Certificate {
 public:
  using Proto = envoy::extensions::transport_sockets::tls::v3::TlsCertificate;

  enum class KeyType : uint8_t { Rsa, Ecdsa };

  /**
   * Reads the message's data sources here and now (config::readDataSource(), so config::FilesRead notes the files), and
   * checks that chain, key, password and OCSP response are what they should be and belong together. Null, with a
   * violation for each mistake, otherwise. Neither time nor trust is asked: an expired certificate is taken, as Envoy does.
   */
  static std::shared_ptr<const Certificate> create(const Proto& message, const config::FieldPath& path,
                                                   config::Violations& violations);

  /** For what it says: its public key is not decoded, which takes OpenSSL ten times as long as all the rest. */
  const X509& leaf() const { return *leaf_; }
  /** The leaf to present, with its public key: decoded with first use, since of a thousand few are asked for at a time. */
  X509& whole() const;
  /** What is sent after the leaf; null where there is nothing. */
  STACK_OF(X509) * intermediates() const { return intermediates_.get(); }
  EVP_PKEY& privateKey() const { return *key_; }
  KeyType keyType() const { return key_type_; }
  /** The curve of an ECDSA key (NID_X9_62_prime256v1 and so on). */
  int curve() const { return curve_; }
  const std::optional<OcspStaple>& ocspStaple() const { return staple_; }
  /** The certificate demands an OCSP response (RFC 7633). */
  bool mustStaple() const { return must_staple_; }
  /** What it is for: its DNS names, or where it has none its common name; in lower case. */
  const std::vector<std::string>& names() const { return names_; }
  /** Where the chain came from, for admin pages: a file's path, or "<inline>". */
  const std::string& location() const { return location_; }
  /** Of all that it was made of: equal keys are equal certificates. */
  const config::ContentKey& key() const { return content_key_; }

 private:
  Certificate() = default;
  bool readChain(std::string bytes, const config::FieldPath& path, config::Violations& violations);
  bool readKey(const std::string& bytes, const std::string* password, const config::FieldPath& path,
               config::Violations& violations);
  bool readPkcs12(const std::string& bytes, const std::string* password, const config::FieldPath& path,
                  config::Violations& violations);
  bool checkKey(const config::FieldPath& key_path, const config::FieldPath& chain_path, config::Violations& violations);
  void readLeaf();

  bool isKeyOf(const X509& leaf, int curve) const;

  X509Ptr leaf_;
  mutable std::once_flag whole_made_;
  mutable X509Ptr whole_;
  X509StackPtr intermediates_;
  PkeyPtr key_;
  KeyType key_type_ = KeyType::Rsa;
  int curve_ = 0;
  std::optional<OcspStaple> staple_;
  bool must_staple_ = false;
  std::vector<std::string> names_;
  std::string location_;
  config::ContentKey content_key_;
};

}  // namespace sluice::tls
