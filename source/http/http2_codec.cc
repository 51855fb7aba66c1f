#include "source/http/http2_codec.h"

#include "source/http/http2_session.h"

namespace sluice::http {

Http2Stats Http2Stats::make(stats::Scope& scope) {
  Http2Stats stats;
#define SLUICE_HTTP2_COUNTER(name) stats.name = scope.counter("http2." #name)
  SLUICE_HTTP2_COUNTER(dropped_headers_with_underscores);
  SLUICE_HTTP2_COUNTER(goaway_sent);
  SLUICE_HTTP2_COUNTER(header_list_size_too_large);
  SLUICE_HTTP2_COUNTER(header_overflow);
  SLUICE_HTTP2_COUNTER(headers_cb_no_stream);
  SLUICE_HTTP2_COUNTER(inbound_empty_frames_flood);
  SLUICE_HTTP2_COUNTER(inbound_priority_frames_flood);
  SLUICE_HTTP2_COUNTER(inbound_window_update_frames_flood);
  SLUICE_HTTP2_COUNTER(keepalive_timeout);
  SLUICE_HTTP2_COUNTER(metadata_empty_frames);
  SLUICE_HTTP2_COUNTER(outbound_control_flood);
  SLUICE_HTTP2_COUNTER(outbound_flood);
  SLUICE_HTTP2_COUNTER(requests_rejected_with_underscores_in_headers);
  SLUICE_HTTP2_COUNTER(rx_messaging_error);
  SLUICE_HTTP2_COUNTER(rx_reset);
  SLUICE_HTTP2_COUNTER(stream_refused_errors);
  SLUICE_HTTP2_COUNTER(trailers);
  SLUICE_HTTP2_COUNTER(tx_flush_timeout);
  SLUICE_HTTP2_COUNTER(tx_reset);
#undef SLUICE_HTTP2_COUNTER
  stats.streams_active = scope.gauge("http2.streams_active");
  stats.pending_send_bytes = scope.gauge("http2.pending_send_bytes");
  stats.deferred_stream_close = scope.gauge("http2.deferred_stream_close");
  return stats;
}

Http2ServerCodec::Http2ServerCodec(net::Connection& connection, ServerCodecCallbacks& callbacks,
                                   const Http2Settings& settings, const Http2Stats& stats)
    : session_(std::make_unique<Http2Session>(connection, callbacks, &callbacks, settings, stats)) {}
Http2ServerCodec::~Http2ServerCodec() = default;
CodecStatus Http2ServerCodec::dispatch(net::Buffer& data) { return session_->dispatch(data); }
void Http2ServerCodec::goAway() { session_->goAway(); }
void Http2ServerCodec::shutdownNotice() { session_->shutdownNotice(); }
bool Http2ServerCodec::wantsToWrite() const { return session_->wantsToWrite(); }
void Http2ServerCodec::onConnectionAboveHighWatermark() { session_->setConnectionAbove(true); }
void Http2ServerCodec::onConnectionBelowLowWatermark() { session_->setConnectionAbove(false); }
void Http2ServerCodec::resetAllStreams(ResetReason reason, absl::string_view details) {
  session_->resetAllStreams(reason, details);
}
size_t Http2ServerCodec::activeStreams() const { return session_->activeStreams(); }

Http2ClientCodec::Http2ClientCodec(net::Connection& connection, CodecCallbacks& callbacks,
                                   const Http2Settings& settings, const Http2Stats& stats)
    : session_(std::make_unique<Http2Session>(connection, callbacks, nullptr, settings, stats)) {}
Http2ClientCodec::~Http2ClientCodec() = default;
StreamSender& Http2ClientCodec::newStream(StreamReceiver& receiver) { return session_->newClientStream(receiver); }
CodecStatus Http2ClientCodec::dispatch(net::Buffer& data) { return session_->dispatch(data); }
void Http2ClientCodec::goAway() { session_->goAway(); }
void Http2ClientCodec::shutdownNotice() { session_->goAway(); }
bool Http2ClientCodec::wantsToWrite() const { return session_->wantsToWrite(); }
void Http2ClientCodec::onConnectionAboveHighWatermark() { session_->setConnectionAbove(true); }
void Http2ClientCodec::onConnectionBelowLowWatermark() { session_->setConnectionAbove(false); }
void Http2ClientCodec::resetAllStreams(ResetReason reason, absl::string_view details) {
  session_->resetAllStreams(reason, details);
}
size_t Http2ClientCodec::activeStreams() const { return session_->activeStreams(); }

}  // namespace sluice::http
