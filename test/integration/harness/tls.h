#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "openssl/ssl.h"

#include "test/integration/harness/resources.h"
#include "test/integration/harness/traffic.h"
#include "test/support/certificates.h"

namespace sluice::integration {

/** What one side of a TLS connection brings along; the certificates are PEM. */
struct TlsSide {
  /** Its own chain and key; empty presents none. */
  std::string certificate;
  std::string key;
  /** Whom it trusts; empty trusts everybody. */
  std::string trusted;
  /** A server's: clients must present a certificate. */
  bool require_certificate = false;
  std::vector<std::string> alpn;
  /** TLS1_2_VERSION and so on; 0 is OpenSSL's own limit. */
  int min_version = 0;
  int max_version = 0;
  /** For TLS 1.2, in OpenSSL's spelling. */
  std::string ciphers;
  /** A client's. */
  std::string server_name;
  std::string from = "127.0.0.1";
  /** A client's: the session that it wants to take up again. */
  std::shared_ptr<SSL_SESSION> session;

  TlsSide& present(const test::TestCertificate& certificate) {
    this->certificate = certificate.chain();
    key = certificate.key_pem;
    return *this;
  }
  TlsSide& trust(const test::TestAuthority& authority) {
    trusted = authority.pem();
    return *this;
  }
};

/** A TLS connection on a socket that waits. Move-only; one thread at a time. */
class TlsConnection {
 public:
  static TlsConnection connect(uint16_t port, const TlsSide& side = {});
  static TlsConnection connect(Socket socket, const TlsSide& side);
  /** The server's end; socket and side are the caller's, and outlive it. */
  static TlsConnection accept(const Socket& socket, const TlsSide& side);
  TlsConnection() = default;
  TlsConnection(TlsConnection&&) = default;
  TlsConnection& operator=(TlsConnection&&) = default;

  /** The handshake is complete. A client of TLS 1.3 learns only when it reads whether its certificate was taken. */
  bool isOpen() const { return open_; }
  /** Why the handshake, or what was done last, failed: OpenSSL's words, such as "tlsv13 alert certificate required". */
  const std::string& error() const { return error_; }

  bool send(const std::string& bytes);
  /** So many bytes; fewer at the end, on an error, and when the limit passes. */
  std::string receive(size_t count);
  /** What comes next; empty at the end and on an error. */
  std::string receiveSome();
  bool sendLine(const std::string& line) { return send(line + "\n"); }
  bool readLine(std::string& line);
  /** Everything up to the end. */
  std::string readAll();
  /** Sends a line and reads it back. */
  bool echo(const std::string& line);
  /** After the end: the peer said with close_notify that it had sent all. */
  bool endedCleanly() const;
  /** Sends close_notify. */
  void endSending();
  bool closesWithin(std::chrono::milliseconds limit);

  std::string version() const;
  std::string cipher() const;
  std::string alpn() const;
  /** What the client asked for. */
  std::string serverName() const;
  bool resumed() const;
  /** Hexadecimal, in lower case; empty without a certificate. */
  std::string peerSerial() const;
  /** RFC 2253. */
  std::string peerSubject() const;
  /** Of the client: the newest that the server gave, which with TLS 1.3 takes a receive(). */
  std::shared_ptr<SSL_SESSION> session() const;
  /** A client's. */
  Socket& socket() { return socket_; }
  SSL* ssl() { return ssl_.get(); }

 private:
  friend class TlsServer;
  struct Free {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
  };
  /** The socket is its caller's, and outlives it. */
  static TlsConnection accept(const Socket& socket, SSL_CTX* context);
  void begin(int fd, SSL_CTX* context);
  void finish(int result);
  void failed(int result);

  Socket socket_;
  int fd_ = -1;
  std::unique_ptr<SSL, Free> ssl_;
  bool open_ = false;
  std::string error_;
  std::string rest_;
};

/** A server whose connections are each handled by `serve` on a thread of its own, once they are through with TLS. */
class TlsServer {
 public:
  TlsServer(TlsSide side, std::function<void(TlsConnection&)> serve);
  /** Greets with its name and sends every line back. */
  TlsServer(TlsSide side, const std::string& name);

  uint16_t port() const { return server_.port(); }
  uint64_t handshakes() const { return handshakes_; }
  uint64_t resumed() const { return resumed_; }
  /** Handshakes that came to nothing, and the reason of the last. */
  uint64_t failed() const { return failed_; }
  std::string lastError() const;
  // Of the last connection.
  std::string lastServerName() const;
  std::string lastAlpn() const;
  std::string lastPeerSubject() const;
  std::string lastPeerSerial() const;

 private:
  struct Last {
    std::string error;
    std::string server_name;
    std::string alpn;
    std::string peer_subject;
    std::string peer_serial;
  };
  void handle(Socket& socket);
  Last last() const;

  const TlsSide side_;
  const std::shared_ptr<SSL_CTX> context_;
  const std::function<void(TlsConnection&)> serve_;
  std::atomic<uint64_t> handshakes_{0};
  std::atomic<uint64_t> resumed_{0};
  std::atomic<uint64_t> failed_{0};
  mutable std::mutex mutex_;
  Last last_;
  TcpServer server_;
};

/** The greeting that a new TLS connection gets; empty when there is none. */
std::string tlsGreetingOf(uint16_t port, const TlsSide& side = {});
/** The serial number of the certificate that a new connection is shown; empty when there is no handshake. */
std::string servedSerial(uint16_t port, const std::string& server_name = "");
/** Waits until new connections are shown the certificate of that serial number. */
bool waitForSerial(uint16_t port, const std::string& serial, const std::string& server_name = "");

/** New TLS connections without end, from a few threads, each of which must be greeted and echoed; until stop(). */
class SteadyTlsLoad {
 public:
  SteadyTlsLoad(uint16_t port, int clients, TlsSide side = {});
  ~SteadyTlsLoad() { stop(); }
  void stop();
  uint64_t greeted() const { return greeted_; }
  /** False if it does not come to so many, or one fails. */
  bool waitUntilGreeted(uint64_t count);
  uint64_t failed() const { return failed_; }
  /** Of the last failure. */
  std::string error() const;

 private:
  std::atomic<bool> stopping_{false};
  std::atomic<uint64_t> greeted_{0};
  std::atomic<uint64_t> failed_{0};
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::string error_;
  std::vector<std::thread> threads_;
};

// Resources; see resources.h.

/** A text as a data source: "{inline_string: ...}", quoted. */
std::string inlineString(const std::string& text);
/** A TlsCertificate. */
std::string tlsCertificate(const std::string& certificate, const std::string& key);
std::string tlsCertificate(const test::TestCertificate& certificate);
/** A CertificateValidationContext; `extra` is further fields. */
std::string trusting(const std::string& authority, const std::string& extra = "");
/** An SdsSecretConfig over ADS; `extra` is further fields of its source. */
std::string sdsOverAds(const std::string& name, const std::string& extra = "");
/** An SdsSecretConfig of the bootstrap's static_resources.secrets. */
std::string staticSecret(const std::string& name);

/**
 * The extra field of a chain, or a cluster, that has it speak TLS; `common` is the fields of its CommonTlsContext, such
 * as "tls_certificates: [...]", `extra` further fields of its context.
 */
std::string downstreamTls(const std::string& common, const std::string& extra = "");
std::string upstreamTls(const std::string& common, const std::string& extra = "");
/** Fields of a CommonTlsContext. */
std::string withCertificates(const Yamls& certificates);
std::string withSdsCertificate(const std::string& sds);
std::string withValidation(const std::string& validation);
std::string withSdsValidation(const std::string& sds);

/** Secrets, as SDS sends them; each of their kind's field, such as "tls_certificate: {...}". */
std::string secret(const std::string& name, const std::string& kind);
std::string certificateSecret(const std::string& name, const std::string& certificate, const std::string& key);
std::string certificateSecret(const std::string& name, const test::TestCertificate& certificate);
std::string validationSecret(const std::string& name, const std::string& authority, const std::string& extra = "");

}  // namespace sluice::integration
