#pragma once

#include <chrono>
#include <cstdint>

#include "absl/strings/string_view.h"

#include "source/base/arena.h"
#include "source/http/header_map.h"
#include "source/net/buffer.h"

namespace sluice::http {

enum class Protocol : uint8_t { Http10, Http11, Http2 };

/** Why a stream ended before its messages did; access logs and retries tell them apart. */
enum class ResetReason : uint8_t {
  /** We gave it up. */
  Local,
  /** We gave it up, and the peer may take it that nothing of it was done (HTTP/2 REFUSED_STREAM). */
  LocalRefused,
  /** The whole answer was sent before the whole request had come (RFC 9113, section 8.1: NO_ERROR). */
  LocalNoError,
  Remote,
  /** The peer did nothing with it (REFUSED_STREAM, or a GOAWAY that does not cover it): safe to send again. */
  RemoteRefused,
  ConnectionFailure,
  ConnectionTimeout,
  ConnectionTermination,
  Overflow,
  /** The peer's bytes are not HTTP. */
  ProtocolError,
};

/** As access logs print it ("connection_termination"). */
absl::string_view resetReasonName(ResetReason reason);

/**
 * Hears one message come in: a request at a server's codec, a response at a client's. Calls come on the connection's
 * thread: onHeaders() once (at clients after any onInterimHeaders()), onData() as bytes come, onTrailers() at most once.
 * `end_stream` (or trailers) is the message's end. onReset() may come at any time before both messages have ended, and is
 * the last call.
 *
 * The maps live in arena() and belong to the receiver from then on. A receiver may call its sender from any of these, and
 * may end its stream; it must stay until the codec's call has returned (deferred deletion).
 */
class StreamReceiver {
 public:
  virtual ~StreamReceiver() = default;
  /** Where the codec makes this message's header maps. */
  virtual base::Arena& arena() = 0;
  virtual void onHeaders(HeaderMap& headers, bool end_stream) = 0;
  /** A 1xx response other than 101. Clients only. */
  virtual void onInterimHeaders(HeaderMap& headers) = 0;
  /** Takes what it wants out of `data`; what is left is dropped. */
  virtual void onData(net::Buffer& data, bool end_stream) = 0;
  virtual void onTrailers(HeaderMap& trailers) = 0;
  /** `details` is static: what access logs print ("http2.remote_reset", "upstream_reset_before_response_started{...}"). */
  virtual void onReset(ResetReason reason, absl::string_view details) = 0;
  /**
   * What the sender has buffered, the stream's and the connection's together, is above its limit: stop what feeds it. Calls
   * pair.
   */
  virtual void onAboveWriteBufferHighWatermark() = 0;
  virtual void onBelowWriteBufferLowWatermark() = 0;
};

/** At a server's codec: also hears what the codec itself refuses. */
class RequestReceiver : public StreamReceiver {
 public:
  /**
   * The request is malformed and is to be answered with `status` (400, 431, 426, 501); the codec passes on nothing more of
   * it, and closes once the answer has gone where the protocol demands that. `details` is static ("http1.codec_error").
   */
  virtual void onBadRequest(uint32_t status, absl::string_view details) = 0;
};

/**
 * Sends one message; the codec owns it. Nothing is sent after the end or a reset. The sender is gone when both messages of
 * its stream have ended (once the calls that told so have returned), after reset(), and after StreamReceiver::onReset():
 * its user keeps no pointer from then on. Texts of header maps are copied or written before the call returns.
 */
class StreamSender {
 public:
  virtual ~StreamSender() = default;
  virtual void sendHeaders(const HeaderMap& headers, bool end_stream) = 0;
  /** 1xx other than 101. Servers only. */
  virtual void sendInterimHeaders(const HeaderMap& headers) = 0;
  /**
   * Empties `data`. Beyond its connection's buffer limit, what waits (in HTTP/2 for this stream's window) has the receiver
   * hear onAboveWriteBufferHighWatermark().
   */
  virtual void sendData(net::Buffer& data, bool end_stream) = 0;
  virtual void sendTrailers(const HeaderMap& trailers) = 0;
  /** Ends the stream at once, in both directions; its receiver hears nothing more. HTTP/1 closes the connection. */
  virtual void reset(ResetReason reason) = 0;
  /** Counted. Stops this stream's onData() and lets the peer feel it (the socket in HTTP/1, the window in HTTP/2). */
  virtual void readDisable(bool disable) = 0;
  /**
   * How long what is buffered may go without progress once the user has left it to the codec (both messages have ended, or
   * it was reset after its end); then the stream is reset. HTTP/1 leaves that to the connection's close.
   */
  virtual void setFlushTimeout(std::chrono::milliseconds timeout) { static_cast<void>(timeout); }
  /** Bytes buffered that the connection has not taken. */
  virtual uint64_t bufferedBytes() const = 0;
  /** Bytes of this stream on the wire so far, framing and compressed headers included (%BYTES_*% of access logs). */
  virtual uint64_t wireBytesSent() const = 0;
  virtual uint64_t wireBytesReceived() const = 0;
  virtual uint64_t headerWireBytesSent() const = 0;
  virtual uint64_t headerWireBytesReceived() const = 0;
  /** HTTP/2's id; 0 in HTTP/1. */
  virtual uint32_t streamId() const = 0;
};

/** What went wrong with a connection as a whole. */
enum class CodecError : uint8_t {
  None,
  /** The peer's bytes are not HTTP; a server has answered 400 where it could (RequestReceiver::onBadRequest()). */
  Protocol,
  /** Frames that cost us and do nothing, beyond their limits (HTTP/2): Envoy's "inbound frame flood". */
  InboundFlood,
  /** The peer makes us queue more answers than it reads. */
  OutboundFlood,
  /** A client's codec: bytes of a response that was not asked for. */
  PrematureResponse,
};

struct CodecStatus {
  CodecError error = CodecError::None;
  /** Static; for logs and response code details. */
  const char* details = "";
  bool ok() const { return error == CodecError::None; }
};

/** What a codec tells of its connection as a whole. */
class CodecCallbacks {
 public:
  virtual ~CodecCallbacks() = default;
  /**
   * The peer's GOAWAY: no new stream will be taken; `no_error` tells a graceful one. HTTP/1: only a client's codec calls
   * it, when a response says that the connection closes after it.
   */
  virtual void onGoAway(bool no_error) = 0;
  /** A client's codec: how many streams the peer allows at once. */
  virtual void onMaxConcurrentStreams(uint32_t streams) { static_cast<void>(streams); }
  /**
   * HTTP/1: what was taken earlier and had to wait (a pipelined request, a body while reading was disabled) can go on:
   * call dispatch() with an empty buffer. Comes at the unwinding of the outermost callback, never inside dispatch().
   */
  virtual void onReadyForInput() {}
  /** HTTP/2 keepalive: the peer answered no PING in time; the connection is to be closed. */
  virtual void onKeepaliveTimeout() {}
};

class ServerCodecCallbacks : public CodecCallbacks {
 public:
  /** A request begins: `sender` is for its answer. The receiver outlives the stream. */
  virtual RequestReceiver& onNewStream(StreamSender& sender) = 0;
};

/**
 * One connection's HTTP, on its thread: parses what comes in and writes what goes out to its net::Connection, which it is
 * given and which outlives it. Owned by the connection's HTTP filter or by a pool's client. No callback may delete it
 * directly: its owner defers that. Destroying it with streams open tells their receivers nothing.
 */
class Codec {
 public:
  virtual ~Codec() = default;
  virtual Protocol protocol() const = 0;
  /**
   * Parses; takes all of `data`. HTTP/1 keeps inside what must wait, stops the connection's reading meanwhile, and asks for
   * another call with CodecCallbacks::onReadyForInput(). After an error: close.
   */
  virtual CodecStatus dispatch(net::Buffer& data) = 0;
  /** The peer's end. HTTP/1 clients may end a response by it. */
  virtual CodecStatus onEndOfInput() = 0;
  /** No new streams from now on; those under way go on (HTTP/2: GOAWAY with the last one; HTTP/1: nothing). */
  virtual void goAway() = 0;
  /** First of two steps (RFC 9113, section 6.8): GOAWAY with the highest id, so that requests on their way are served. */
  virtual void shutdownNotice() = 0;
  /** Whether something is still to be written for the peer's sake before a close. */
  virtual bool wantsToWrite() const = 0;
  /** The connection's write buffer passed its marks: passed on to all streams. */
  virtual void onConnectionAboveHighWatermark() = 0;
  virtual void onConnectionBelowLowWatermark() = 0;
  /** Ends every stream with onReset(); before the connection goes. */
  virtual void resetAllStreams(ResetReason reason, absl::string_view details) = 0;
  virtual size_t activeStreams() const = 0;
};

/** At the side that accepts. */
class ServerCodec : public Codec {
 public:
  /** HTTP/1: no request can follow the one that is under way, or was last. */
  virtual bool closesAfterStream() const { return false; }
};

/** At the side that connects. */
class ClientCodec : public Codec {
 public:
  /** Begins a request whose answer `receiver` gets. HTTP/1: only when no other is under way. */
  virtual StreamSender& newStream(StreamReceiver& receiver) = 0;
  /** HTTP/1: bytes of the response wait inside until their reader goes on; the peer's end is behind them. */
  virtual bool holdsInput() const { return false; }
};

}  // namespace sluice::http
