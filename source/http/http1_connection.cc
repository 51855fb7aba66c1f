#include "source/http/http1_connection.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/strip.h"

#include "source/base/assert.h"

namespace sluice::http {
namespace {

void appendChunkSize(uint64_t size, net::Buffer& out) {
  constexpr char kDigits[] = "0123456789abcdef";
  char text[18];
  char* at = text + sizeof(text);
  *--at = '\n';
  *--at = '\r';
  do {
    *--at = kDigits[size & 15];
    size >>= 4;
  } while (size != 0);
  out.append({at, static_cast<size_t>(text + sizeof(text) - at)});
}

}  // namespace

bool http1HasToken(const HeaderMap& headers, HeaderId name, absl::string_view token) {
  for (const Header* field = headers.find(name); field != nullptr; field = headers.next(*field)) {
    absl::string_view rest = field->value;
    while (!rest.empty()) {
      const size_t comma = rest.find(',');
      if (absl::EqualsIgnoreCase(absl::StripAsciiWhitespace(rest.substr(0, comma)), token)) {
        return true;
      }
      rest = comma == absl::string_view::npos ? absl::string_view() : rest.substr(comma + 1);
    }
  }
  return false;
}

Http1Connection::Http1Connection(net::Connection& connection, CodecCallbacks& callbacks, const Http1Settings& settings,
                                 const Http1Stats& stats, Http1Parser::Kind kind)
    : connection_(connection), callbacks_(callbacks), settings_(settings), parser_(kind, settings, stats) {}

void Http1Connection::beginStream(StreamReceiver& receiver) {
  receiver_ = &receiver;
  received_ = sent_ = raw_in_ = raw_out_ = chunked_ = length_told_ = bodyless_ = told_above_ = false;
  wire_bytes_sent_ = header_wire_bytes_sent_ = raw_bytes_received_ = 0;
}

CodecStatus Http1Connection::take(net::Buffer& data) {
  SLUICE_CHECK(!dispatching_, "input is given to a codec that takes some already");
  net::Buffer* in = &data;
  if (!held_.empty()) {
    held_.move(data);
    in = &held_;
  }
  dispatching_ = true;
  CodecStatus status = takeAll(*in);
  dispatching_ = false;
  if (!status.ok()) {
    discarding_ = true;
  }
  if (discarding_) {
    in->clear();
  } else if (in == &data && !data.empty()) {
    held_.move(data);
  }
  if (status.ok() && end_of_input_ && held_.empty()) {
    status = finishAtEnd();
  }
  updatePause();
  return status;
}

CodecStatus Http1Connection::takeAll(net::Buffer& in) {
  CodecStatus status;
  while (status.ok() && !in.empty() && !discarding_ && read_disabled_ == 0 && mayTakeInput()) {
    if (raw_in_) {
      deliverRaw(in);
      continue;
    }
    if (!reading_) {
      status = onFirstByte();
      if (!status.ok() || !reading_) {
        continue;
      }
    }
    switch (parser_.parse(in, body_)) {
      case Http1Parser::Event::NeedMore:
        break;
      case Http1Parser::Event::Headers:
        status = onHead();
        break;
      case Http1Parser::Event::Message:
        status = onMessage();
        break;
      case Http1Parser::Event::Error:
        deliverBody();
        if (!discarding_) {
          status = onBadInput();
        }
        break;
    }
  }
  deliverBody();
  return status;
}

CodecStatus Http1Connection::takeEnd() {
  end_of_input_ = true;
  return held_.empty() ? finishAtEnd() : CodecStatus();
}

CodecStatus Http1Connection::finishAtEnd() {
  if (discarding_ || !active() || received_) {
    return {};
  }
  if (raw_in_) {
    net::Buffer none;
    received_ = true;
    receiver_->onData(none, true);
    endStreamIfDone();
    return {};
  }
  if (!reading_) {
    return {};
  }
  switch (parser_.finish()) {
    case Http1Parser::Event::Message:
      return onMessage();
    case Http1Parser::Event::Error:
      discarding_ = true;
      return onBadInput();
    case Http1Parser::Event::NeedMore:
    case Http1Parser::Event::Headers:
      break;
  }
  return {};
}

void Http1Connection::deliverRaw(net::Buffer& in) {
  // What the receiver leaves is dropped; moved out first, as it may end the stream.
  net::Buffer bytes;
  bytes.move(in);
  raw_bytes_received_ += bytes.length();
  if (active() && !received_) {
    receiver_->onData(bytes, false);
  }
}

void Http1Connection::deliverBody() {
  if (!body_.empty() && active() && !received_) {
    receiver_->onData(body_, false);
  }
  body_.clear();
}

CodecStatus Http1Connection::onMessage() {
  HeaderMap* trailers = parser_.trailers();
  reading_ = false;
  if (trailers != nullptr) {
    deliverBody();
    if (discarding_ || !active()) {
      return {};
    }
    received_ = true;
    receiver_->onTrailers(*trailers);
  } else {
    received_ = true;
    receiver_->onData(body_, true);
    body_.clear();
  }
  endStreamIfDone();
  return {};
}

void Http1Connection::endStreamIfDone() {
  if (!active() || !received_ || !sent_) {
    return;
  }
  receiver_ = nullptr;
  read_disabled_ = 0;
  raw_in_ = false;
  onStreamEnd();
  if (close_after_) {
    discarding_ = true;
  }
  scheduleInput();
}

void Http1Connection::scheduleInput() {
  if (dispatching_) {
    return;
  }
  if (discarding_) {
    held_.clear();
  }
  if (!held_.empty() && read_disabled_ == 0) {
    connection_.dispatcher().runAtUnwind(*this);
  }
  updatePause();
}

void Http1Connection::updatePause() {
  const bool pause = read_disabled_ > 0 || !held_.empty();
  if (pause != paused_) {
    paused_ = pause;
    connection_.readDisable(pause);
  }
}

void Http1Connection::flush(bool end) {
  wire_bytes_sent_ += out_.length();
  connection_.write(out_, end && raw_out_);
  if (end) {
    sent_ = true;
    endStreamIfDone();
  }
}

void Http1Connection::sendData(net::Buffer& data, bool end_stream) {
  if (!active() || sent_) {
    data.clear();
    return;
  }
  if (bodyless_) {
    data.clear();
  } else if (!chunked_) {
    out_.move(data);
  } else {
    if (!data.empty()) {
      appendChunkSize(data.length(), out_);
      out_.move(data);
      out_.append(end_stream ? "\r\n0\r\n\r\n" : "\r\n");
    } else if (end_stream) {
      out_.append("0\r\n\r\n");
    }
  }
  flush(end_stream);
}

void Http1Connection::sendTrailers(const HeaderMap& trailers) {
  if (!active() || sent_) {
    return;
  }
  if (chunked_ && settings_.enable_trailers) {
    header_wire_bytes_sent_ += encodeHttp1Trailers(trailers, settings_.header_case, out_) - 3;
  } else if (chunked_) {
    out_.append("0\r\n\r\n");
  }
  flush(true);
}

void Http1Connection::reset(ResetReason reason) {
  if (!active()) {
    return;
  }
  receiver_ = nullptr;
  discarding_ = true;
  close_after_ = true;
  read_disabled_ = 0;
  held_.clear();
  body_.clear();
  if (sent_ && reason == ResetReason::LocalNoError) {
    connection_.close(net::CloseType::FlushWriteAndDelay, "http1_answered_before_the_request_ended");
    return;
  }
  if (parser_.kind() == Http1Parser::Kind::Response) {
    connection_.close(net::CloseType::NoFlush, "http1_stream_reset");
    return;
  }
  // Half a message whose end would be the connection's is not to be taken for a whole one.
  if (!sent_ && header_wire_bytes_sent_ > 0 && !chunked_ && !length_told_) {
    connection_.resetOnClose();
  }
  connection_.close(net::CloseType::FlushWrite, "http1_stream_reset");
}

void Http1Connection::resetStream(ResetReason reason, absl::string_view details) {
  if (!active()) {
    return;
  }
  discarding_ = true;
  close_after_ = true;
  read_disabled_ = 0;
  std::exchange(receiver_, nullptr)->onReset(reason, details);
}

void Http1Connection::readDisable(bool disable) {
  if (!active()) {
    return;
  }
  if (disable) {
    ++read_disabled_;
  } else {
    SLUICE_CHECK(read_disabled_ > 0, "reading of an HTTP/1 stream is enabled more often than it was disabled");
    --read_disabled_;
  }
  scheduleInput();
}

void Http1Connection::tellAboveHigh() {
  above_high_ = true;
  if (active() && !told_above_) {
    told_above_ = true;
    receiver_->onAboveWriteBufferHighWatermark();
  }
}

void Http1Connection::tellBelowLow() {
  above_high_ = false;
  if (active() && told_above_) {
    told_above_ = false;
    receiver_->onBelowWriteBufferLowWatermark();
  }
  scheduleInput();
}

}  // namespace sluice::http
