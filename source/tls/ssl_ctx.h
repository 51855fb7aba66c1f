#pragma once

#include <memory>
#include <utility>

#include "absl/status/statusor.h"

#include "source/tls/openssl_handles.h"
#include "source/tls/rotating_ticket_keys.h"
#include "source/tls/settings.h"
#include "source/tls/validation_context.h"

namespace sluice::tls {

/**
 * OpenSSL's context for some settings. It costs memory and time, so contexts that differ in their certificates alone
 * share one: certificates, what peers must be, ticket keys and ALPN come with each connection (SslConnection), which its
 * callbacks ask. Immutable but for what OpenSSL and the ticket keys guard; any thread.
 */
class SharedSslCtx {
 public:
  explicit SharedSslCtx(SslCtxPtr ctx) : ctx_(std::move(ctx)) {}
  SSL_CTX* get() const { return ctx_.get(); }
  /** For servers that are given none. */
  RotatingTicketKeys& ticketKeys() { return ticket_keys_; }

 private:
  const SslCtxPtr ctx_;
  RotatingTicketKeys ticket_keys_;
};

/** The one for these settings. `validation` gives the names of authorities that a server sends to clients. On main. */
absl::StatusOr<std::shared_ptr<SharedSslCtx>> sharedSslCtx(const Settings& settings,
                                                           const ValidationContext* validation);

}  // namespace sluice::tls
