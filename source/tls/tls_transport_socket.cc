#include "source/tls/tls_transport_socket.h"

#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include <openssl/err.h>

#include "source/net/slice_pool.h"

namespace sluice::tls {
namespace {

/** A record's content is read into no less room than this. */
constexpr uint32_t kLeastRoom = 1024;
/** Pieces below it are put together with what follows, to make one record. */
constexpr size_t kSmallPiece = 8 * 1024;
/** So much is ciphered before it is sent: several records to a system call, and little held by a peer that is slow. */
constexpr uint64_t kBatch = 64 * 1024;

/** SSL_get_error() looks at the queue. It is mostly empty, and emptying an empty one takes OpenSSL longer than looking. */
void forgetErrors() {
  if (ERR_peek_error() != 0) [[unlikely]] {
    ERR_clear_error();
  }
}

}  // namespace

TlsErrors takeTlsErrors() {
  TlsErrors found;
  while (const unsigned long error = ERR_get_error()) {
    found.any = true;
    if (ERR_GET_LIB(error) == ERR_LIB_SSL) {
      found.no_certificate = found.no_certificate || ERR_GET_REASON(error) == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE;
      found.verify_failed = found.verify_failed || ERR_GET_REASON(error) == SSL_R_CERTIFICATE_VERIFY_FAILED;
    }
    const char* library = ERR_lib_error_string(error);
    const char* reason = ERR_reason_error_string(error);
    // BoringSSL's spelling, which is what people look for.
    std::string words =
        reason == nullptr ? "UNKNOWN" : absl::AsciiStrToUpper(absl::StrReplaceAll(reason, {{" ", "_"}}));
    absl::StrAppend(&found.text, found.text.empty() ? "TLS_error:" : "", "|", error, ":",
                    library == nullptr ? "" : library, ":OPENSSL_internal:", words);
  }
  return found;
}

TlsTransportSocket::TlsTransportSocket(std::shared_ptr<const Context> context, const net::TransportSocketTarget& target)
    : connection_(std::make_shared<SslConnection>(std::move(context), target)) {
  BIO* bio = makeSocketBio(io_);
  SSL_set_bio(connection_->ssl(), bio, bio);
}

TlsTransportSocket::~TlsTransportSocket() { detachSocketBio(connection_->ssl()); }

void TlsTransportSocket::setCallbacks(net::TransportSocketCallbacks& callbacks) { callbacks_ = &callbacks; }

absl::string_view TlsTransportSocket::protocol() const {
  return state_ == State::Handshaking ? "" : connection_->protocol();
}

std::shared_ptr<const net::TlsInfo> TlsTransportSocket::tlsInfo() const {
  return SSL_is_init_finished(connection_->ssl()) != 0 ? connection_ : nullptr;
}

void TlsTransportSocket::onConnected() {
  if (isServer()) {
    return;
  }
  callbacks_->setHandshaking(true);
  net::IoResult result;
  shakeHands(result);
  if (result.close || result.more) {
    // Told, or gone on with, by the next read.
    callbacks_->scheduleRead();
  }
}

bool TlsTransportSocket::shakeHands(net::IoResult& result) {
  HandshakePace& pace = HandshakePace::ofThisThread();
  if (!pace.admits(place_, callbacks_->turn())) {
    result.more = true;
    return false;
  }
  SSL* ssl = connection_->ssl();
  io_.fd = callbacks_->fd();
  io_.corked = true;
  forgetErrors();
  const auto begun = std::chrono::steady_clock::now();
  const int outcome = SSL_do_handshake(ssl);
  pace.took(std::chrono::steady_clock::now() - begun);
  io_.corked = false;
  if (outcome == 1) {
    completeHandshake();
    return state_ == State::Open;
  }
  const int error = SSL_get_error(ssl, outcome);
  const bool waits = error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
  if (!waits || io_.ended || io_.error != 0) {
    // The alert that says why goes out first.
    io_.flush();
    fail(result);
    return false;
  }
  flush(result);
  return false;
}

void TlsTransportSocket::completeHandshake() {
  state_ = State::Open;
  connection_->onHandshakeComplete();
  callbacks_->setHandshaking(false);
  // Session tickets go along with the first answer; that, or what waits to be written, is at the unwinding.
  callbacks_->setHoldsUnsent(!io_.out.empty());
  callbacks_->scheduleWrite();
  callbacks_->onTransportConnected();
}

net::IoResult TlsTransportSocket::read(net::Buffer& buffer, uint64_t budget, bool until_eof) {
  net::IoResult result;
  io_.fd = callbacks_->fd();
  io_.drained = false;
  io_.until_end = until_eof;
  if (state_ == State::Failed) {
    fail(result);
    return result;
  }
  if (state_ == State::Handshaking) {
    if (!shakeHands(result)) {
      return result;
    }
    if (!isServer()) {
      // Whether somebody reads is the connection's to know.
      result.more = true;
      return result;
    }
  }
  SSL* ssl = connection_->ssl();
  while (result.bytes < budget) {
    const net::Buffer::Room room = buffer.room(kLeastRoom);
    const auto size = static_cast<int>(std::min<uint64_t>(room.size, budget - result.bytes));
    forgetErrors();
    const int count = SSL_read(ssl, room.data, size);
    if (count > 0) {
      buffer.commit(count);
      result.bytes += count;
      if (io_.drained && !io_.until_end && SSL_has_pending(ssl) == 0) {
        break;
      }
      continue;
    }
    if (buffer.empty()) {
      buffer.clear();
    }
    switch (SSL_get_error(ssl, count)) {
      case SSL_ERROR_WANT_READ:
      case SSL_ERROR_WANT_WRITE:
        break;
      case SSL_ERROR_ZERO_RETURN:
        result.end_stream = true;
        break;
      default:
        if (io_.ended) {
          forgetErrors();
          result.end_stream = true;
        } else {
          io_.flush();
          fail(result);
        }
        break;
    }
    if (!io_.out.empty() && !result.close) {
      flush(result);
    }
    return result;
  }
  result.more = result.bytes >= budget && (SSL_has_pending(ssl) != 0 || !io_.drained || io_.until_end);
  return result;
}

bool TlsTransportSocket::flush(net::IoResult& result) {
  if (!io_.flush()) {
    fail(result);
    return false;
  }
  callbacks_->setHoldsUnsent(!io_.out.empty());
  return true;
}

bool TlsTransportSocket::writeRecord(net::Buffer& buffer, bool last, net::IoResult& result) {
  absl::string_view piece = buffer.front();
  if (piece.size() < kSmallPiece && piece.size() < buffer.length()) {
    piece = buffer.linearize(std::min<uint64_t>(buffer.length(), net::kSliceCapacity));
  }
  piece = piece.substr(0, SSL3_RT_MAX_PLAIN_LENGTH);
  io_.corked = !last || piece.size() < buffer.length();
  forgetErrors();
  const int count = SSL_write(connection_->ssl(), piece.data(), static_cast<int>(piece.size()));
  io_.corked = false;
  if (count <= 0) {
    fail(result);
    return false;
  }
  buffer.drain(count);
  result.bytes += count;
  return true;
}

net::IoResult TlsTransportSocket::write(net::Buffer& buffer, bool end_stream) {
  net::IoResult result;
  io_.fd = callbacks_->fd();
  if (state_ == State::Failed) {
    fail(result);
    return result;
  }
  if (state_ == State::Handshaking) {
    flush(result);
    return result;
  }
  // What waits, session tickets or a tail, goes with the first new record unless the socket is full.
  if (io_.out.length() >= kBatch && (!flush(result) || !io_.out.empty())) {
    return result;
  }
  while (!buffer.empty()) {
    const bool alone = io_.out.empty() && !end_stream;
    if (!writeRecord(buffer, alone, result)) {
      return result;
    }
    if (io_.out.length() >= kBatch && !buffer.empty()) {
      if (!flush(result)) {
        return result;
      }
      if (!io_.out.empty()) {
        return result;
      }
    }
  }
  if (end_stream && !end_sent_) {
    end_sent_ = true;
    io_.corked = true;
    forgetErrors();
    SSL_shutdown(connection_->ssl());
    forgetErrors();
    io_.corked = false;
  }
  if (flush(result) && io_.out.empty() && end_sent_) {
    ::shutdown(io_.fd, SHUT_WR);
  }
  return result;
}

void TlsTransportSocket::fail(net::IoResult& result) {
  result.close = true;
  result.error = io_.error;
  if (state_ == State::Failed) {
    return;
  }
  state_ = State::Failed;
  callbacks_->setHandshaking(false);
  callbacks_->setHoldsUnsent(false);
  noteErrors();
}

void TlsTransportSocket::noteErrors() {
  const TlsErrors errors = takeTlsErrors();
  if (!errors.any) {
    return;
  }
  const TlsStats& stats = connection_->context().stats();
  failure_reason_ = errors.text;
  if (!connection_->verifyFailure().empty()) {
    absl::StrAppend(&failure_reason_, ":", connection_->verifyFailure());
  }
  if (errors.no_certificate) {
    failure_reason_ += ":peer did not provide required client certificate";
  }
  failure_reason_ += ":TLS_error_end";
  if (errors.no_certificate) {
    stats.fail_verify_no_cert.inc();
  } else if (!errors.verify_failed) {
    stats.connection_error.inc();
  }
}

void TlsTransportSocket::onClose(net::ConnectionEvent event) {
  // Who closes says so, if that can be had without waiting: unless the connection is to be reset, as what was sent is
  // not all there is.
  if (state_ == State::Open && event == net::ConnectionEvent::LocalClose && !end_sent_ && io_.out.empty()) {
    linger option{};
    socklen_t length = sizeof(option);
    io_.fd = callbacks_->fd();
    if (::getsockopt(io_.fd, SOL_SOCKET, SO_LINGER, &option, &length) == 0 && option.l_onoff == 0) {
      forgetErrors();
      SSL_shutdown(connection_->ssl());
      forgetErrors();
    }
  }
  if (state_ != State::Failed) {
    state_ = State::Closed;
  }
  place_.leave();
  detachSocketBio(connection_->ssl());
  io_.fd = -1;
  io_.out.clear();
}

}  // namespace sluice::tls
