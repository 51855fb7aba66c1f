#include "source/http/http2_session.h"

#include <algorithm>
#include <array>

#include "source/base/assert.h"
#include "source/http/http2_allocator.h"
#include "source/http/http2_callbacks.h"

namespace sluice::http {
namespace {

struct OptionDeleter {
  void operator()(nghttp2_option* option) const { nghttp2_option_del(option); }
};

std::unique_ptr<nghttp2_option, OptionDeleter> makeOptions(const Http2Settings& settings) {
  nghttp2_option* option = nullptr;
  SLUICE_CHECK(nghttp2_option_new(&option) == 0, "out of memory");
  nghttp2_option_set_no_auto_window_update(option, 1);
  nghttp2_option_set_no_auto_ping_ack(option, 1);
  nghttp2_option_set_no_closed_streams(option, 1);
  nghttp2_option_set_no_rfc9113_leading_and_trailing_ws_validation(option, 1);
  nghttp2_option_set_max_deflate_dynamic_table_size(option, settings.hpack_table_size);
  nghttp2_option_set_peer_max_concurrent_streams(option, settings.max_concurrent_streams);
  nghttp2_option_set_max_outbound_ack(option, settings.max_outbound_control_frames);
  nghttp2_option_set_max_send_header_block_length(option, 32 * 1024 * 1024);
  // Twice the frames that the allowed headers fill, and as many as the library allows by itself at least.
  nghttp2_option_set_max_continuations(option, std::max<size_t>(8, settings.max_headers_kb / 8));
  // Http2FloodGuard counts resets as Envoy does, which lets a client cancel what it has waited for.
  nghttp2_option_set_stream_reset_rate_limit(option, uint64_t{1} << 40, uint64_t{1} << 20);
  return std::unique_ptr<nghttp2_option, OptionDeleter>(option);
}

}  // namespace

Http2Session::Http2Session(net::Connection& connection, CodecCallbacks& callbacks, ServerCodecCallbacks* server,
                           const Http2Settings& settings, const Http2Stats& stats)
    : connection_(connection),
      dispatcher_(connection.dispatcher()),
      callbacks_(callbacks),
      server_(server),
      settings_(settings),
      stats_(stats),
      guard_(settings, stats, connection.bytesSent()),
      keepalive_(dispatcher_, *this, settings),
      scanner_(server != nullptr),
      remote_max_streams_(settings.max_concurrent_streams),
      connection_above_(connection.aboveHighWatermark()) {
  const auto options = makeOptions(settings);
  const int result = server != nullptr
                         ? nghttp2_session_server_new3(&session_, http2Callbacks(), this, options.get(), http2Memory())
                         : nghttp2_session_client_new3(&session_, http2Callbacks(), this, options.get(), http2Memory());
  SLUICE_CHECK(result == 0, "out of memory");
  submitSettings();
  scheduleFlush();
}

Http2Session::~Http2Session() {
  ended_ = true;
  nghttp2_session_del(session_);
  while (streams_ != nullptr) {
    retire(*streams_);
  }
  freeRetired();
}

CodecStatus Http2Session::dispatch(net::Buffer& data) {
  keepalive_.onBytesReceived();
  dispatching_ = true;
  while (!data.empty() && !failed()) {
    receive(data);
  }
  if (!failed() && !in_data_.empty()) {
    // The rest of the frame may be long in coming.
    in_data_stream_->takeData(false);
  }
  dispatching_ = false;
  flush();
  if (failed()) {
    data.clear();
  }
  freeRetired();
  return status_;
}

void Http2Session::receive(net::Buffer& data) {
  Http2FrameScanner::Head head;
  bool is_data = false;
  const absl::string_view bytes = data.front();
  const size_t size = scanner_.next(bytes, head, is_data);
  const ssize_t taken = nghttp2_session_mem_recv(session_, reinterpret_cast<const uint8_t*>(bytes.data()), size);
  if (taken == NGHTTP2_ERR_FLOODED) {
    fail(CodecError::OutboundFlood, guard_.controlFlood(), NGHTTP2_ENHANCE_YOUR_CALM);
    return;
  }
  if (taken == NGHTTP2_ERR_TOO_MANY_CONTINUATIONS) {
    fail(CodecError::InboundFlood, "http2.too_many_continuations", NGHTTP2_ENHANCE_YOUR_CALM);
    return;
  }
  if (taken < 0) {
    fail(CodecError::Protocol, nghttp2_strerror(static_cast<int>(taken)), NGHTTP2_PROTOCOL_ERROR);
    return;
  }
  data.drain(size);
  if (failed()) {
    return;
  }
  if (queuedControlFrames() > settings_.max_outbound_control_frames) {
    fail(CodecError::OutboundFlood, guard_.controlFlood(), NGHTTP2_ENHANCE_YOUR_CALM);
  } else if (is_data) {
    onDroppedData(head);
  }
}

void Http2Session::onDroppedData(const Http2FrameScanner::Head& head) {
  if (head.stream_id == 0 ||
      nghttp2_session_get_stream_user_data(session_, static_cast<int32_t>(head.stream_id)) != nullptr) {
    return;
  }
  if (const char* flood = guard_.onInboundFrame(head.type, head.flags, head.length); flood != nullptr) {
    fail(CodecError::InboundFlood, flood, NGHTTP2_ENHANCE_YOUR_CALM);
    return;
  }
  checkClosed(head.stream_id);
}

void Http2Session::checkClosed(uint32_t stream_id) {
  switch (closed_.look(stream_id)) {
    case Http2ClosedStreams::Verdict::EndedByPeer:
      fail(CodecError::Protocol, "http2.stream_closed", NGHTTP2_STREAM_CLOSED);
      return;
    case Http2ClosedStreams::Verdict::NeverOpened:
      fail(CodecError::Protocol, "http2.invalid_stream_id", NGHTTP2_PROTOCOL_ERROR);
      return;
    case Http2ClosedStreams::Verdict::Unknown:
      return;
  }
}

void Http2Session::fail(CodecError error, const char* details, uint32_t code) {
  if (status_.ok()) {
    status_ = {error, details};
    nghttp2_session_terminate_session(session_, code);
    scheduleFlush();
  }
}

size_t Http2Session::queuedControlFrames() const {
  const size_t queued = nghttp2_session_get_outbound_queue_size(session_);
  return queued > headers_queued_ ? queued - headers_queued_ : 0;
}

// Not at the unwinding: what other connections' callbacks of this turn add goes out with it.
void Http2Session::scheduleFlush() { dispatcher_.runAfterPoll(*this); }

void Http2Session::run() {
  flush();
  freeRetired();
}

void Http2Session::flush() {
  if (dispatching_ || pulling_) {
    // The outer one flushes, or does so at the unwinding.
    scheduleFlush();
    return;
  }
  while (failed_streams_ && !ended_) {
    failed_streams_ = false;
    for (Http2Stream* stream = streams_; stream != nullptr; stream = stream->next_) {
      if (stream->closed_ && stream->receiver_ != nullptr && !stream->headers_sent_ && stream->id_ < 0) {
        stream->raiseReset(ResetReason::RemoteRefused, "http2.remote_refuse");
        retire(*stream);
        failed_streams_ = true;
        break;
      }
    }
  }
  while (!ended_ && pull()) {
    guard_.onWritten(out_.length());
    connection_.write(out_, false);
  }
  if (!failed()) {
    if (const char* flood = guard_.checkOutbound(connection_.bytesSent(), queuedControlFrames()); flood != nullptr) {
      fail(CodecError::OutboundFlood, flood, NGHTTP2_ENHANCE_YOUR_CALM);
      pull();
      connection_.write(out_, false);
    }
  }
}

bool Http2Session::pull() {
  if (connection_above_ && status_.ok()) {
    return false;
  }
  pulling_ = true;
  for (;;) {
    const uint8_t* bytes = nullptr;
    const ssize_t size = nghttp2_session_mem_send(session_, &bytes);
    if (size < 0) {
      if (status_.ok()) {
        status_ = {CodecError::Protocol, nghttp2_strerror(static_cast<int>(size))};
      }
      break;
    }
    if (size == 0) {
      break;
    }
    out_.append({reinterpret_cast<const char*>(bytes), static_cast<size_t>(size)});
  }
  pulling_ = false;
  return !out_.empty();
}

Http2Stream& Http2Session::newStream(StreamReceiver* receiver) {
  auto* stream = new Http2Stream(*this, receiver);
  stream->started_ = dispatcher_.now();
  stream->next_ = streams_;
  if (streams_ != nullptr) {
    streams_->previous_ = stream;
  }
  streams_ = stream;
  ++active_;
  stats_.streams_active.inc();
  guard_.onStreamOpened();
  return *stream;
}

Http2Stream& Http2Session::newClientStream(StreamReceiver& receiver) {
  keepalive_.onNewStream();
  Http2Stream& stream = newStream(&receiver);
  if (connection_above_) {
    // The user has no sender yet that it could stop for.
    scheduleFlush();
  }
  return stream;
}

void Http2Session::retire(Http2Stream& stream) {
  if (stream.retired_) {
    return;
  }
  stream.retired_ = true;
  (stream.previous_ != nullptr ? stream.previous_->next_ : streams_) = stream.next_;
  if (stream.next_ != nullptr) {
    stream.next_->previous_ = stream.previous_;
  }
  stream.previous_ = nullptr;
  stream.next_ = retired_;
  retired_ = &stream;
  --active_;
  stats_.streams_active.dec();
  if (stream.kept_) {
    stats_.deferred_stream_close.dec();
  }
  if (!ended_) {
    scheduleFlush();
  }
}

void Http2Session::freeRetired() {
  while (retired_ != nullptr) {
    Http2Stream* stream = retired_;
    retired_ = stream->next_;
    delete stream;
  }
}

void Http2Session::consume(int32_t stream_id, size_t bytes) {
  if (bytes > 0 && !failed()) {
    nghttp2_session_consume(session_, stream_id, bytes);
    scheduleFlush();
  }
}

void Http2Session::submitReset(Http2Stream& stream, uint32_t code) {
  if (!stream.reset_sent_ && !stream.closed_ && stream.id_ > 0) {
    stream.reset_sent_ = true;
    nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream.id_, code);
    scheduleFlush();
  }
}

void Http2Session::goAway() {
  if (!goaway_sent_ && !failed()) {
    goaway_sent_ = true;
    nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(session_),
                          NGHTTP2_NO_ERROR, nullptr, 0);
    flush();
  }
}

void Http2Session::shutdownNotice() {
  if (!goaway_sent_ && !failed()) {
    nghttp2_submit_shutdown_notice(session_);
    flush();
  }
}

bool Http2Session::wantsToWrite() const {
  if (ended_) {
    return false;
  }
  if (!out_.empty() || nghttp2_session_want_write(session_) != 0) {
    return true;
  }
  for (const Http2Stream* stream = streams_; stream != nullptr; stream = stream->next_) {
    if (!stream->closed_ && (!stream->out_.empty() || (stream->local_end_ && !stream->local_end_sent_))) {
      return true;
    }
  }
  return false;
}

void Http2Session::setConnectionAbove(bool above) {
  if (connection_above_ == above) {
    return;
  }
  connection_above_ = above;
  for (Http2Stream* stream = streams_; stream != nullptr; stream = stream->next_) {
    stream->tellWatermark();
  }
  if (!above) {
    scheduleFlush();
  }
}

void Http2Session::resetAllStreams(ResetReason reason, absl::string_view details) {
  ended_ = true;
  for (Http2Stream* stream = streams_; stream != nullptr; stream = stream->next_) {
    stream->cancel();
    stream->raiseReset(reason, details);
  }
}

void Http2Session::onRemoteSettings() {
  const uint32_t streams = nghttp2_session_get_remote_settings(session_, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
  if (server_ == nullptr && streams != remote_max_streams_) {
    remote_max_streams_ = streams;
    callbacks_.onMaxConcurrentStreams(streams);
  }
}

void Http2Session::answerPing(const uint8_t* opaque) {
  if (!goaway_received_) {
    if (nghttp2_submit_ping(session_, NGHTTP2_FLAG_ACK, opaque) == NGHTTP2_ERR_FLOODED) {
      fail(CodecError::OutboundFlood, guard_.controlFlood(), NGHTTP2_ENHANCE_YOUR_CALM);
    }
    return;
  }
  // The library sends none once the peer has said GOAWAY and no stream is left. Few are answered by hand.
  if (++pings_after_goaway_ > settings_.max_outbound_control_frames) {
    fail(CodecError::OutboundFlood, guard_.controlFlood(), NGHTTP2_ENHANCE_YOUR_CALM);
    return;
  }
  constexpr char kHead[] = {0, 0, 8, NGHTTP2_PING, NGHTTP2_FLAG_ACK, 0, 0, 0, 0};
  out_.append({kHead, sizeof(kHead)});
  out_.append({reinterpret_cast<const char*>(opaque), 8});
  guard_.onFrameSent(NGHTTP2_PING);
}

void Http2Session::onGoAwayReceived(uint32_t code) {
  goaway_received_ = true;
  callbacks_.onGoAway(code == NGHTTP2_NO_ERROR);
}

void Http2Session::sendKeepalivePing() {
  const auto now = dispatcher_.now().time_since_epoch().count();
  uint8_t opaque[8];
  std::copy_n(reinterpret_cast<const uint8_t*>(&now), sizeof(opaque), opaque);
  nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, opaque);
  scheduleFlush();
}

void Http2Session::onKeepaliveTimeout() {
  stats_.keepalive_timeout.inc();
  callbacks_.onKeepaliveTimeout();
}

}  // namespace sluice::http
