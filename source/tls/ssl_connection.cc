#include "source/tls/ssl_connection.h"

#include <sys/socket.h>

#include <cstring>
#include <iterator>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/rand.h>

#include "source/base/assert.h"
#include "source/net/address.h"
#include "source/tls/certificate_details.h"
#include "source/tls/pem.h"
#include "source/tls/tls_parameters.h"

namespace sluice::tls {
namespace {

/** Of the ECDSA keys that TLS 1.3 has sign with a digest (RFC 8446, section 4.2.3); NID_undef for none. */
int curveOf(int digest) {
  switch (digest) {
    case NID_sha256:
      return NID_X9_62_prime256v1;
    case NID_sha384:
      return NID_secp384r1;
    case NID_sha512:
      return NID_secp521r1;
    default:
      return NID_undef;
  }
}

/** What a client says about the keys that it takes. */
void readOffer(SSL* ssl, Context::Offer& offer) {
  const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  offer.server_name = name == nullptr ? "" : name;
  offer.ocsp = SSL_get_tlsext_status_type(ssl) == TLSEXT_STATUSTYPE_ocsp;
  const int algorithms = SSL_get_shared_sigalgs(ssl, 0, nullptr, nullptr, nullptr, nullptr, nullptr);
  const bool curve_by_digest = SSL_version(ssl) >= TLS1_3_VERSION;
  for (int i = 0; i < algorithms && (!offer.ecdsa || curve_by_digest); ++i) {
    int key = 0;
    int digest = 0;
    SSL_get_shared_sigalgs(ssl, i, &key, &digest, nullptr, nullptr, nullptr);
    const int curve = key == EVP_PKEY_EC ? curveOf(digest) : NID_undef;
    offer.ecdsa = offer.ecdsa || (curve_by_digest ? curve != NID_undef : key == EVP_PKEY_EC);
    if (curve_by_digest && curve != NID_undef) {
      offer.curves.push_back(curve);
    }
  }
  if (curve_by_digest) {
    return;
  }
  // Before TLS 1.3 the ciphers tell, too, and the curves of certificates are those of the key exchange.
  STACK_OF(SSL_CIPHER)* ciphers = SSL_get_client_ciphers(ssl);
  bool by_cipher = false;
  for (int i = 0; i < sk_SSL_CIPHER_num(ciphers) && !by_cipher; ++i) {
    by_cipher = SSL_CIPHER_get_auth_nid(sk_SSL_CIPHER_value(ciphers, i)) == NID_auth_ecdsa;
  }
  offer.ecdsa = by_cipher && (offer.ecdsa || algorithms == 0);
  const int groups = static_cast<int>(SSL_get1_groups(ssl, nullptr));
  if (offer.ecdsa && groups > 0) {
    offer.curves.resize(groups);
    SSL_get1_groups(ssl, offer.curves.data());
  }
}

absl::string_view hostName(const SSL* ssl) {
  const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  return name == nullptr ? "" : name;
}

bool inRanges(const matcher::IpRanges& ranges, int fd, int (*nameOf)(int, sockaddr*, socklen_t*)) {
  if (ranges.empty()) {
    return true;
  }
  sockaddr_storage storage{};
  socklen_t length = sizeof(storage);
  if (nameOf(fd, reinterpret_cast<sockaddr*>(&storage), &length) != 0) {
    return false;
  }
  const net::Address address = net::Address::fromSockaddr(reinterpret_cast<sockaddr*>(&storage), length);
  return address.isIp() && ranges.contains(address.kind() == net::Address::Kind::Ipv6, address.bytes());
}

}  // namespace

SslConnection::SslConnection(std::shared_ptr<const Context> context, const net::TransportSocketTarget& target)
    : context_(std::move(context)), ssl_(SSL_new(context_->sslCtx())) {
  SLUICE_CHECK(ssl_ != nullptr, "no memory for a TLS connection");
  SSL_set_app_data(ssl_.get(), this);
  SSL_set_verify(ssl_.get(), context_->verifyMode(), nullptr);
  if (context_->settings().server) {
    SSL_set_session_id_context(ssl_.get(), context_->sessionIdContext().data(),
                               static_cast<unsigned>(context_->sessionIdContext().size()));
    SSL_set_accept_state(ssl_.get());
  } else {
    beginClient(target);
  }
}

SslConnection::~SslConnection() {
  // OpenSSL would never resume the session of a connection that was cut.
  SSL_set_shutdown(ssl_.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
}

SslConnection& SslConnection::of(const SSL* ssl) { return *static_cast<SslConnection*>(SSL_get_app_data(ssl)); }

void SslConnection::beginClient(const net::TransportSocketTarget& target) {
  const Settings& settings = context_->settings();
  options_ = target.options;
  SSL_set_connect_state(ssl_.get());
  std::string sni;
  if (options_ != nullptr && !options_->server_name.empty()) {
    sni = options_->server_name;
  } else if (settings.auto_host_sni && !target.hostname.empty()) {
    sni = std::string(target.hostname);
  } else {
    sni = settings.sni;
  }
  if (!sni.empty()) {
    SSL_set_tlsext_host_name(ssl_.get(), sni.c_str());
  }
  std::string protocols = context_->alpnWire();
  if (options_ != nullptr) {
    if (!options_->protocols.empty()) {
      protocols = alpnWire(options_->protocols);
    } else if (protocols.empty()) {
      protocols = alpnWire(options_->fallback_protocols);
    }
  }
  if (!protocols.empty()) {
    SSL_set_alpn_protos(ssl_.get(), reinterpret_cast<const unsigned char*>(protocols.data()),
                        static_cast<unsigned>(protocols.size()));
  }
  if (const SslSessionPtr session = context_->sessions().take(sessionKey())) {
    SSL_set_session(ssl_.get(), session.get());
    offered_ = session.get();
  }
}

/** What was verified of the peer when the session was made is not verified again: it is part of whom it is for. */
std::string SslConnection::sessionKey() const {
  std::string key(hostName(ssl_.get()));
  if (options_ != nullptr) {
    for (const std::string& name : options_->verify_names) {
      absl::StrAppend(&key, "\n", name);
    }
  }
  return key;
}

void SslConnection::onHandshakeComplete() {
  // Of a ticket that TLS 1.2 renews in a resumed handshake OpenSSL does not tell.
  SSL_SESSION* session = SSL_get_session(ssl_.get());
  if (offered_ != nullptr && resumed() && session != offered_ && SSL_version(ssl_.get()) < TLS1_3_VERSION) {
    SSL_SESSION_up_ref(session);
    context_->sessions().put(sessionKey(), SslSessionPtr(session));
  }
  const TlsStats& stats = context_->stats();
  stats.handshake.inc();
  if (resumed()) {
    stats.session_reused.inc();
  }
  if (!peerPresentedCertificate()) {
    stats.no_certificate.inc();
  }
  stats.countVersion(version());
  stats.countCipher(cipher());
  stats.countGroup(group());
  int key = 0;
  int digest = 0;
  if (SSL_get_peer_signature_type_nid(ssl_.get(), &key) == 1 && SSL_get_peer_signature_nid(ssl_.get(), &digest) == 1) {
    stats.countSignature(signatureName(key, digest));
  }
}

/**
 * Before TLS 1.3 OpenSSL takes keys of the peer's only of curves that keys are exchanged over. A client's are not meant
 * by ecdh_curves; by now our part of the exchange is chosen.
 */
void SslConnection::takeClientsCurve(X509& leaf) {
  if (SSL_version(ssl_.get()) >= TLS1_3_VERSION || EVP_PKEY_base_id(X509_get0_pubkey(&leaf)) != EVP_PKEY_EC) {
    return;
  }
  int curves[] = {NID_X25519, NID_X9_62_prime256v1, NID_secp384r1, NID_secp521r1};
  SSL_set1_groups(ssl_.get(), curves, std::size(curves));
}

void SslConnection::nameSessions() {
  const unsigned char* name = nullptr;
  size_t length = 0;
  // With one certificate every name means the same server. With several a session is for one name (RFC 6066, section 3).
  if (context_->materials().certificates.size() < 2 ||
      SSL_client_hello_get0_ext(ssl_.get(), TLSEXT_TYPE_server_name, &name, &length) != 1) {
    return;
  }
  const auto& common = context_->sessionIdContext();
  const std::string digest =
      sha256(absl::StrCat(absl::string_view(reinterpret_cast<const char*>(common.data()), common.size()),
                          absl::string_view(reinterpret_cast<const char*>(name), length)));
  static_assert(SSL_MAX_SID_CTX_LENGTH >= SHA256_DIGEST_LENGTH);
  SSL_set_session_id_context(ssl_.get(), reinterpret_cast<const unsigned char*>(digest.data()), SHA256_DIGEST_LENGTH);
}

bool SslConnection::verifyPeer(X509* leaf, STACK_OF(X509) * chain, int& error) {
  const TlsStats& stats = context_->stats();
  const Settings& settings = context_->settings();
  if (leaf == nullptr) {
    error = X509_V_ERR_CERT_UNTRUSTED;
    return false;
  }
  if (settings.server) {
    takeClientsCurve(*leaf);
  }
  if (!settings.server && (X509_get_extension_flags(leaf) & EXFLAG_KUSAGE) != 0 &&
      EVP_PKEY_base_id(X509_get0_pubkey(leaf)) == EVP_PKEY_RSA) {
    const SSL_CIPHER* pending = SSL_get_pending_cipher(ssl_.get());
    const bool enciphers = pending != nullptr && SSL_CIPHER_get_kx_nid(pending) == NID_kx_rsa;
    if ((X509_get_key_usage(leaf) & (enciphers ? KU_KEY_ENCIPHERMENT : KU_DIGITAL_SIGNATURE)) == 0) {
      if (settings.enforce_rsa_key_usage) {
        verify_failure_ = "verify cert failed: key usage";
        error = X509_V_ERR_INVALID_PURPOSE;
        return false;
      }
      stats.was_key_usage_invalid.inc();
    }
  }
  const ValidationContext* validation = context_->materials().validation.get();
  if (validation == nullptr) {
    error = X509_V_ERR_CERT_UNTRUSTED;
    return true;
  }
  ValidationContext::Demands demands;
  demands.server = !settings.server;
  if (options_ != nullptr) {
    demands.names = &options_->verify_names;
  }
  if (settings.auto_sni_san_validation && !settings.server) {
    demands.sni = std::string(hostName(ssl_.get()));
  }
  ValidationContext::Verdict verdict = validation->verify(*leaf, chain, demands);
  switch (verdict.failure) {
    case ValidationContext::Failure::None:
      break;
    case ValidationContext::Failure::Chain:
      stats.fail_verify_error.inc();
      break;
    case ValidationContext::Failure::San:
      stats.fail_verify_san.inc();
      break;
    case ValidationContext::Failure::Hash:
      stats.fail_verify_cert_hash.inc();
      break;
  }
  if (!verdict.accepted) {
    verify_failure_ = std::move(verdict.details);
    error = verdict.error == X509_V_OK ? X509_V_ERR_CERT_UNTRUSTED : verdict.error;
    return false;
  }
  error = verdict.validated ? X509_V_OK : X509_V_ERR_CERT_UNTRUSTED;
  return true;
}

bool SslConnection::presentCertificate() {
  const auto& certificates = context_->materials().certificates;
  if (!context_->settings().server) {
    presented_ = certificates.empty() ? nullptr : certificates.front().get();
    if (presented_ == nullptr) {
      return true;
    }
  } else {
    Context::Offer offer;
    readOffer(ssl_.get(), offer);
    offer.now = std::chrono::system_clock::now();
    presented_ = context_->select(offer, staple_);
    const TlsStats& stats = context_->stats();
    if (offer.ocsp) {
      stats.ocsp_staple_requests.inc();
      (presented_ == nullptr ? stats.ocsp_staple_failed
       : staple_             ? stats.ocsp_staple_responses
                             : stats.ocsp_staple_omitted)
          .inc();
    }
    if (presented_ == nullptr) {
      return false;
    }
  }
  return SSL_use_cert_and_key(ssl_.get(), &presented_->whole(), &presented_->privateKey(), presented_->intermediates(),
                              1) == 1;
}

bool SslConnection::stapleOcsp() {
  if (!staple_) {
    return false;
  }
  const std::string& der = presented_->ocspStaple()->der();
  void* copy = OPENSSL_memdup(der.data(), der.size());
  return copy != nullptr && SSL_set_tlsext_status_ocsp_resp(ssl_.get(), copy, static_cast<long>(der.size())) == 1;
}

bool SslConnection::chooseProtocol(absl::string_view offered, const unsigned char** out, unsigned char* out_length) {
  const std::string& ours = context_->alpnWire();
  if (ours.empty()) {
    return false;
  }
  unsigned char* chosen = nullptr;
  const int outcome = SSL_select_next_proto(
      &chosen, out_length, reinterpret_cast<const unsigned char*>(ours.data()), static_cast<unsigned>(ours.size()),
      reinterpret_cast<const unsigned char*>(offered.data()), static_cast<unsigned>(offered.size()));
  *out = chosen;
  return outcome == OPENSSL_NPN_NEGOTIATED;
}

int SslConnection::keyTicket(unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac,
                             bool encrypt) {
  const std::shared_ptr<const SessionTicketKeys> current = context_->ticketKeys(std::chrono::steady_clock::now());
  if (current == nullptr) {
    return -1;
  }
  const std::vector<SessionTicketKeys::Key>& keys = current->keys();
  size_t place = 0;
  if (!encrypt) {
    while (place < keys.size() && std::memcmp(keys[place].name.data(), name, keys[place].name.size()) != 0) {
      ++place;
    }
    if (place == keys.size()) {
      return 0;
    }
  }
  const SessionTicketKeys::Key& key = keys[place];
  char digest[] = "SHA256";
  const OSSL_PARAM params[] = {
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, const_cast<uint8_t*>(key.hmac.data()), key.hmac.size()),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_construct_end()};
  if (EVP_MAC_CTX_set_params(mac, params) != 1) {
    return -1;
  }
  if (encrypt) {
    std::memcpy(name, key.name.data(), key.name.size());
    if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1 ||
        EVP_EncryptInit_ex2(cipher, EVP_aes_256_cbc(), key.aes.data(), iv, nullptr) != 1) {
      return -1;
    }
    return 1;
  }
  if (EVP_DecryptInit_ex2(cipher, EVP_aes_256_cbc(), key.aes.data(), iv, nullptr) != 1) {
    return -1;
  }
  // An old key's ticket is good, and the client gets one of the new key. One of TLS 1.3 is used once.
  return place == 0 && SSL_version(ssl_.get()) < TLS1_3_VERSION ? 1 : 2;
}

bool SslConnection::keepSession(SSL_SESSION* session) {
  SessionStore& store = context_->sessions();
  if (store.limit() == 0) {
    return false;
  }
  store.put(sessionKey(), SslSessionPtr(session));
  return true;
}

void SslConnection::logKey(absl::string_view line) const {
  const KeyLog* log = context_->settings().key_log.get();
  const int fd = SSL_get_fd(ssl_.get());
  if (log != nullptr && inRanges(log->local, fd, ::getsockname) && inRanges(log->remote, fd, ::getpeername)) {
    log->file->write(absl::StrCat(line, "\n"));
  }
}

absl::string_view SslConnection::cipher() const {
  const SSL_CIPHER* cipher = SSL_get_current_cipher(ssl_.get());
  return cipher == nullptr ? "" : SSL_CIPHER_get_name(cipher);
}

uint16_t SslConnection::cipherId() const {
  const SSL_CIPHER* cipher = SSL_get_current_cipher(ssl_.get());
  return cipher == nullptr ? 0 : SSL_CIPHER_get_protocol_id(cipher);
}

absl::string_view SslConnection::group() const {
  return groupName(static_cast<int>(SSL_get_negotiated_group(ssl_.get())));
}

absl::string_view SslConnection::serverName() const { return hostName(ssl_.get()); }

absl::string_view SslConnection::protocol() const {
  const unsigned char* data = nullptr;
  unsigned int length = 0;
  SSL_get0_alpn_selected(ssl_.get(), &data, &length);
  return {reinterpret_cast<const char*>(data), length};
}

SslConnection::Rare& SslConnection::rare() const {
  if (rare_ == nullptr) {
    rare_ = std::make_unique<Rare>();
  }
  return *rare_;
}

absl::string_view SslConnection::sessionId() const {
  const SSL_SESSION* session = SSL_get_session(ssl_.get());
  // TLS 1.3 has none: what OpenSSL makes up for itself means nothing to the peer.
  if (session == nullptr || SSL_version(ssl_.get()) >= TLS1_3_VERSION) {
    return "";
  }
  unsigned int length = 0;
  const unsigned char* id = SSL_SESSION_get_id(session, &length);
  Rare& parts = rare();
  parts.session_id = absl::BytesToHexString({reinterpret_cast<const char*>(id), length});
  return parts.session_id;
}

bool SslConnection::peerCertificateValidated() const {
  return context_->materials().validation != nullptr && peerPresentedCertificate() &&
         SSL_get_verify_result(ssl_.get()) == X509_V_OK;
}

const net::CertificateDetails* SslConnection::peer() const {
  X509* certificate = SSL_get0_peer_certificate(ssl_.get());
  if (certificate == nullptr) {
    return nullptr;
  }
  Rare& parts = rare();
  if (parts.peer == nullptr) {
    // A server's list leaves the client's own certificate out.
    const X509StackPtr chain(sk_X509_new_null());
    sk_X509_push(chain.get(), share(certificate).release());
    const STACK_OF(X509)* sent = SSL_get_peer_cert_chain(ssl_.get());
    for (int i = SSL_is_server(ssl_.get()) != 0 ? 0 : 1; sent != nullptr && i < sk_X509_num(sent); ++i) {
      sk_X509_push(chain.get(), share(sk_X509_value(sent, i)).release());
    }
    parts.peer = std::make_unique<net::CertificateDetails>(describeCertificate(*certificate, chain.get()));
  }
  return parts.peer.get();
}

const net::CertificateDetails* SslConnection::local() const {
  X509* certificate = SSL_get_certificate(ssl_.get());
  // On resumption no certificate is chosen, and what the context would have presented is not looked for.
  if (certificate == nullptr) {
    const auto& certificates = context_->materials().certificates;
    if (!context_->settings().server || certificates.empty()) {
      return nullptr;
    }
    certificate = &certificates.front()->whole();
  }
  Rare& parts = rare();
  if (parts.local == nullptr) {
    parts.local = std::make_unique<net::CertificateDetails>(describeCertificate(*certificate, nullptr));
  }
  return parts.local.get();
}

}  // namespace sluice::tls
