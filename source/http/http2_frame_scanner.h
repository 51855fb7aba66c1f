#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"

namespace sluice::http {

/**
 * Follows frame by frame what is given to nghttp2, to see those DATA frames that the library drops without a word: it
 * calls nobody for a stream that it knows no more.
 */
class Http2FrameScanner {
 public:
  struct Head {
    uint32_t length;
    uint8_t type;
    uint8_t flags;
    uint32_t stream_id;
  };

  /** A server's peer begins with the 24 bytes of its preface (RFC 9113, section 3.4). */
  explicit Http2FrameScanner(bool server) : skip_(server ? 24 : 0) {}

  /** How much of `bytes` goes up to the end of the next DATA frame's head, which `found` then is; else all of it. */
  size_t next(absl::string_view bytes, Head& found, bool& is_data) {
    is_data = false;
    size_t at = 0;
    while (at < bytes.size()) {
      if (skip_ > 0) {
        const size_t part = std::min<size_t>(skip_, bytes.size() - at);
        skip_ -= static_cast<uint32_t>(part);
        at += part;
        continue;
      }
      head_[have_++] = static_cast<uint8_t>(bytes[at++]);
      if (have_ < sizeof(head_)) {
        continue;
      }
      have_ = 0;
      skip_ = uint32_t{head_[0]} << 16 | uint32_t{head_[1]} << 8 | head_[2];
      if (head_[3] == 0) {
        const uint32_t id = uint32_t{head_[5]} << 24 | uint32_t{head_[6]} << 16 | uint32_t{head_[7]} << 8 | head_[8];
        found = {skip_, head_[3], head_[4], id & 0x7fffffff};
        is_data = true;
        return at;
      }
    }
    return at;
  }

 private:
  uint32_t skip_;
  uint8_t head_[9];
  uint8_t have_ = 0;
};

}  // namespace sluice::http
