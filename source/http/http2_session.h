#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include <nghttp2/nghttp2.h>

#include "source/event/task_list.h"
#include "source/http/http2_closed_streams.h"
#include "source/http/http2_codec.h"
#include "source/http/http2_flood_guard.h"
#include "source/http/http2_frame_scanner.h"
#include "source/http/http2_keepalive.h"
#include "source/http/http2_stream.h"

namespace sluice::http {

/**
 * What server's and client's codec share: nghttp2's session over a net::Connection. Owned by its codec; connection's
 * thread. nghttp2 may not be asked for frames from within its own callbacks, so that what these submit is pulled at the
 * end of dispatch() or at the outermost callback's unwinding.
 */
class Http2Session final : private event::IntrusiveTask, private Http2Keepalive::Callbacks {
 public:
  /** `server` is `callbacks` at a server, null at a client. */
  Http2Session(net::Connection& connection, CodecCallbacks& callbacks, ServerCodecCallbacks* server,
               const Http2Settings& settings, const Http2Stats& stats);
  ~Http2Session() override;

  CodecStatus dispatch(net::Buffer& data);
  Http2Stream& newClientStream(StreamReceiver& receiver);
  void goAway();
  void shutdownNotice();
  bool wantsToWrite() const;
  void setConnectionAbove(bool above);
  void resetAllStreams(ResetReason reason, absl::string_view details);
  size_t activeStreams() const { return active_; }

 private:
  friend class Http2Stream;
  friend struct Http2Callbacks;

  // event::IntrusiveTask
  void run() override;

  // Http2Keepalive::Callbacks
  void sendKeepalivePing() override;
  void onKeepaliveTimeout() override;

  void submitSettings();
  bool failed() const { return !status_.ok() || ended_; }
  /** Ends the connection: GOAWAY with `code`, and nothing more of what comes is taken. */
  void fail(CodecError error, const char* details, uint32_t code);
  void scheduleFlush();
  /** Has nghttp2 write its frames, and hands them to the connection. */
  void flush();
  bool pull();
  /** Of queued frames, those that are no stream's headers. */
  size_t queuedControlFrames() const;
  Http2Stream& newStream(StreamReceiver* receiver);
  void retire(Http2Stream& stream);
  void freeRetired();
  void consume(int32_t stream_id, size_t bytes);
  void submitReset(Http2Stream& stream, uint32_t code);
  /** Gives nghttp2 the buffer's first bytes. */
  void receive(net::Buffer& data);
  /** DATA for a stream that is gone, which nghttp2 drops by itself. */
  void onDroppedData(const Http2FrameScanner::Head& head);
  void checkClosed(uint32_t stream_id);
  void answerPing(const uint8_t* opaque);
  void onRemoteSettings();
  void onGoAwayReceived(uint32_t code);

  net::Connection& connection_;
  event::Dispatcher& dispatcher_;
  CodecCallbacks& callbacks_;
  ServerCodecCallbacks* const server_;
  const Http2Settings& settings_;
  const Http2Stats& stats_;
  nghttp2_session* session_ = nullptr;
  Http2FloodGuard guard_;
  Http2Keepalive keepalive_;
  Http2ClosedStreams closed_;
  Http2FrameScanner scanner_;
  /** Live streams, in no order; and those that wait for the stack to unwind before they go. */
  Http2Stream* streams_ = nullptr;
  Http2Stream* retired_ = nullptr;
  size_t active_ = 0;
  /** Frames made, on their way to the connection. */
  net::Buffer out_;
  /** Of the DATA frame that is being read. */
  net::Buffer in_data_;
  Http2Stream* in_data_stream_ = nullptr;
  /** Cookie crumbs of the header block that is being read. */
  std::string cookies_;
  uint32_t header_frame_bytes_ = 0;
  CodecStatus status_;
  /** HEADERS that we submitted and that were not sent yet. */
  uint32_t headers_queued_ = 0;
  uint32_t remote_max_streams_ = 0;
  bool dispatching_ = false;
  bool pulling_ = false;
  bool connection_above_ = false;
  /** resetAllStreams() was called. */
  bool ended_ = false;
  bool goaway_sent_ = false;
  bool goaway_received_ = false;
  uint32_t pings_after_goaway_ = 0;
  /** Client streams that could not begin are to hear of it. */
  bool failed_streams_ = false;
};

}  // namespace sluice::http
