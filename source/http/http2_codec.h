#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "source/http/codec.h"
#include "source/net/connection.h"
#include "source/stats/stats.h"

namespace sluice::http {

/** What becomes of header names with '_' in them, which some servers take for '-'. */
enum class UnderscorePolicy : uint8_t { Allow, DropHeader, RejectRequest };

/** `http2_protocol_options`, and of the common options what the codec applies. Defaults are Envoy 1.40's. */
struct Http2Settings {
  uint32_t hpack_table_size = 4096;
  /** Ours, which the peer must keep to; at clients also what the peer is taken to allow until it tells. */
  uint32_t max_concurrent_streams = 1024;
  uint32_t initial_stream_window = 16 * 1024 * 1024;
  uint32_t initial_connection_window = 24 * 1024 * 1024;
  /** 0 leaves the protocol's 16 KiB. */
  uint32_t max_frame_size = 0;
  bool allow_connect = false;
  /** A malformed message ends its stream alone, and not the connection (override_stream_error_on_invalid_http_message). */
  bool stream_error_on_invalid_http_message = false;
  uint32_t max_outbound_frames = 10000;
  uint32_t max_outbound_control_frames = 1000;
  uint32_t max_consecutive_inbound_frames_with_empty_payload = 1;
  uint32_t max_inbound_priority_frames_per_stream = 100;
  uint32_t max_inbound_window_update_frames_per_data_frame_sent = 10;
  /** A server ends a connection once so many streams are closed and half of them were reset by the peer within `..._lifetime`. */
  uint32_t premature_reset_total_stream_count = 500;
  std::chrono::milliseconds premature_reset_min_stream_lifetime{1000};
  /** Sent beside ours, in this order; an identifier that we set too replaces it. */
  std::vector<std::pair<uint16_t, uint32_t>> custom_settings;
  /** Of names and values, in KiB, and in fields; more is answered by 431 at servers, and ends the stream at clients. */
  uint32_t max_headers_kb = 60;
  uint32_t max_headers_count = 100;
  UnderscorePolicy underscores = UnderscorePolicy::Allow;
  /** 0: no PINGs. */
  std::chrono::milliseconds keepalive_interval{0};
  std::chrono::milliseconds keepalive_timeout{0};
  /** At most so much is added to the interval, in percent of it. */
  uint32_t keepalive_jitter_percent = 15;
  /** A connection that nothing came on for so long is probed by a PING when a stream begins; 0: not. */
  std::chrono::milliseconds keepalive_idle_interval{0};
};

/** `http2.*` under a scope: the root's for listeners, the cluster's for upstreams. */
struct Http2Stats {
  /** On main. */
  static Http2Stats make(stats::Scope& scope);

  stats::Counter dropped_headers_with_underscores;
  stats::Counter goaway_sent;
  stats::Counter header_list_size_too_large;
  stats::Counter header_overflow;
  stats::Counter headers_cb_no_stream;
  stats::Counter inbound_empty_frames_flood;
  stats::Counter inbound_priority_frames_flood;
  stats::Counter inbound_window_update_frames_flood;
  stats::Counter keepalive_timeout;
  stats::Counter metadata_empty_frames;
  stats::Counter outbound_control_flood;
  stats::Counter outbound_flood;
  stats::Counter requests_rejected_with_underscores_in_headers;
  stats::Counter rx_messaging_error;
  stats::Counter rx_reset;
  stats::Counter stream_refused_errors;
  stats::Counter trailers;
  stats::Counter tx_flush_timeout;
  stats::Counter tx_reset;
  stats::Gauge streams_active;
  stats::Gauge pending_send_bytes;
  stats::Gauge deferred_stream_close;
};

class Http2Session;

/**
 * HTTP/2 at the side that accepts (codec.h tells the contract). `settings` and `stats` outlive it. A malformed message
 * ends the connection, as in Envoy, but where the settings say otherwise. Frames are written when the outermost callback
 * unwinds, or at the end of dispatch(); goAway() and shutdownNotice() write at once where they can.
 */
class Http2ServerCodec final : public ServerCodec {
 public:
  Http2ServerCodec(net::Connection& connection, ServerCodecCallbacks& callbacks, const Http2Settings& settings,
                   const Http2Stats& stats);
  ~Http2ServerCodec() override;

  Protocol protocol() const override { return Protocol::Http2; }
  CodecStatus dispatch(net::Buffer& data) override;
  CodecStatus onEndOfInput() override { return {}; }
  void goAway() override;
  void shutdownNotice() override;
  bool wantsToWrite() const override;
  void onConnectionAboveHighWatermark() override;
  void onConnectionBelowLowWatermark() override;
  void resetAllStreams(ResetReason reason, absl::string_view details) override;
  size_t activeStreams() const override;

 private:
  const std::unique_ptr<Http2Session> session_;
};

/** The same at the side that connects. Streams above what the peer allows wait inside: its pool is to know better. */
class Http2ClientCodec final : public ClientCodec {
 public:
  Http2ClientCodec(net::Connection& connection, CodecCallbacks& callbacks, const Http2Settings& settings,
                   const Http2Stats& stats);
  ~Http2ClientCodec() override;

  StreamSender& newStream(StreamReceiver& receiver) override;
  Protocol protocol() const override { return Protocol::Http2; }
  CodecStatus dispatch(net::Buffer& data) override;
  CodecStatus onEndOfInput() override { return {}; }
  void goAway() override;
  void shutdownNotice() override;
  bool wantsToWrite() const override;
  void onConnectionAboveHighWatermark() override;
  void onConnectionBelowLowWatermark() override;
  void resetAllStreams(ResetReason reason, absl::string_view details) override;
  size_t activeStreams() const override;

 private:
  const std::unique_ptr<Http2Session> session_;
};

}  // namespace sluice::http
