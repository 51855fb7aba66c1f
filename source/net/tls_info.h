#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

#include "source/base/clock.h"

namespace sluice::net {

/** What a certificate says, in the spelling of access logs and x-forwarded-client-cert. */
struct CertificateDetails {
  /** RFC 2253. */
  std::string subject;
  std::string issuer;
  /** Hexadecimal, in lower case, as are the digests. */
  std::string serial;
  std::string sha1;
  std::string sha256;
  std::vector<std::string> uri_sans;
  std::vector<std::string> dns_sans;
  std::vector<std::string> ip_sans;
  std::vector<std::string> email_sans;
  std::vector<std::string> other_name_sans;
  std::vector<std::string> oids;
  base::SystemTime valid_from;
  base::SystemTime expires;
  /** PEM, escaped for a URL: of the certificate, and of all that the peer sent. */
  std::string pem;
  std::string chain_pem;
  /** Of all that the peer sent, its own first. */
  std::vector<std::string> chain_sha1;
  std::vector<std::string> chain_sha256;
  std::vector<std::string> chain_serials;
};

/**
 * What is known of a TLS connection once its handshake is complete. Made by its transport socket; read on the
 * connection's thread, also after the connection has closed. What is said of certificates is worked out when it is first
 * asked for.
 */
class TlsInfo {
 public:
  virtual ~TlsInfo() = default;
  /** "TLSv1.3". */
  virtual absl::string_view version() const = 0;
  /** OpenSSL's (and Envoy's) name: "ECDHE-RSA-AES128-GCM-SHA256", "TLS_AES_128_GCM_SHA256". */
  virtual absl::string_view cipher() const = 0;
  /** IANA's number of the cipher suite: 0x1301. */
  virtual uint16_t cipherId() const = 0;
  /** The key exchange's group: "X25519"; empty where there was none. */
  virtual absl::string_view group() const = 0;
  /** What the client asked for; empty where it did not. */
  virtual absl::string_view serverName() const = 0;
  /** ALPN's choice; empty where there was none. */
  virtual absl::string_view protocol() const = 0;
  /** Hexadecimal. */
  virtual absl::string_view sessionId() const = 0;
  virtual bool resumed() const = 0;
  virtual bool peerPresentedCertificate() const = 0;
  /** It did, and a validation context found it good. */
  virtual bool peerCertificateValidated() const = 0;
  /** Null without a certificate. */
  virtual const CertificateDetails* peer() const = 0;
  virtual const CertificateDetails* local() const = 0;
};

}  // namespace sluice::net
