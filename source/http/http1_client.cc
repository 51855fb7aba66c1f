#include "source/base/assert.h"
#include "source/http/http1_codec.h"

namespace sluice::http {
namespace {

/** RFC 9110, section 8.6: Content-Length: 0 is said where the method gives a body a meaning. */
bool saysEmptyBody(absl::string_view method) {
  return method != "GET" && method != "HEAD" && method != "DELETE" && method != "TRACE" && method != "CONNECT";
}

}  // namespace

Http1ClientCodec::Http1ClientCodec(net::Connection& connection, CodecCallbacks& callbacks,
                                   const Http1Settings& settings, const Http1Stats& stats)
    : Http1Connection(connection, callbacks, settings, stats, Http1Parser::Kind::Response) {}

StreamSender& Http1ClientCodec::newStream(StreamReceiver& receiver) {
  SLUICE_CHECK(!active(), "a second request on a busy HTTP/1 connection");
  beginStream(receiver);
  parser_.start(receiver.arena());
  reading_ = false;
  http10_ = head_request_ = connect_request_ = upgrade_request_ = false;
  return *this;
}

void Http1ClientCodec::sendHeaders(const HeaderMap& headers, bool end_stream) {
  if (!active() || sent_) {
    return;
  }
  const absl::string_view method = headers.get(HeaderId::Method);
  head_request_ = method == "HEAD";
  connect_request_ = method == "CONNECT";
  upgrade_request_ = headers.has(HeaderId::Upgrade) && http1HasToken(headers, HeaderId::Connection, "upgrade");
  raw_out_ = connect_request_ || upgrade_request_;
  Http1Framing framing = Http1Framing::AsGiven;
  if (connect_request_) {
    framing = Http1Framing::None;
  } else if (upgrade_request_ || headers.has(HeaderId::ContentLength)) {
    framing = Http1Framing::AsGiven;
  } else if (end_stream) {
    framing = saysEmptyBody(method) ? Http1Framing::EmptyBody : Http1Framing::AsGiven;
  } else {
    framing = Http1Framing::Chunked;
    chunked_ = true;
  }
  if (headers.has(HeaderId::Connection) && http1HasToken(headers, HeaderId::Connection, "close")) {
    close_after_ = true;
  }
  header_wire_bytes_sent_ += encodeHttp1Request(headers, framing, settings_, out_);
  flush(end_stream);
  if (above_high_) {
    tellAboveHigh();
  }
}

CodecStatus Http1ClientCodec::onFirstByte() {
  if (!active() || received_) {
    discardInput();
    close_after_ = true;
    return {CodecError::PrematureResponse, "http1.codec_error"};
  }
  reading_ = true;
  return {};
}

const char* Http1ClientCodec::checkFraming(HeaderMap& headers, uint32_t status) const {
  if (status < 100 || parser_.majorVersion() != 1) {
    return "http1.codec_error";
  }
  const bool lengthless = status < 200 || status == 204 || (connect_request_ && status < 300);
  if (lengthless) {
    // RFC 9112, section 6.3: CONNECT's 2xx is read as if it said nothing; the others may not speak of a body.
    const bool tunnel = connect_request_ && status >= 200;
    if (parser_.hasTransferEncoding() && !tunnel) {
      return "http1.transfer_encoding_not_allowed";
    }
    if (parser_.contentLength() > 0 && !tunnel) {
      return "http1.content_length_not_allowed";
    }
    headers.remove(HeaderId::ContentLength);
    headers.remove(HeaderId::TransferEncoding);
    return nullptr;
  }
  if (parser_.hasTransferEncoding()) {
    if (!parser_.chunked()) {
      return "http1.invalid_transfer_encoding";
    }
    if (parser_.hasContentLength()) {
      if (!settings_.allow_chunked_length) {
        return "http1.content_length_and_chunked_not_allowed";
      }
      headers.remove(HeaderId::ContentLength);
    }
  }
  return nullptr;
}

CodecStatus Http1ClientCodec::onHead() {
  HeaderMap& headers = parser_.headers();
  const uint32_t status = parser_.statusCode();
  http10_ = parser_.versionIs(1, 0);
  if (const char* details = checkFraming(headers, status)) {
    return fail(details);
  }
  if (status == 101) {
    if (!upgrade_request_) {
      return fail("http1.codec_error");
    }
    raw_in_ = true;
  } else if (status < 200) {
    // The response itself is still to come.
    parser_.start(receiver_->arena(), true);
    reading_ = false;
    receiver_->onInterimHeaders(headers);
    return {};
  } else if (connect_request_ && status < 300) {
    raw_in_ = true;
  }
  if (head_request_) {
    parser_.skipBody();
  }
  // A server that was asked to switch and did not got bytes that can't be taken back.
  if (close_after_ || raw_in_ || raw_out_ || !parser_.keepAlive()) {
    close_after_ = true;
    callbacks_.onGoAway(true);
  }
  if (raw_in_) {
    reading_ = false;
    receiver_->onHeaders(headers, false);
    return {};
  }
  const bool empty = parser_.hasContentLength() && !parser_.hasTransferEncoding() && parser_.contentLength() == 0;
  if (head_request_ || status == 204 || status == 304 || empty) {
    endReceiving();
    receiver_->onHeaders(headers, true);
    endStreamIfDone();
    return {};
  }
  receiver_->onHeaders(headers, false);
  return {};
}

CodecStatus Http1ClientCodec::onBadInput() { return fail(parser_.refusal().details); }

CodecStatus Http1ClientCodec::fail(const char* details) {
  close_after_ = true;
  discardInput();
  resetStream(ResetReason::ProtocolError, details);
  return {CodecError::Protocol, details};
}

}  // namespace sluice::http
