#pragma once

#include <cstdint>

#include "absl/strings/string_view.h"

#include "source/event/task_list.h"
#include "source/http/codec.h"
#include "source/http/http1_encoder.h"
#include "source/http/http1_parser.h"
#include "source/http/http1_settings.h"
#include "source/net/buffer.h"
#include "source/net/connection.h"

namespace sluice::http {

/** Whether one of the name's fields, each a list with commas, has the token (in any case). */
bool http1HasToken(const HeaderMap& headers, HeaderId name, absl::string_view token);

/**
 * What both sides of HTTP/1 share: input that is taken message by message and waits where it must, the one stream, and
 * bodies on their way out. The stream's sender is this object: HTTP/1 has one stream at a time. A part of its codec.
 *
 * Input waits (held_, and the connection does not read) while the stream's user has reading disabled, and at a server
 * while a request that has come whole has no whole answer. When it may go on, CodecCallbacks::onReadyForInput() comes at
 * the unwinding of the outermost callback.
 */
class Http1Connection : public StreamSender, private event::IntrusiveTask {
 public:
  // StreamSender
  void sendData(net::Buffer& data, bool end_stream) final;
  void sendTrailers(const HeaderMap& trailers) final;
  void reset(ResetReason reason) final;
  void readDisable(bool disable) final;
  uint64_t bufferedBytes() const final { return 0; }
  uint64_t wireBytesSent() const final { return wire_bytes_sent_; }
  uint64_t wireBytesReceived() const final { return parser_.wireBytes() + raw_bytes_received_; }
  uint64_t headerWireBytesSent() const final { return header_wire_bytes_sent_; }
  uint64_t headerWireBytesReceived() const final { return parser_.headerWireBytes(); }
  uint32_t streamId() const final { return 0; }

 protected:
  Http1Connection(net::Connection& connection, CodecCallbacks& callbacks, const Http1Settings& settings,
                  const Http1Stats& stats, Http1Parser::Kind kind);

  // The side's own.

  /** Whether input may be taken now, but for what the stream's user disabled. */
  virtual bool mayTakeInput() const = 0;
  /** Bytes have come and no message is being read: begins one, or says why not. */
  virtual CodecStatus onFirstByte() = 0;
  virtual CodecStatus onHead() = 0;
  virtual CodecStatus onBadInput() = 0;
  /** Sent and received message have both ended. */
  virtual void onStreamEnd() = 0;

  CodecStatus take(net::Buffer& data);
  CodecStatus takeEnd();
  bool inputWaits() const { return !held_.empty(); }
  void beginStream(StreamReceiver& receiver);
  void resetStream(ResetReason reason, absl::string_view details);
  void tellAboveHigh();
  void tellBelowLow();
  /** The message that comes in has ended with its head. */
  void endReceiving() {
    reading_ = false;
    received_ = true;
  }
  void endStreamIfDone();
  /** Writes `out_`; `end` ends our message. */
  void flush(bool end);
  /** What comes from now on is dropped. */
  void discardInput() { discarding_ = true; }
  bool active() const { return receiver_ != nullptr; }
  void scheduleInput();

  net::Connection& connection_;
  CodecCallbacks& callbacks_;
  const Http1Settings& settings_;
  Http1Parser parser_;
  StreamReceiver* receiver_ = nullptr;
  net::Buffer out_;
  uint64_t wire_bytes_sent_ = 0;
  uint64_t header_wire_bytes_sent_ = 0;
  /** A message's head or body is being read. */
  bool reading_ : 1 = false;
  /** The stream's messages have come, and gone, whole. */
  bool received_ : 1 = false;
  bool sent_ : 1 = false;
  /** Bytes of another protocol after the head: an upgrade's or CONNECT's. */
  bool raw_in_ : 1 = false;
  bool raw_out_ : 1 = false;
  /** Our message: in chunks, or with a body that is not to be written. */
  bool chunked_ : 1 = false;
  /** What we send has a content-length. */
  bool length_told_ : 1 = false;
  bool bodyless_ : 1 = false;
  bool above_high_ : 1 = false;
  /** The connection is not to be used again once the stream has ended. */
  bool close_after_ : 1 = false;

 private:
  CodecStatus takeAll(net::Buffer& in);
  CodecStatus onMessage();
  CodecStatus finishAtEnd();
  void deliverRaw(net::Buffer& in);
  void deliverBody();
  void updatePause();
  // event::IntrusiveTask
  void run() override { callbacks_.onReadyForInput(); }

  net::Buffer held_;
  net::Buffer body_;
  uint64_t raw_bytes_received_ = 0;
  uint32_t read_disabled_ = 0;
  bool dispatching_ : 1 = false;
  bool discarding_ : 1 = false;
  bool paused_ : 1 = false;
  bool told_above_ : 1 = false;
  bool end_of_input_ : 1 = false;
};

}  // namespace sluice::http
