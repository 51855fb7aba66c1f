#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

#include "source/base/assert.h"
#include "source/http/http2_session.h"
#include "source/http/http2_stream.h"
#include "source/http/upgrade_translation.h"

namespace sluice::http {
namespace {

/** Beyond so many times its limit a message is not read to its end for the sake of an answer. */
constexpr uint64_t kAnsweredExcess = 4;

}  // namespace

HeaderMap& Http2Stream::newHeaders() {
  base::Arena& arena = receiver_->arena();
  in_headers_ = arena.make<HeaderMap>(arena);
  header_bytes_ = 0;
  header_count_ = 0;
  return *in_headers_;
}

int Http2Stream::onHeader(HeaderId id, absl::string_view name, absl::string_view value, bool sensitive) {
  const Http2Settings& settings = session_.settings_;
  header_bytes_ += name.size() + value.size();
  ++header_count_;
  const uint64_t limit = uint64_t{settings.max_headers_kb} * 1024;
  if (overflow_ || header_bytes_ > limit || header_count_ > settings.max_headers_count) {
    if (!overflow_) {
      overflow_ = true;
      too_many_headers_ = header_bytes_ <= limit;
      session_.stats_.header_overflow.inc();
      if (!too_many_headers_) {
        session_.stats_.header_list_size_too_large.inc();
      }
      details_ = too_many_headers_ ? "http2.too_many_headers" : "http2.header_list_size_too_large";
    }
    // A request can be answered at its head's end; every other message ends here.
    const bool answered = session_.server_ != nullptr && !headers_received_ &&
                          header_bytes_ <= limit * kAnsweredExcess &&
                          header_count_ <= settings.max_headers_count * kAnsweredExcess;
    return answered ? 0 : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  }
  if (id == HeaderId::Cookie) {
    absl::StrAppend(&session_.cookies_, session_.cookies_.empty() ? "" : "; ", value);
    return 0;
  }
  if (id == HeaderId::Other && settings.underscores != UnderscorePolicy::Allow &&
      name.find('_') != absl::string_view::npos) {
    if (settings.underscores == UnderscorePolicy::DropHeader) {
      session_.stats_.dropped_headers_with_underscores.inc();
      return 0;
    }
    session_.stats_.requests_rejected_with_underscores_in_headers.inc();
    details_ = "http2.unexpected_underscore";
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  }
  base::Arena& arena = in_headers_->arena();
  Header& added = id == HeaderId::Other ? in_headers_->addView(arena.copy(name), arena.copy(value))
                                        : in_headers_->addView(id, arena.copy(value));
  added.sensitive = sensitive;
  return 0;
}

/** RFC 9113, section 8.2.3: crumbs become one field before anything but HTTP/2 sees them. */
void Http2Stream::addCookies() {
  if (!session_.cookies_.empty()) {
    in_headers_->add(HeaderId::Cookie, session_.cookies_);
    session_.cookies_.clear();
  }
}

void Http2Stream::onHeadersEnd(bool end_stream, bool interim) {
  if (receiver_ == nullptr || in_headers_ == nullptr) {
    return;
  }
  addCookies();
  if (headers_received_) {
    if (session_.server_ != nullptr) {
      session_.stats_.trailers.inc();
    }
    if (read_disabled_ > 0 || !held_.empty()) {
      held_trailers_ = in_headers_;
      return;
    }
    held_trailers_ = in_headers_;
    deliverTrailers();
    return;
  }
  if (interim) {
    receiver_->onInterimHeaders(*in_headers_);
    return;
  }
  headers_received_ = true;
  if (session_.server_ != nullptr) {
    onRequestHeaders(end_stream);
    return;
  }
  if (!upgrade_.empty()) {
    upgradeResponseFromHttp2(*in_headers_, upgrade_);
  }
  tellHeaders(end_stream);
}

void Http2Stream::onRequestHeaders(bool end_stream) {
  if (overflow_) {
    refuse();
    return;
  }
  HeaderMap& headers = *in_headers_;
  // RFC 9113, section 8.3.1: `:authority` stands for `host`, which HTTP/1 clients behind a proxy may have left alone.
  if (headers.has(HeaderId::Host)) {
    if (!headers.has(HeaderId::Authority)) {
      headers.setView(HeaderId::Authority, headers.get(HeaderId::Host));
    }
    headers.remove(HeaderId::Host);
  }
  upgradeRequestFromHttp2(headers);
  tellHeaders(end_stream);
}

/** The rest of the request, should there be any, is dropped as it comes: the receiver has its answer to give. */
void Http2Stream::refuse() {
  remote_end_told_ = true;
  reset_when_flushed_ = !remote_end_;
  static_cast<RequestReceiver*>(receiver_)->onBadRequest(431, details_);
  checkDone();
}

void Http2Stream::tellHeaders(bool end_stream) {
  remote_end_told_ = end_stream;
  receiver_->onHeaders(*in_headers_, end_stream);
  checkDone();
}

void Http2Stream::takeData(bool end_stream) {
  net::Buffer& data = session_.in_data_;
  session_.in_data_stream_ = nullptr;
  const uint64_t size = data.length();
  if (receiver_ == nullptr || remote_end_told_) {
    data.clear();
    session_.consume(id_, size);
    return;
  }
  if (read_disabled_ > 0 || !held_.empty()) {
    held_.move(data);
    return;
  }
  if (size == 0 && !end_stream) {
    return;
  }
  remote_end_told_ = end_stream;
  receiver_->onData(data, end_stream);
  data.clear();
  session_.consume(id_, size);
  checkDone();
}

void Http2Stream::readDisable(bool disable) {
  if (disable) {
    ++read_disabled_;
    return;
  }
  SLUICE_CHECK(read_disabled_ > 0, "reading is enabled more often than disabled");
  if (--read_disabled_ == 0) {
    // Not inside the call: what waits may make the caller disable once more.
    session_.dispatcher_.runAtUnwind(*this);
  }
}

void Http2Stream::run() { deliverHeld(); }

void Http2Stream::deliverHeld() {
  if (receiver_ == nullptr || read_disabled_ > 0) {
    return;
  }
  const bool end = remote_end_ && held_trailers_ == nullptr && headers_received_ && !remote_end_told_;
  if (!held_.empty() || end) {
    net::Buffer data(std::move(held_));
    const uint64_t size = data.length();
    remote_end_told_ = end;
    receiver_->onData(data, end);
    session_.consume(id_, size);
  }
  if (held_trailers_ != nullptr && receiver_ != nullptr && read_disabled_ == 0) {
    deliverTrailers();
  }
  checkDone();
  if (closed_ && receiver_ != nullptr && remote_end_told_) {
    // The peer had taken its reset back behind its whole message.
    raiseReset(ResetReason::Remote, "http2.remote_reset");
    session_.retire(*this);
  }
}

void Http2Stream::deliverTrailers() {
  HeaderMap& trailers = *held_trailers_;
  held_trailers_ = nullptr;
  if (remote_end_told_) {
    return;
  }
  remote_end_told_ = true;
  receiver_->onTrailers(trailers);
  checkDone();
}

void Http2Stream::raiseReset(ResetReason reason, absl::string_view details) {
  if (StreamReceiver* receiver = std::exchange(receiver_, nullptr); receiver != nullptr) {
    receiver->onReset(reason, details);
  }
}

void Http2Stream::onSessionClosed(uint32_t code) {
  closed_ = true;
  if (receiver_ != nullptr && remote_end_ && !remote_end_told_ && code == NGHTTP2_NO_ERROR) {
    // All of the message has come; the receiver is to read it when it will.
    kept_ = true;
    session_.stats_.deferred_stream_close.inc();
    return;
  }
  cancel();
  if (receiver_ != nullptr && !(remote_end_told_ && local_end_sent_ && code == NGHTTP2_NO_ERROR)) {
    if (reset_by_peer_ || (session_.server_ == nullptr && (code == NGHTTP2_REFUSED_STREAM || !headers_sent_))) {
      const bool refused = code == NGHTTP2_REFUSED_STREAM || (session_.server_ == nullptr && !headers_sent_);
      raiseReset(refused ? ResetReason::RemoteRefused : ResetReason::Remote,
                 refused ? "http2.remote_refuse" : "http2.remote_reset");
    } else {
      raiseReset(ResetReason::ProtocolError, details_ != nullptr ? details_ : "http2.violation.of.messaging.rule");
    }
  }
  receiver_ = nullptr;
  session_.retire(*this);
}

}  // namespace sluice::http
