#pragma once

#include <cstddef>
#include <cstdint>

#include "source/http/http2_codec.h"

namespace sluice::http {

/**
 * Counts the frames of one HTTP/2 connection that cost us and do nothing, against Envoy's limits. Part of its session.
 * Each check returns null, or the static details of the flood (its counter is then counted): the connection is to end.
 */
class Http2FloodGuard {
 public:
  /** `written` is how many bytes its connection has sent before this session's first. */
  Http2FloodGuard(const Http2Settings& settings, const Http2Stats& stats, uint64_t written)
      : settings_(settings), stats_(stats), written_(written) {}

  const char* onInboundFrame(uint8_t type, uint8_t flags, size_t length);
  void onStreamOpened() { ++opened_; }
  /** Of a server's streams: `premature` is one that the peer reset soon and unanswered. */
  const char* onStreamClosed(bool premature);

  /** A frame was made for sending; it is part of the next bytes written. */
  void onFrameSent(uint8_t type);
  void onWritten(uint64_t bytes);
  /** `sent` of what was written has left; `queued_control` more frames wait inside nghttp2. */
  const char* checkOutbound(uint64_t sent, size_t queued_control);
  const char* controlFlood() const;

 private:
  /** Frames that were written together, up to `end` of all bytes written. */
  struct Batch {
    uint64_t end;
    uint32_t frames;
    uint32_t control;
  };
  static constexpr uint32_t kBatches = 16;

  const Http2Settings& settings_;
  const Http2Stats& stats_;
  uint64_t opened_ = 0;
  uint64_t closed_ = 0;
  uint64_t premature_ = 0;
  uint64_t priority_frames_ = 0;
  uint64_t window_updates_ = 0;
  uint64_t data_frames_sent_ = 0;
  uint64_t written_;
  uint32_t empty_in_a_row_ = 0;
  uint32_t frames_ = 0;
  uint32_t control_ = 0;
  uint32_t fresh_frames_ = 0;
  uint32_t fresh_control_ = 0;
  uint32_t first_ = 0;
  uint32_t count_ = 0;
  Batch batches_[kBatches];
};

}  // namespace sluice::http
