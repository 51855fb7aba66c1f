#pragma once

#include <cstdint>

namespace sluice::http {

/**
 * Remembers which of the last streams the peer itself had ended when they went, and which ids it passed over. nghttp2
 * ignores frames for a stream that it knows no more, since they may have been sent before the peer heard of our reset;
 * where the peer cannot have that excuse, RFC 9113, section 5.1, asks for a connection error.
 */
class Http2ClosedStreams {
 public:
  enum class Verdict : uint8_t { Unknown, EndedByPeer, NeverOpened };

  void onOpened(uint32_t id) {
    if (id > highest_ + 2) {
      skipped_[next_skipped_++ % kRanges] = {highest_ + 1, id - 1};
    }
    highest_ = id > highest_ ? id : highest_;
  }
  void onEndedByPeer(uint32_t id) {
    ended_[next_ended_++ % kEnded] = id;
    highest_ = id > highest_ ? id : highest_;
  }

  Verdict look(uint32_t id) const {
    if (id > highest_) {
      return Verdict::Unknown;
    }
    for (const uint32_t ended : ended_) {
      if (ended == id) {
        return Verdict::EndedByPeer;
      }
    }
    for (const Range& range : skipped_) {
      if (id >= range.first && id <= range.last) {
        return Verdict::NeverOpened;
      }
    }
    return Verdict::Unknown;
  }

 private:
  struct Range {
    uint32_t first = 1;
    uint32_t last = 0;
  };
  static constexpr uint32_t kEnded = 32;
  static constexpr uint32_t kRanges = 4;

  uint32_t ended_[kEnded] = {};
  Range skipped_[kRanges];
  uint32_t next_ended_ = 0;
  uint32_t next_skipped_ = 0;
  uint32_t highest_ = 0;
};

}  // namespace sluice::http
