#include "source/tls/tls_stats.h"

#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace sluice::tls {
namespace {

constexpr absl::string_view kNameTable[] = {
    "versions.TLSv1.3",
    "versions.TLSv1.2",
    "versions.TLSv1.1",
    "versions.TLSv1",
    "ciphers.TLS_AES_128_GCM_SHA256",
    "ciphers.TLS_AES_256_GCM_SHA384",
    "ciphers.TLS_CHACHA20_POLY1305_SHA256",
    "ciphers.ECDHE-ECDSA-AES128-GCM-SHA256",
    "ciphers.ECDHE-RSA-AES128-GCM-SHA256",
    "ciphers.ECDHE-ECDSA-AES256-GCM-SHA384",
    "ciphers.ECDHE-RSA-AES256-GCM-SHA384",
    "ciphers.ECDHE-ECDSA-CHACHA20-POLY1305",
    "ciphers.ECDHE-RSA-CHACHA20-POLY1305",
    "ciphers.ECDHE-ECDSA-AES128-SHA256",
    "ciphers.ECDHE-RSA-AES128-SHA256",
    "ciphers.ECDHE-ECDSA-AES256-SHA384",
    "ciphers.ECDHE-RSA-AES256-SHA384",
    "ciphers.ECDHE-ECDSA-AES128-SHA",
    "ciphers.ECDHE-RSA-AES128-SHA",
    "ciphers.ECDHE-ECDSA-AES256-SHA",
    "ciphers.ECDHE-RSA-AES256-SHA",
    "ciphers.AES128-GCM-SHA256",
    "ciphers.AES256-GCM-SHA384",
    "ciphers.AES128-SHA256",
    "ciphers.AES256-SHA256",
    "ciphers.AES128-SHA",
    "ciphers.AES256-SHA",
    "ciphers.DES-CBC3-SHA",
    "curves.X25519",
    "curves.P-256",
    "curves.P-384",
    "curves.P-521",
    "curves.P-224",
    "curves.X448",
    "sigalgs.rsa_pss_rsae_sha256",
    "sigalgs.rsa_pss_rsae_sha384",
    "sigalgs.rsa_pss_rsae_sha512",
    "sigalgs.rsa_pkcs1_sha256",
    "sigalgs.rsa_pkcs1_sha384",
    "sigalgs.rsa_pkcs1_sha512",
    "sigalgs.rsa_pkcs1_sha1",
    "sigalgs.ecdsa_secp256r1_sha256",
    "sigalgs.ecdsa_secp384r1_sha384",
    "sigalgs.ecdsa_secp521r1_sha512",
    "sigalgs.ecdsa_sha1",
    "sigalgs.ed25519",
};

}  // namespace

std::shared_ptr<const TlsStats> TlsStats::create(event::Dispatcher& main, const stats::ScopePtr& scope,
                                                 absl::string_view factory) {
  return event::ownedBy<TlsStats>(main, std::unique_ptr<TlsStats>(new TlsStats(main, scope, factory)));
}

TlsStats::TlsStats(event::Dispatcher& main, const stats::ScopePtr& scope, absl::string_view factory)
    : main_(main), ssl_(scope->createScope("ssl")), factory_(scope->createScope(factory)) {
  static_assert(std::size(kNameTable) <= kNames);
  for (auto& cell : cells_) {
    cell.store(stats::kNullCell, std::memory_order_relaxed);
  }
  connection_error = ssl_->counter("connection_error");
  handshake = ssl_->counter("handshake");
  session_reused = ssl_->counter("session_reused");
  no_certificate = ssl_->counter("no_certificate");
  fail_verify_no_cert = ssl_->counter("fail_verify_no_cert");
  fail_verify_error = ssl_->counter("fail_verify_error");
  fail_verify_san = ssl_->counter("fail_verify_san");
  fail_verify_cert_hash = ssl_->counter("fail_verify_cert_hash");
  ocsp_staple_failed = ssl_->counter("ocsp_staple_failed");
  ocsp_staple_omitted = ssl_->counter("ocsp_staple_omitted");
  ocsp_staple_responses = ssl_->counter("ocsp_staple_responses");
  ocsp_staple_requests = ssl_->counter("ocsp_staple_requests");
  was_key_usage_invalid = ssl_->counter("was_key_usage_invalid");
  ssl_context_update_by_sds = factory_->counter("ssl_context_update_by_sds");
  upstream_context_secrets_not_ready = factory_->counter("upstream_context_secrets_not_ready");
  downstream_context_secrets_not_ready = factory_->counter("downstream_context_secrets_not_ready");
}

void TlsStats::count(const char* kind, absl::string_view name) const {
  for (size_t i = 0; i < std::size(kNameTable); ++i) {
    absl::string_view rest = kNameTable[i];
    if (!absl::ConsumePrefix(&rest, kind) || rest != name) {
      continue;
    }
    const stats::CellIndex cell = cells_[i].load(std::memory_order_acquire);
    if (cell != stats::kNullCell) {
      stats::Counter(cell).inc();
      return;
    }
    main_.post([weak = weak_from_this(), i] {
      if (const auto self = weak.lock()) {
        const stats::Counter made = self->ssl_->counter(kNameTable[i]);
        made.inc();
        self->cells_[i].store(made.cell(), std::memory_order_release);
      }
    });
    return;
  }
}

void TlsStats::setCertificateExpiration(absl::string_view name, uint64_t unix_seconds) const {
  ssl_->gauge(absl::StrCat("certificate.", name, ".expiration_unix_time_seconds")).set(unix_seconds);
}

}  // namespace sluice::tls
