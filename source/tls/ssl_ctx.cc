#include "source/tls/ssl_ctx.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include <openssl/err.h>

#include "source/config/canonical_key.h"
#include "source/tls/pem.h"
#include "source/tls/ssl_connection.h"

namespace sluice::tls {
namespace {

/** In Envoy's (BoringSSL's) order: AES is faster than ChaCha20 wherever the processor knows it. */
constexpr char kTls13Ciphers[] = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
/** TLS 1.0 and 1.1 sign with SHA-1, which OpenSSL has at level 0 alone. */
constexpr int kSecurityLevel = 1;
constexpr int kOldVersionsLevel = 0;
/** A client that opens several connections at once asks for as many tickets anew. */
constexpr size_t kTickets = 1;

int onVerify(X509_STORE_CTX* store, void*) {
  SSL* ssl = static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  int error = X509_V_OK;
  const bool accepted =
      SslConnection::of(ssl).verifyPeer(X509_STORE_CTX_get0_cert(store), X509_STORE_CTX_get0_untrusted(store), error);
  X509_STORE_CTX_set_error(store, error);
  return accepted ? 1 : 0;
}

int onClientHello(SSL* ssl, int*, void*) {
  SslConnection::of(ssl).nameSessions();
  return SSL_CLIENT_HELLO_SUCCESS;
}

int onCertificateWanted(SSL* ssl, void*) { return SslConnection::of(ssl).presentCertificate() ? 1 : 0; }

/** Any name is taken: with the certificate that fits best. */
int onServerName(SSL*, int*, void*) { return SSL_TLSEXT_ERR_OK; }

int onOcspWanted(SSL* ssl, void*) {
  return SslConnection::of(ssl).stapleOcsp() ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

int onAlpnOffered(SSL* ssl, const unsigned char** out, unsigned char* out_length, const unsigned char* offered,
                  unsigned int offered_length, void*) {
  return SslConnection::of(ssl).chooseProtocol({reinterpret_cast<const char*>(offered), offered_length}, out,
                                               out_length)
             ? SSL_TLSEXT_ERR_OK
             : SSL_TLSEXT_ERR_NOACK;
}

int onTicket(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac, int encrypt) {
  return SslConnection::of(ssl).keyTicket(name, iv, cipher, mac, encrypt != 0);
}

int onNewSession(SSL* ssl, SSL_SESSION* session) { return SslConnection::of(ssl).keepSession(session) ? 1 : 0; }

void onKeyLog(const SSL* ssl, const char* line) { SslConnection::of(ssl).logKey(line); }

/** Of everything that the SSL_CTX is made of. */
std::string identityOf(const Settings& settings, const ValidationContext* validation) {
  std::string names;
  if (settings.server && validation != nullptr) {
    for (X509* authority : validation->authorities()) {
      names += certificateSha256(*authority);
    }
  }
  return absl::StrCat(settings.server, "|", settings.min_version, "|", settings.max_version, "|", settings.ciphers.text,
                      "|", settings.ciphers.client_chooses_chacha, "|", settings.groups, "|",
                      settings.signature_algorithms, "|", settings.key_log != nullptr, "|",
                      settings.stateless_resumption, "|", settings.stateful_resumption, "|",
                      settings.session_timeout.count(), "|", settings.prefer_client_ciphers, "|",
                      settings.max_session_keys > 0, "|", config::contentKey(names).hex());
}

absl::Status failed(absl::string_view what) {
  const std::string reason = takeErrorReason();
  return absl::InvalidArgumentError(absl::StrCat("cannot set ", what, reason.empty() ? "" : ": ", reason));
}

absl::Status applyParameters(SSL_CTX* ctx, const Settings& settings) {
  SSL_CTX_set_security_level(ctx, settings.min_version < TLS1_2_VERSION ? kOldVersionsLevel : kSecurityLevel);
  if (SSL_CTX_set_min_proto_version(ctx, settings.min_version) != 1 ||
      SSL_CTX_set_max_proto_version(ctx, settings.max_version) != 1) {
    return failed("the protocol versions");
  }
  if (SSL_CTX_set_cipher_list(ctx, settings.ciphers.text.c_str()) != 1 ||
      SSL_CTX_set_ciphersuites(ctx, kTls13Ciphers) != 1) {
    return failed("the ciphers");
  }
  if (SSL_CTX_set1_groups_list(ctx, settings.groups.c_str()) != 1) {
    return failed("the curves");
  }
  if (!settings.signature_algorithms.empty() &&
      (SSL_CTX_set1_sigalgs_list(ctx, settings.signature_algorithms.c_str()) != 1 ||
       SSL_CTX_set1_client_sigalgs_list(ctx, settings.signature_algorithms.c_str()) != 1)) {
    return failed("the signature algorithms");
  }
  return absl::OkStatus();
}

void sendNames(SSL_CTX* ctx, const ValidationContext& validation) {
  X509NameStackPtr names(sk_X509_NAME_new_null());
  for (X509* authority : validation.authorities()) {
    const X509_NAME* name = X509_get_subject_name(authority);
    bool there = false;
    for (int i = 0; i < sk_X509_NAME_num(names.get()) && !there; ++i) {
      there = X509_NAME_cmp(sk_X509_NAME_value(names.get(), i), name) == 0;
    }
    if (!there) {
      sk_X509_NAME_push(names.get(), X509_NAME_dup(name));
    }
  }
  SSL_CTX_set_client_CA_list(ctx, names.release());
}

void applyServer(SSL_CTX* ctx, const Settings& settings, const ValidationContext* validation) {
  if (!settings.prefer_client_ciphers) {
    SSL_CTX_set_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE);
  }
  if (settings.ciphers.client_chooses_chacha) {
    SSL_CTX_set_options(ctx, SSL_OP_PRIORITIZE_CHACHA);
  }
  SSL_CTX_set_num_tickets(ctx, settings.stateless_resumption ? kTickets : 0);
  if (!settings.stateless_resumption) {
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
  }
  SSL_CTX_set_session_cache_mode(ctx, settings.stateful_resumption ? SSL_SESS_CACHE_SERVER : SSL_SESS_CACHE_OFF);
  if (settings.session_timeout.count() > 0) {
    SSL_CTX_set_timeout(ctx, static_cast<long>(settings.session_timeout.count()));
  }
  SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, onTicket);
  if (validation != nullptr) {
    sendNames(ctx, *validation);
  }
  SSL_CTX_set_client_hello_cb(ctx, onClientHello, nullptr);
  SSL_CTX_set_alpn_select_cb(ctx, onAlpnOffered, nullptr);
  SSL_CTX_set_tlsext_status_cb(ctx, onOcspWanted);
  SSL_CTX_set_tlsext_servername_callback(ctx, onServerName);
}

}  // namespace

absl::StatusOr<std::shared_ptr<SharedSslCtx>> sharedSslCtx(const Settings& settings,
                                                           const ValidationContext* validation) {
  // Main's alone, as is this function.
  thread_local absl::flat_hash_map<std::string, std::weak_ptr<SharedSslCtx>> known;
  const std::string identity = identityOf(settings, validation);
  const auto found = known.find(identity);
  if (found != known.end()) {
    if (std::shared_ptr<SharedSslCtx> shared = found->second.lock()) {
      return shared;
    }
  }
  ERR_clear_error();
  SslCtxPtr ctx(SSL_CTX_new(settings.server ? TLS_server_method() : TLS_client_method()));
  if (ctx == nullptr) {
    return failed("up TLS");
  }
  absl::Status applied = applyParameters(ctx.get(), settings);
  if (!applied.ok()) {
    return applied;
  }
  // A peer that closes without saying so has closed. Renegotiation serves nobody but attackers.
  SSL_CTX_set_options(ctx.get(), SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_clear_options(ctx.get(), SSL_OP_ENABLE_MIDDLEBOX_COMPAT);
  // An idle connection holds no buffers; one that is busy reads as many records at once as wait.
  SSL_CTX_set_mode(ctx.get(),
                   SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(ctx.get(), 1);
  SSL_CTX_set_cert_verify_callback(ctx.get(), onVerify, nullptr);
  SSL_CTX_set_cert_cb(ctx.get(), onCertificateWanted, nullptr);
  if (settings.key_log != nullptr) {
    SSL_CTX_set_keylog_callback(ctx.get(), onKeyLog);
  }
  if (settings.server) {
    applyServer(ctx.get(), settings, validation);
  } else if (settings.max_session_keys > 0) {
    SSL_CTX_set_session_cache_mode(ctx.get(), SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx.get(), onNewSession);
  } else {
    SSL_CTX_set_session_cache_mode(ctx.get(), SSL_SESS_CACHE_OFF);
  }
  absl::erase_if(known, [](const auto& entry) { return entry.second.expired(); });
  auto made = std::make_shared<SharedSslCtx>(std::move(ctx));
  known[identity] = made;
  return made;
}

}  // namespace sluice::tls
