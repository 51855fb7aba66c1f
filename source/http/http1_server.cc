#include "absl/strings/numbers.h"

#include "source/base/assert.h"
#include "source/http/http1_codec.h"

namespace sluice::http {
namespace {

uint32_t statusOf(const HeaderMap& headers) {
  uint32_t status = 0;
  SLUICE_CHECK(absl::SimpleAtoi(headers.get(HeaderId::Status), &status), "a response has no :status");
  return status;
}

}  // namespace

Http1ServerCodec::Http1ServerCodec(net::Connection& connection, ServerCodecCallbacks& callbacks,
                                   const Http1Settings& settings, const Http1Stats& stats)
    : Http1Connection(connection, callbacks, settings, stats, Http1Parser::Kind::Request),
      server_callbacks_(callbacks) {}

CodecStatus Http1ServerCodec::onEndOfInput() {
  // A request that broke off has nobody to be answered; the connection's end resets its stream.
  return raw_in_ ? takeEnd() : CodecStatus();
}

CodecStatus Http1ServerCodec::onFirstByte() {
  http10_ = head_request_ = connect_request_ = upgrade_request_ = response_started_ = false;
  request_ = &server_callbacks_.onNewStream(*this);
  beginStream(*request_);
  parser_.start(request_->arena());
  reading_ = true;
  return {};
}

CodecStatus Http1ServerCodec::onHead() {
  HeaderMap& headers = parser_.headers();
  http10_ = parser_.majorVersion() == 0 || parser_.versionIs(1, 0);
  head_request_ = parser_.headMethod();
  connect_request_ = parser_.connectMethod();
  close_after_ = !parser_.keepAlive();
  if (Http1Refusal refusal = checkVersion()) {
    return refuse(refusal, false);
  }
  const bool may_have_body =
      parser_.hasTransferEncoding() || (parser_.hasContentLength() && parser_.contentLength() > 0);
  Http1Refusal refusal = checkFraming(headers);
  if (refusal) {
    return refuse(refusal, false);
  }
  refusal = checkConnection(headers);
  if (!refusal) {
    refusal = checkTarget(headers);
  }
  if (refusal) {
    return refuse(refusal, !may_have_body && !upgrade_request_ && !connect_request_);
  }
  if (connect_request_ || upgrade_request_) {
    close_after_ = true;
    raw_in_ = true;
    reading_ = false;
    receiver_->onHeaders(headers, false);
    return {};
  }
  if (!may_have_body) {
    endReceiving();
    receiver_->onHeaders(headers, true);
    endStreamIfDone();
    return {};
  }
  receiver_->onHeaders(headers, false);
  return {};
}

CodecStatus Http1ServerCodec::onBadInput() { return refuse(parser_.refusal(), false); }

CodecStatus Http1ServerCodec::refuse(const Http1Refusal& refusal, bool end_known) {
  const bool stays = end_known && settings_.stream_error_on_invalid_http_message && !close_after_;
  endReceiving();
  if (!stays) {
    close_after_ = true;
    discardInput();
  }
  if (response_started_) {
    resetStream(ResetReason::ProtocolError, refusal.details);
  } else if (active()) {
    request_->onBadRequest(refusal.status, refusal.details);
    endStreamIfDone();
  }
  return stays ? CodecStatus() : CodecStatus{CodecError::Protocol, refusal.details};
}

void Http1ServerCodec::onStreamEnd() { request_ = nullptr; }

void Http1ServerCodec::sendInterimHeaders(const HeaderMap& headers) {
  // HTTP/1.0 knows none (RFC 9110, section 15.2).
  if (!active() || response_started_ || http10_) {
    return;
  }
  header_wire_bytes_sent_ +=
      encodeHttp1Response(headers, statusOf(headers), false, Http1Framing::None, settings_.header_case, out_);
  flush(false);
}

void Http1ServerCodec::sendHeaders(const HeaderMap& headers, bool end_stream) {
  if (!active() || response_started_) {
    return;
  }
  response_started_ = true;
  const uint32_t status = statusOf(headers);
  Http1Framing framing = Http1Framing::AsGiven;
  bodyless_ = head_request_ || status == 204 || status == 304;
  if (connect_request_ && status >= 200 && status < 300) {
    raw_out_ = true;
    framing = Http1Framing::None;
  } else if (status < 200) {
    raw_out_ = upgrade_request_ && status == 101;
    bodyless_ = !raw_out_;
    framing = Http1Framing::None;
  } else if (status == 204) {
    framing = Http1Framing::None;
  } else if (status == 304 || headers.has(HeaderId::ContentLength)) {
    framing = Http1Framing::AsGiven;
  } else if (end_stream && !head_request_) {
    framing = Http1Framing::EmptyBody;
  } else if (http10_) {
    // A version that knows no chunks: the body ends with the connection.
    framing = head_request_ ? Http1Framing::AsGiven : Http1Framing::UntilClose;
    close_after_ = true;
  } else {
    framing = Http1Framing::Chunked;
    chunked_ = !bodyless_;
  }
  length_told_ = framing == Http1Framing::AsGiven && headers.has(HeaderId::ContentLength);
  if (headers.has(HeaderId::Connection) && http1HasToken(headers, HeaderId::Connection, "close")) {
    close_after_ = true;
  }
  header_wire_bytes_sent_ +=
      encodeHttp1Response(headers, status, http10_ && settings_.accept_http_10, framing, settings_.header_case, out_);
  flush(end_stream);
}

}  // namespace sluice::http
