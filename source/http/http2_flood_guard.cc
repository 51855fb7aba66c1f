#include "source/http/http2_flood_guard.h"

#include <nghttp2/nghttp2.h>

namespace sluice::http {

const char* Http2FloodGuard::onInboundFrame(uint8_t type, uint8_t flags, size_t length) {
  switch (type) {
    case NGHTTP2_DATA:
    case NGHTTP2_HEADERS:
    case NGHTTP2_CONTINUATION:
      if (length > 0 || (type != NGHTTP2_CONTINUATION && (flags & NGHTTP2_FLAG_END_STREAM) != 0)) {
        empty_in_a_row_ = 0;
      } else if (++empty_in_a_row_ > settings_.max_consecutive_inbound_frames_with_empty_payload) {
        stats_.inbound_empty_frames_flood.inc();
        return "http2.inbound_empty_frames_flood";
      }
      return nullptr;
    case NGHTTP2_PRIORITY:
      if (++priority_frames_ > uint64_t{settings_.max_inbound_priority_frames_per_stream} * (1 + opened_)) {
        stats_.inbound_priority_frames_flood.inc();
        return "http2.inbound_priority_frames_flood";
      }
      return nullptr;
    case NGHTTP2_WINDOW_UPDATE:
      if (++window_updates_ >
          5 + 2 * (opened_ + settings_.max_inbound_window_update_frames_per_data_frame_sent * data_frames_sent_)) {
        stats_.inbound_window_update_frames_flood.inc();
        return "http2.inbound_window_update_frames_flood";
      }
      return nullptr;
    default:
      return nullptr;
  }
}

const char* Http2FloodGuard::onStreamClosed(bool premature) {
  ++closed_;
  if (!premature) {
    return nullptr;
  }
  ++premature_;
  // Once the limit's worth of streams can only end with half of them reset, there is no need to wait for it.
  const uint64_t limit = settings_.premature_reset_total_stream_count;
  const uint64_t of = closed_ < limit ? limit : closed_;
  return limit > 0 && premature_ * 2 >= of ? "http2.too_many_premature_resets" : nullptr;
}

void Http2FloodGuard::onFrameSent(uint8_t type) {
  ++fresh_frames_;
  if (type == NGHTTP2_DATA) {
    ++data_frames_sent_;
  } else if (type == NGHTTP2_PING || type == NGHTTP2_SETTINGS || type == NGHTTP2_RST_STREAM) {
    ++fresh_control_;
  }
}

void Http2FloodGuard::onWritten(uint64_t bytes) {
  written_ += bytes;
  frames_ += fresh_frames_;
  control_ += fresh_control_;
  if (count_ == kBatches) {
    // Counted as sent a little late: a limit is met early rather than never.
    Batch& last = batches_[(first_ + count_ - 1) % kBatches];
    last = {written_, last.frames + fresh_frames_, last.control + fresh_control_};
  } else {
    batches_[(first_ + count_++) % kBatches] = {written_, fresh_frames_, fresh_control_};
  }
  fresh_frames_ = fresh_control_ = 0;
}

const char* Http2FloodGuard::checkOutbound(uint64_t sent, size_t queued_control) {
  for (; count_ > 0 && batches_[first_].end <= sent; first_ = (first_ + 1) % kBatches, --count_) {
    frames_ -= batches_[first_].frames;
    control_ -= batches_[first_].control;
  }
  if (control_ + queued_control > settings_.max_outbound_control_frames) {
    return controlFlood();
  }
  if (frames_ > settings_.max_outbound_frames) {
    stats_.outbound_flood.inc();
    return "http2.outbound_frames_flood";
  }
  return nullptr;
}

const char* Http2FloodGuard::controlFlood() const {
  stats_.outbound_control_flood.inc();
  return "http2.outbound_control_frames_flood";
}

}  // namespace sluice::http
