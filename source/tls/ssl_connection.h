#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"

#include "source/net/tls_info.h"
#include "source/net/transport_socket.h"
#include "source/tls/context.h"
#include "source/tls/openssl_handles.h"

namespace sluice::tls {

/**
 * OpenSSL's state of one connection, with the context that it was made with: what OpenSSL's callbacks ask during the
 * handshake, and what is told of the connection after it. Owned by its transport socket, and by whoever keeps the
 * connection's TlsInfo beyond it. The connection's thread.
 */
class SslConnection final : public net::TlsInfo {
 public:
  SslConnection(std::shared_ptr<const Context> context, const net::TransportSocketTarget& target);
  ~SslConnection() override;

  SSL* ssl() const { return ssl_.get(); }
  const Context& context() const { return *context_; }
  const std::shared_ptr<const Context>& contextPtr() const { return context_; }
  static SslConnection& of(const SSL* ssl);

  /** The handshake is complete: counts it. */
  void onHandshakeComplete();
  /** Why the peer's certificate was refused, in Envoy's words; empty where it was not. */
  const std::string& verifyFailure() const { return verify_failure_; }

  // Called by OpenSSL during the handshake.

  /** `error` gets X509_V_OK only where the certificate is all that was asked for. */
  bool verifyPeer(X509* leaf, STACK_OF(X509) * chain, int& error);
  /** Before a session is looked for: says which are this server's, as far as the client has told whom it means. */
  void nameSessions();
  /** Installs the certificate to present; false ends the handshake. */
  bool presentCertificate();
  bool stapleOcsp();
  bool chooseProtocol(absl::string_view offered, const unsigned char** out, unsigned char* out_length);
  /** As SSL_CTX_set_tlsext_ticket_key_evp_cb() has it. */
  int keyTicket(unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac, bool encrypt);
  /** Takes the session over if true. */
  bool keepSession(SSL_SESSION* session);
  void logKey(absl::string_view line) const;

  // net::TlsInfo.

  absl::string_view version() const override { return SSL_get_version(ssl_.get()); }
  absl::string_view cipher() const override;
  uint16_t cipherId() const override;
  absl::string_view group() const override;
  absl::string_view serverName() const override;
  absl::string_view protocol() const override;
  absl::string_view sessionId() const override;
  bool resumed() const override { return SSL_session_reused(ssl_.get()) != 0; }
  bool peerPresentedCertificate() const override { return SSL_get0_peer_certificate(ssl_.get()) != nullptr; }
  bool peerCertificateValidated() const override;
  const net::CertificateDetails* peer() const override;
  const net::CertificateDetails* local() const override;

 private:
  void takeClientsCurve(X509& leaf);

  /** What few connections need. */
  struct Rare {
    std::unique_ptr<const net::CertificateDetails> peer;
    std::unique_ptr<const net::CertificateDetails> local;
    std::string session_id;
  };
  void beginClient(const net::TransportSocketTarget& target);
  std::string sessionKey() const;
  Rare& rare() const;

  const std::shared_ptr<const Context> context_;
  SslPtr ssl_;
  /** A client's; null where there are none. */
  std::shared_ptr<const net::TransportSocketOptions> options_;
  std::string verify_failure_;
  mutable std::unique_ptr<Rare> rare_;
  /** The certificate that is presented; the context holds it. */
  const Certificate* presented_ = nullptr;
  bool staple_ = false;
  /** What we asked to resume, to tell whether the server gave us another. */
  const SSL_SESSION* offered_ = nullptr;
};

}  // namespace sluice::tls
