#include "test/integration/harness/tls.h"

#include <sys/socket.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <utility>

#include "openssl/err.h"
#include "openssl/pem.h"

#include "test/integration/harness/proxy.h"

namespace sluice::integration {
namespace {

using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;

Bio reading(const std::string& pem) { return {BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), &BIO_free}; }

Certificate nextCertificate(BIO* bio) { return {PEM_read_bio_X509(bio, nullptr, nullptr, nullptr), &X509_free}; }

std::string lastErrorText() {
  const unsigned long code = ERR_peek_last_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  return reason == nullptr ? "" : reason;
}

// A BIO over a socket that raises no SIGPIPE when the peer has gone: OpenSSL's own would end the test.

int socketOf(BIO* bio) { return static_cast<int>(reinterpret_cast<intptr_t>(BIO_get_data(bio))); }

const BIO_METHOD* quietSocket() {
  static const BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "quiet socket");
    BIO_meth_set_write(made, [](BIO* bio, const char* bytes, int count) {
      return static_cast<int>(::send(socketOf(bio), bytes, static_cast<size_t>(count), MSG_NOSIGNAL));
    });
    BIO_meth_set_read(made, [](BIO* bio, char* bytes, int count) {
      return static_cast<int>(::recv(socketOf(bio), bytes, static_cast<size_t>(count), 0));
    });
    BIO_meth_set_ctrl(made, [](BIO*, int command, long, void*) -> long { return command == BIO_CTRL_FLUSH ? 1 : 0; });
    return made;
  }();
  return method;
}

/** In the form that ALPN has on the wire. */
std::string alpnWire(const std::vector<std::string>& protocols) {
  std::string wire;
  for (const std::string& protocol : protocols) {
    wire += static_cast<char>(protocol.size());
    wire += protocol;
  }
  return wire;
}

int chooseAlpn(SSL*, const unsigned char** out, unsigned char* out_length, const unsigned char* offered,
               unsigned int offered_length, void* side) {
  const std::string own = alpnWire(static_cast<const TlsSide*>(side)->alpn);
  unsigned char* chosen = nullptr;
  const int found = SSL_select_next_proto(&chosen, out_length, reinterpret_cast<const unsigned char*>(own.data()),
                                          static_cast<unsigned int>(own.size()), offered, offered_length);
  if (found != OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  // `own` dies here; what was offered says the same.
  for (const unsigned char* at = offered; at < offered + offered_length; at += *at + 1) {
    if (*at == *out_length && std::equal(chosen, chosen + *out_length, at + 1)) {
      *out = at + 1;
      return SSL_TLSEXT_ERR_OK;
    }
  }
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/** `side` outlives it. */
std::shared_ptr<SSL_CTX> makeContext(const TlsSide& side, bool server) {
  std::shared_ptr<SSL_CTX> context(SSL_CTX_new(server ? TLS_server_method() : TLS_client_method()), &SSL_CTX_free);
  SSL_CTX* ctx = context.get();
  // Old versions are for tests to try.
  SSL_CTX_set_security_level(ctx, side.max_version != 0 && side.max_version < TLS1_2_VERSION ? 0 : 1);
  SSL_CTX_set_min_proto_version(ctx, side.min_version);
  SSL_CTX_set_max_proto_version(ctx, side.max_version);
  SSL_CTX_set_session_id_context(ctx, reinterpret_cast<const unsigned char*>("sluice"), 6);
  if (!side.ciphers.empty()) {
    SSL_CTX_set_cipher_list(ctx, side.ciphers.c_str());
  }
  if (!side.certificate.empty()) {
    const Bio chain = reading(side.certificate);
    if (const Certificate leaf = nextCertificate(chain.get()); leaf != nullptr) {
      SSL_CTX_use_certificate(ctx, leaf.get());
    }
    for (Certificate more = nextCertificate(chain.get()); more != nullptr; more = nextCertificate(chain.get())) {
      SSL_CTX_add0_chain_cert(ctx, more.release());
    }
    const Bio key = reading(side.key);
    EVP_PKEY* const parsed = PEM_read_bio_PrivateKey(key.get(), nullptr, nullptr, nullptr);
    SSL_CTX_use_PrivateKey(ctx, parsed);
    EVP_PKEY_free(parsed);
  }
  if (!side.trusted.empty()) {
    const Bio authorities = reading(side.trusted);
    for (Certificate one = nextCertificate(authorities.get()); one != nullptr;
         one = nextCertificate(authorities.get())) {
      X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), one.get());
      if (server) {
        SSL_CTX_add_client_CA(ctx, one.get());
      }
    }
    const int demand = server && side.require_certificate ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0;
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | demand, nullptr);
  }
  if (!side.alpn.empty()) {
    if (server) {
      SSL_CTX_set_alpn_select_cb(ctx, chooseAlpn, const_cast<TlsSide*>(&side));
    } else {
      const std::string wire = alpnWire(side.alpn);
      SSL_CTX_set_alpn_protos(ctx, reinterpret_cast<const unsigned char*>(wire.data()),
                              static_cast<unsigned int>(wire.size()));
    }
  }
  ERR_clear_error();
  return context;
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '\n') {
      out += "\\n";
    } else {
      out += c == '"' || c == '\\' ? std::string("\\") + c : std::string(1, c);
    }
  }
  return out + "\"";
}

std::string with(const std::string& extra) { return extra.empty() ? "" : ", " + extra; }

std::string tlsSocket(const std::string& type, const std::string& common, const std::string& extra) {
  return "transport_socket: {name: envoy.transport_sockets.tls, typed_config: {\"@type\": "
         "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3." +
         type + ", common_tls_context: {" + common + "}" + with(extra) + "}}";
}

}  // namespace

TlsConnection TlsConnection::connect(uint16_t port, const TlsSide& side) {
  return connect(connectTo(port, side.from), side);
}

TlsConnection TlsConnection::connect(Socket socket, const TlsSide& side) {
  TlsConnection out;
  if (!socket.isOpen()) {
    out.error_ = "connection refused";
    return out;
  }
  const std::shared_ptr<SSL_CTX> context = makeContext(side, false);
  out.socket_ = std::move(socket);
  out.begin(out.socket_.fd(), context.get());
  SSL* ssl = out.ssl_.get();
  if (!side.server_name.empty()) {
    SSL_set_tlsext_host_name(ssl, side.server_name.c_str());
    if (!side.trusted.empty()) {
      SSL_set1_host(ssl, side.server_name.c_str());
    }
  }
  if (side.session != nullptr) {
    SSL_set_session(ssl, side.session.get());
  }
  out.finish(SSL_connect(ssl));
  return out;
}

TlsConnection TlsConnection::accept(const Socket& socket, const TlsSide& side) {
  return accept(socket, makeContext(side, true).get());
}

TlsConnection TlsConnection::accept(const Socket& socket, SSL_CTX* context) {
  TlsConnection out;
  out.begin(socket.fd(), context);
  out.finish(SSL_accept(out.ssl_.get()));
  return out;
}

void TlsConnection::begin(int fd, SSL_CTX* context) {
  ssl_.reset(SSL_new(context));
  BIO* const bio = BIO_new(quietSocket());
  BIO_set_data(bio, reinterpret_cast<void*>(static_cast<intptr_t>(fd)));
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_.get(), bio, bio);
  fd_ = fd;
  ERR_clear_error();
}

void TlsConnection::finish(int result) {
  open_ = result == 1;
  if (!open_) {
    failed(result);
  }
}

void TlsConnection::failed(int result) {
  const int kind = SSL_get_error(ssl_.get(), result);
  const std::string text = lastErrorText();
  ERR_clear_error();
  if (!text.empty()) {
    error_ = text;
  } else if (kind == SSL_ERROR_ZERO_RETURN) {
    error_ = "close_notify";
  } else {
    error_ = errno == EAGAIN ? "the limit passed" : "the connection ended";
  }
}

bool TlsConnection::send(const std::string& bytes) {
  if (!open_) {
    return false;
  }
  size_t written = 0;
  const int result = bytes.empty() ? 1 : SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &written);
  if (result != 1) {
    failed(result);
  }
  return result == 1;
}

std::string TlsConnection::receiveSome() {
  if (!rest_.empty()) {
    return std::exchange(rest_, "");
  }
  if (!open_) {
    return "";
  }
  char buffer[16 * 1024];
  const int count = SSL_read(ssl_.get(), buffer, sizeof(buffer));
  if (count <= 0) {
    failed(count);
    return "";
  }
  return std::string(buffer, static_cast<size_t>(count));
}

std::string TlsConnection::receive(size_t count) {
  std::string out;
  while (out.size() < count) {
    const std::string more = receiveSome();
    if (more.empty()) {
      return out;
    }
    out += more;
  }
  rest_ = out.substr(count) + rest_;
  out.resize(count);
  return out;
}

bool TlsConnection::readLine(std::string& line) {
  line.clear();
  while (true) {
    const std::string more = receiveSome();
    if (more.empty()) {
      return false;
    }
    line += more;
    const size_t end = line.find('\n');
    if (end != std::string::npos) {
      rest_ = line.substr(end + 1);
      line.resize(end);
      return true;
    }
  }
}

std::string TlsConnection::readAll() {
  std::string out;
  for (std::string more = receiveSome(); !more.empty(); more = receiveSome()) {
    out += more;
  }
  return out;
}

bool TlsConnection::echo(const std::string& line) {
  std::string answer;
  return sendLine(line) && readLine(answer) && answer == line;
}

bool TlsConnection::endedCleanly() const {
  return ssl_ != nullptr && (SSL_get_shutdown(ssl_.get()) & SSL_RECEIVED_SHUTDOWN) != 0;
}

void TlsConnection::endSending() {
  if (open_) {
    SSL_shutdown(ssl_.get());
  }
}

bool TlsConnection::closesWithin(std::chrono::milliseconds limit) {
  return eventually(
      [this] {
        char bytes[4096];
        ssize_t count = 0;
        do {
          count = recv(fd_, bytes, sizeof(bytes), MSG_DONTWAIT);
        } while (count > 0);
        return count == 0 || errno != EAGAIN;
      },
      limit);
}

std::string TlsConnection::version() const { return open_ ? SSL_get_version(ssl_.get()) : ""; }
std::string TlsConnection::cipher() const { return open_ ? SSL_get_cipher_name(ssl_.get()) : ""; }
bool TlsConnection::resumed() const { return open_ && SSL_session_reused(ssl_.get()) == 1; }

std::string TlsConnection::alpn() const {
  const unsigned char* protocol = nullptr;
  unsigned int length = 0;
  if (open_) {
    SSL_get0_alpn_selected(ssl_.get(), &protocol, &length);
  }
  return std::string(reinterpret_cast<const char*>(protocol), length);
}

std::string TlsConnection::serverName() const {
  const char* name = open_ ? SSL_get_servername(ssl_.get(), TLSEXT_NAMETYPE_host_name) : nullptr;
  return name == nullptr ? "" : name;
}

std::string TlsConnection::peerSerial() const {
  const X509* const peer = ssl_ == nullptr ? nullptr : SSL_get0_peer_certificate(ssl_.get());
  if (peer == nullptr) {
    return "";
  }
  const std::unique_ptr<BIGNUM, decltype(&BN_free)> number(ASN1_INTEGER_to_BN(X509_get0_serialNumber(peer), nullptr),
                                                           &BN_free);
  char* const digits = BN_bn2hex(number.get());
  std::string text(digits);
  OPENSSL_free(digits);
  for (char& digit : text) {
    digit = static_cast<char>(std::tolower(digit));
  }
  return text;
}

std::string TlsConnection::peerSubject() const {
  const X509* const peer = ssl_ == nullptr ? nullptr : SSL_get0_peer_certificate(ssl_.get());
  if (peer == nullptr) {
    return "";
  }
  const Bio out(BIO_new(BIO_s_mem()), &BIO_free);
  X509_NAME_print_ex(out.get(), X509_get_subject_name(peer), 0, XN_FLAG_RFC2253);
  char* bytes = nullptr;
  const long length = BIO_get_mem_data(out.get(), &bytes);
  return std::string(bytes, static_cast<size_t>(length));
}

std::shared_ptr<SSL_SESSION> TlsConnection::session() const {
  return {ssl_ == nullptr ? nullptr : SSL_get1_session(ssl_.get()), &SSL_SESSION_free};
}

TlsServer::TlsServer(TlsSide side, std::function<void(TlsConnection&)> serve)
    : side_(std::move(side)),
      context_(makeContext(side_, true)),
      serve_(std::move(serve)),
      server_([this](Socket& socket) { handle(socket); }) {}

TlsServer::TlsServer(TlsSide side, const std::string& name)
    : TlsServer(std::move(side), [name](TlsConnection& connection) {
        connection.sendLine(name);
        std::string line;
        while (connection.readLine(line) && connection.sendLine(line)) {
        }
        connection.endSending();
      }) {}

void TlsServer::handle(Socket& socket) {
  TlsConnection connection = TlsConnection::accept(socket, context_.get());
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    last_ = {connection.error(), connection.serverName(), connection.alpn(), connection.peerSubject(),
             connection.peerSerial()};
  }
  if (!connection.isOpen()) {
    ++failed_;
    return;
  }
  resumed_ += connection.resumed() ? 1 : 0;
  ++handshakes_;
  serve_(connection);
}

TlsServer::Last TlsServer::last() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return last_;
}

std::string TlsServer::lastError() const { return last().error; }
std::string TlsServer::lastServerName() const { return last().server_name; }
std::string TlsServer::lastAlpn() const { return last().alpn; }
std::string TlsServer::lastPeerSubject() const { return last().peer_subject; }
std::string TlsServer::lastPeerSerial() const { return last().peer_serial; }

std::string tlsGreetingOf(uint16_t port, const TlsSide& side) {
  TlsConnection connection = TlsConnection::connect(port, side);
  std::string greeting;
  connection.readLine(greeting);
  return greeting;
}

std::string servedSerial(uint16_t port, const std::string& server_name) {
  TlsSide side;
  side.server_name = server_name;
  return TlsConnection::connect(port, side).peerSerial();
}

bool waitForSerial(uint16_t port, const std::string& serial, const std::string& server_name) {
  return eventually([&] { return servedSerial(port, server_name) == serial; });
}

SteadyTlsLoad::SteadyTlsLoad(uint16_t port, int clients, TlsSide side) {
  for (int i = 0; i < clients; ++i) {
    threads_.emplace_back([this, port, side] {
      while (!stopping_) {
        TlsConnection connection = TlsConnection::connect(port, side);
        std::string greeting;
        const bool served = connection.readLine(greeting) && connection.echo("again");
        const std::lock_guard<std::mutex> lock(mutex_);
        if (served) {
          ++greeted_;
        } else {
          ++failed_;
          error_ = connection.error();
        }
        changed_.notify_all();
      }
    });
  }
}

void SteadyTlsLoad::stop() {
  stopping_ = true;
  for (std::thread& thread : threads_) {
    thread.join();
  }
  threads_.clear();
}

bool SteadyTlsLoad::waitUntilGreeted(uint64_t count) {
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait_for(lock, kPatience, [&] { return greeted_ >= count || failed_ > 0; });
  return failed_ == 0 && greeted_ >= count;
}

std::string SteadyTlsLoad::error() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return error_;
}

std::string inlineString(const std::string& text) { return "{inline_string: " + quoted(text) + "}"; }

std::string tlsCertificate(const std::string& certificate, const std::string& key) {
  return "{certificate_chain: " + inlineString(certificate) + ", private_key: " + inlineString(key) + "}";
}

std::string tlsCertificate(const test::TestCertificate& certificate) {
  return tlsCertificate(certificate.chain(), certificate.key_pem);
}

std::string trusting(const std::string& authority, const std::string& extra) {
  return "{trusted_ca: " + inlineString(authority) + with(extra) + "}";
}

std::string sdsOverAds(const std::string& name, const std::string& extra) {
  return "{name: " + quoted(name) + ", sds_config: {ads: {}, resource_api_version: V3" + with(extra) + "}}";
}

std::string staticSecret(const std::string& name) { return "{name: " + quoted(name) + "}"; }

std::string downstreamTls(const std::string& common, const std::string& extra) {
  return tlsSocket("DownstreamTlsContext", common, extra);
}

std::string upstreamTls(const std::string& common, const std::string& extra) {
  return tlsSocket("UpstreamTlsContext", common, extra);
}

std::string withCertificates(const Yamls& certificates) {
  std::string out = "tls_certificates: [";
  for (const std::string& certificate : certificates) {
    out += (out.back() == '[' ? "" : ", ") + certificate;
  }
  return out + "]";
}

std::string withSdsCertificate(const std::string& sds) { return "tls_certificate_sds_secret_configs: [" + sds + "]"; }
std::string withValidation(const std::string& validation) { return "validation_context: " + validation; }
std::string withSdsValidation(const std::string& sds) { return "validation_context_sds_secret_config: " + sds; }

std::string secret(const std::string& name, const std::string& kind) {
  return "{\"@type\": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret, name: " + quoted(name) +
         ", " + kind + "}";
}

std::string certificateSecret(const std::string& name, const std::string& certificate, const std::string& key) {
  return secret(name, "tls_certificate: " + tlsCertificate(certificate, key));
}

std::string certificateSecret(const std::string& name, const test::TestCertificate& certificate) {
  return certificateSecret(name, certificate.chain(), certificate.key_pem);
}

std::string validationSecret(const std::string& name, const std::string& authority, const std::string& extra) {
  return secret(name, "validation_context: " + trusting(authority, extra));
}

}  // namespace sluice::integration
