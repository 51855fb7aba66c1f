#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "source/tls/certificate.h"
#include "source/tls/openssl_handles.h"
#include "source/tls/session_store.h"
#include "source/tls/session_ticket_keys.h"
#include "source/tls/settings.h"
#include "source/tls/ssl_ctx.h"
#include "source/tls/tls_stats.h"
#include "source/tls/validation_context.h"

namespace sluice::tls {

/** The secrets of one version of a context. */
struct Materials {
  /** A server has one or more, a client at most one. */
  std::vector<std::shared_ptr<const Certificate>> certificates;
  /** Null: any peer will do. */
  std::shared_ptr<const ValidationContext> validation;
  /** Null: those that OpenSSL's context makes for itself. */
  std::shared_ptr<const SessionTicketKeys> ticket_keys;
};

/**
 * One version of what a factory's connections are made with: settings and secrets that were there together. Made on main;
 * immutable but for the sessions that it keeps, shared by its connections on any thread.
 */
class Context {
 public:
  /** The error says what of the secrets does not fit the settings. */
  static absl::StatusOr<std::unique_ptr<Context>> create(std::shared_ptr<const Settings> settings, Materials materials,
                                                         std::shared_ptr<const TlsStats> stats);

  SSL_CTX* sslCtx() const { return ssl_ctx_->get(); }
  const Settings& settings() const { return *settings_; }
  const Materials& materials() const { return materials_; }
  const TlsStats& stats() const { return *stats_; }
  /** A server's; null where there are none to be had. */
  std::shared_ptr<const SessionTicketKeys> ticketKeys(base::MonotonicTime now) const {
    return materials_.ticket_keys != nullptr ? materials_.ticket_keys : ssl_ctx_->ticketKeys().at(now);
  }
  /** SSL_VERIFY_*. */
  int verifyMode() const { return verify_mode_; }
  /** Sessions are resumed only where it is equal: equal identities of ours, and equal demands on the peer's. */
  const std::array<uint8_t, 32>& sessionIdContext() const { return session_id_context_; }
  /** The server's choices, as ALPN has them on the wire. */
  const std::string& alpnWire() const { return alpn_wire_; }
  SessionStore& sessions() const { return sessions_; }

  /** What is asked of a server's certificates. */
  struct Offer {
    absl::string_view server_name;
    bool ecdsa = false;
    /** Curves that the client knows. */
    std::vector<int> curves;
    bool ocsp = false;
    base::SystemTime now;
  };
  /** Null where none may be presented (OCSP policy). `staple` says whether its OCSP response goes along. */
  const Certificate* select(const Offer& offer, bool& staple) const;

 private:
  Context(std::shared_ptr<const Settings> settings, Materials materials, std::shared_ptr<const TlsStats> stats);
  absl::Status checkCertificates() const;
  void indexNames();
  void identify();
  /** The best so far. */
  struct Choice {
    const Certificate* certificate = nullptr;
    bool staple = false;
  };
  /** True once one is found that nothing is better than. */
  bool consider(const std::vector<uint32_t>& places, const Offer& offer, Choice& choice) const;
  bool considerNamed(const std::string& name, const Offer& offer, Choice& choice) const;

  const std::shared_ptr<const Settings> settings_;
  const Materials materials_;
  const std::shared_ptr<const TlsStats> stats_;
  std::shared_ptr<SharedSslCtx> ssl_ctx_;
  int verify_mode_ = SSL_VERIFY_NONE;
  std::array<uint8_t, 32> session_id_context_{};
  std::string alpn_wire_;
  /** Places of certificates, by the exact name, or by ".b.test" of "*.b.test". */
  absl::flat_hash_map<std::string, std::vector<uint32_t>> by_name_;
  std::vector<uint32_t> all_;
  mutable SessionStore sessions_;
};

/** Protocols as ALPN has them on the wire; those of no or more than 255 bytes are left out. */
std::string alpnWire(const std::vector<std::string>& protocols);

}  // namespace sluice::tls
