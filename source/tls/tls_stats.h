#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"

#include "source/event/dispatcher.h"
#include "source/stats/stats.h"

namespace sluice::tls {

/**
 * A listener's or a cluster's ssl.* statistics, in Envoy's names. Made and destroyed on main (event::ownedBy()); counted
 * on any thread.
 */
class TlsStats : public std::enable_shared_from_this<TlsStats> {
 public:
  /** `scope` is "listener.<address>." or "cluster.<name>."; `factory` names the factory's own part of it. */
  static std::shared_ptr<const TlsStats> create(event::Dispatcher& main, const stats::ScopePtr& scope,
                                                absl::string_view factory);

  stats::Counter connection_error;
  stats::Counter handshake;
  stats::Counter session_reused;
  stats::Counter no_certificate;
  stats::Counter fail_verify_no_cert;
  stats::Counter fail_verify_error;
  stats::Counter fail_verify_san;
  stats::Counter fail_verify_cert_hash;
  stats::Counter ocsp_staple_failed;
  stats::Counter ocsp_staple_omitted;
  stats::Counter ocsp_staple_responses;
  stats::Counter ocsp_staple_requests;
  stats::Counter was_key_usage_invalid;

  stats::Counter ssl_context_update_by_sds;
  stats::Counter upstream_context_secrets_not_ready;
  stats::Counter downstream_context_secrets_not_ready;

  /**
   * Counts "ciphers.<name>", and so on. Such a counter exists from its first count on: the first few counts take the way
   * over main, which makes it. Names that no handshake has are not counted.
   */
  void countCipher(absl::string_view name) const { count("ciphers.", name); }
  void countGroup(absl::string_view name) const { count("curves.", name); }
  void countSignature(absl::string_view name) const { count("sigalgs.", name); }
  void countVersion(absl::string_view name) const { count("versions.", name); }

  /** Main. */
  void setCertificateExpiration(absl::string_view name, uint64_t unix_seconds) const;

 private:
  TlsStats(event::Dispatcher& main, const stats::ScopePtr& scope, absl::string_view factory);
  void count(const char* kind, absl::string_view name) const;

  static constexpr size_t kNames = 64;

  event::Dispatcher& main_;
  const stats::ScopePtr ssl_;
  const stats::ScopePtr factory_;
  /** By the name's place in the table of all names; kNullCell until main has made the counter. */
  mutable std::array<std::atomic<stats::CellIndex>, kNames> cells_;
};

}  // namespace sluice::tls
