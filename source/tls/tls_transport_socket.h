#pragma once

#include <memory>
#include <string>

#include "source/net/transport_socket.h"
#include "source/tls/handshake_pace.h"
#include "source/tls/socket_bio.h"
#include "source/tls/ssl_connection.h"

namespace sluice::tls {

/**
 * TLS over a connection's descriptor, of either side. Made by a factory, owned by its connection, whose thread it is of.
 *
 *                onConnected(), read()        handshake complete
 *   Handshaking ----------------------> ... ---------------------> Open
 *        |                                                           |
 *        +------------------ error: Failed <-------------------------+
 *
 * The peer's close_notify is its end, and so is its end without one. Our end is close_notify and then the descriptor's.
 */
class TlsTransportSocket final : public net::TransportSocket {
 public:
  TlsTransportSocket(std::shared_ptr<const Context> context, const net::TransportSocketTarget& target);
  ~TlsTransportSocket() override;

  void setCallbacks(net::TransportSocketCallbacks& callbacks) override;
  absl::string_view protocol() const override;
  absl::string_view failureReason() const override { return failure_reason_; }
  void onConnected() override;
  net::IoResult read(net::Buffer& buffer, uint64_t budget, bool until_eof) override;
  net::IoResult write(net::Buffer& buffer, bool end_stream) override;
  void onClose(net::ConnectionEvent event) override;
  bool canFlush() const override { return state_ == State::Open; }
  std::shared_ptr<const net::TlsInfo> tlsInfo() const override;
  bool isRaw() const override { return false; }
  /** For tests. */
  SSL* ssl() const { return connection_->ssl(); }

 private:
  enum class State : uint8_t { Handshaking, Open, Failed, Closed };

  bool isServer() const { return SSL_is_server(connection_->ssl()) != 0; }
  /** Goes on with the handshake, now or in a later turn; true once it is complete and we are still open. */
  bool shakeHands(net::IoResult& result);
  void completeHandshake();
  /** Notes what is left unsent. False after an error, which `result` then tells. */
  bool flush(net::IoResult& result);
  void fail(net::IoResult& result);
  void noteErrors();
  /** One piece of `buffer` as a record. */
  bool writeRecord(net::Buffer& buffer, bool last, net::IoResult& result);

  const std::shared_ptr<SslConnection> connection_;
  net::TransportSocketCallbacks* callbacks_ = nullptr;
  SocketIo io_;
  HandshakePace::Place place_;
  State state_ = State::Handshaking;
  bool end_sent_ = false;
  std::string failure_reason_;
};

/** Why TLS failed, of OpenSSL's queue of this thread, in Envoy's form: "TLS_error:|167772294:SSL routines:…". */
struct TlsErrors {
  std::string text;
  bool any = false;
  bool no_certificate = false;
  bool verify_failed = false;
};
TlsErrors takeTlsErrors();

}  // namespace sluice::tls
