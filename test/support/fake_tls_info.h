#pragma once

#include <optional>
#include <string>

#include "source/net/tls_info.h"

namespace sluice::test {

/** A TLS connection as a test wants it. */
class FakeTlsInfo final : public net::TlsInfo {
 public:
  absl::string_view version() const override { return "TLSv1.3"; }
  absl::string_view cipher() const override { return "TLS_AES_128_GCM_SHA256"; }
  uint16_t cipherId() const override { return 0x1301; }
  absl::string_view group() const override { return "X25519"; }
  absl::string_view serverName() const override { return server_name; }
  absl::string_view protocol() const override { return alpn; }
  absl::string_view sessionId() const override { return "abcd"; }
  bool resumed() const override { return false; }
  bool peerPresentedCertificate() const override { return peer_certificate.has_value(); }
  bool peerCertificateValidated() const override { return peer_certificate.has_value() && validated; }
  const net::CertificateDetails* peer() const override { return peer_certificate ? &*peer_certificate : nullptr; }
  const net::CertificateDetails* local() const override { return local_certificate ? &*local_certificate : nullptr; }

  std::string server_name = "x.test";
  std::string alpn;
  bool validated = true;
  std::optional<net::CertificateDetails> peer_certificate;
  std::optional<net::CertificateDetails> local_certificate;
};

}  // namespace sluice::test
