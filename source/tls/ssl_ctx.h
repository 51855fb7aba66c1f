#pragma once

#include <memory>

#include "absl/status/statusor.h"

#include "source/tls/openssl_handles.h"
#include "source/tls/settings.h"
#include "source/tls/validation_context.h"

namespace sluice::tls {

/**
 * OpenSSL's context for these settings. It costs memory and time, so contexts that differ in their certificates alone
 * share one: certificates, what peers must be, ticket keys and ALPN come with each connection (SslConnection), which its
 * callbacks ask. `validation` gives the names of authorities that a server sends to clients; `ticket_keys` says that
 * connections have session ticket keys of their own. On main.
 */
absl::StatusOr<std::shared_ptr<SSL_CTX>> sharedSslCtx(const Settings& settings, const ValidationContext* validation,
                                                      bool ticket_keys);

}  // namespace sluice::tls
