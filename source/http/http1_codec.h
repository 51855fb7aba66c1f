#pragma once

#include "source/http/codec.h"
#include "source/http/http1_connection.h"
#include "source/http/http1_settings.h"

namespace sluice::http {

/**
 * HTTP/1.1 (and 1.0, when allowed) at the side that accepts. Its thread, owner and life are Codec's. Requests are taken
 * one at a time; what has come of the next waits inside (dispatch() always empties its buffer) until the answer before it
 * has ended, and then onReadyForInput() asks for another dispatch(). It is not read from while the answers before pile up
 * above the connection's high watermark.
 *
 *   byte              head            end of request             end of answer
 *   Idle -> Reading head -> Reading body -----------> Answering ---------------> Idle, or closesAfterStream()
 *                      \-> Raw bytes both ways (Upgrade, CONNECT) until both ends, then closesAfterStream()
 *
 * A request that is refused goes to RequestReceiver::onBadRequest() and, unless Http1Settings says that the connection may
 * stay open, makes dispatch() fail: the owner then closes once the answer is written (activeStreams() is 0). It never
 * closes by itself but in StreamSender::reset().
 */
class Http1ServerCodec final : public ServerCodec, private Http1Connection {
 public:
  /** `settings` and `stats` outlive the codec. */
  Http1ServerCodec(net::Connection& connection, ServerCodecCallbacks& callbacks, const Http1Settings& settings,
                   const Http1Stats& stats);

  // Codec
  /** Of the request that is under way, or was last. */
  Protocol protocol() const override { return http10_ ? Protocol::Http10 : Protocol::Http11; }
  CodecStatus dispatch(net::Buffer& data) override { return take(data); }
  CodecStatus onEndOfInput() override;
  void goAway() override {}
  void shutdownNotice() override {}
  bool wantsToWrite() const override { return active() && !sent_; }
  void onConnectionAboveHighWatermark() override { tellAboveHigh(); }
  void onConnectionBelowLowWatermark() override { tellBelowLow(); }
  void resetAllStreams(ResetReason reason, absl::string_view details) override { resetStream(reason, details); }
  size_t activeStreams() const override { return active() ? 1 : 0; }

  /**
   * No request can follow the one that is under way, or was last: either side said close, it was malformed, its bytes or
   * its answer's end only with the connection. Known from onHeaders() on; the answer may add to it.
   */
  bool closesAfterStream() const override { return close_after_; }
  /** An answer's head has begun to be written. */
  bool responseStarted() const { return response_started_; }

 private:
  // Http1Connection
  bool mayTakeInput() const override { return active() ? !received_ : !above_high_; }
  CodecStatus onFirstByte() override;
  CodecStatus onHead() override;
  CodecStatus onBadInput() override;
  void onStreamEnd() override;

  // StreamSender
  void sendHeaders(const HeaderMap& headers, bool end_stream) override;
  void sendInterimHeaders(const HeaderMap& headers) override;

  // Judging a request: http1_request.cc.
  Http1Refusal checkVersion();
  Http1Refusal checkFraming(HeaderMap& headers);
  Http1Refusal checkConnection(HeaderMap& headers);
  Http1Refusal checkTarget(HeaderMap& headers);
  Http1Refusal takeAbsoluteTarget(HeaderMap& headers, absl::string_view target);
  CodecStatus refuse(const Http1Refusal& refusal, bool end_known);

  ServerCodecCallbacks& server_callbacks_;
  RequestReceiver* request_ = nullptr;
  bool http10_ = false;
  bool head_request_ = false;
  bool connect_request_ = false;
  bool upgrade_request_ = false;
  bool response_started_ = false;
};

/**
 * HTTP/1.1 at the side that connects. One request at a time; reusable() tells whether another may follow. Bytes of a
 * response that nobody asked for make dispatch() fail with PrematureResponse. A response that is not HTTP resets the
 * stream with ProtocolError, and dispatch() or onEndOfInput() fails.
 */
class Http1ClientCodec final : public ClientCodec, private Http1Connection {
 public:
  /** `settings` and `stats` outlive the codec. */
  Http1ClientCodec(net::Connection& connection, CodecCallbacks& callbacks, const Http1Settings& settings,
                   const Http1Stats& stats);

  // Codec
  /** Of the response that is under way, or was last. */
  Protocol protocol() const override { return http10_ ? Protocol::Http10 : Protocol::Http11; }
  CodecStatus dispatch(net::Buffer& data) override { return take(data); }
  CodecStatus onEndOfInput() override { return takeEnd(); }
  void goAway() override {}
  void shutdownNotice() override {}
  bool wantsToWrite() const override { return active() && !sent_; }
  void onConnectionAboveHighWatermark() override { tellAboveHigh(); }
  void onConnectionBelowLowWatermark() override { tellBelowLow(); }
  void resetAllStreams(ResetReason reason, absl::string_view details) override { resetStream(reason, details); }
  size_t activeStreams() const override { return active() ? 1 : 0; }

  // ClientCodec
  StreamSender& newStream(StreamReceiver& receiver) override;
  bool holdsInput() const override { return inputWaits(); }

  /** Both sides allow another request on this connection, and none is under way. */
  bool reusable() const { return !active() && !close_after_; }

 private:
  // Http1Connection
  bool mayTakeInput() const override { return true; }
  CodecStatus onFirstByte() override;
  CodecStatus onHead() override;
  CodecStatus onBadInput() override;
  void onStreamEnd() override {}

  // StreamSender
  void sendHeaders(const HeaderMap& headers, bool end_stream) override;
  void sendInterimHeaders(const HeaderMap&) override {}

  const char* checkFraming(HeaderMap& headers, uint32_t status) const;
  CodecStatus fail(const char* details);

  bool http10_ = false;
  bool head_request_ = false;
  bool connect_request_ = false;
  bool upgrade_request_ = false;
};

}  // namespace sluice::http
