#pragma once

#include <cstdint>

#include "absl/strings/string_view.h"

#include "source/net/buffer.h"

namespace sluice::filters {

/** Follows the length-prefixed messages of a gRPC body through whatever pieces it comes in. */
class GrpcMessages {
 public:
  /** Takes the next bytes; returns how many messages began in them. */
  uint64_t add(const net::Buffer& data) {
    const uint64_t before = begun_;
    data.forEachSlice([this](absl::string_view bytes) { add(bytes); });
    return begun_ - before;
  }
  uint64_t begun() const { return begun_; }
  /** Between two messages. */
  bool atBoundary() const { return header_bytes_ == 0 && left_ == 0; }

 private:
  static constexpr uint32_t kHeaderBytes = 5;

  void add(absl::string_view bytes) {
    while (!bytes.empty()) {
      if (left_ > 0) {
        const uint64_t skipped = bytes.size() < left_ ? bytes.size() : left_;
        left_ -= skipped;
        bytes.remove_prefix(skipped);
        continue;
      }
      begun_ += header_bytes_ == 0 ? 1 : 0;
      if (header_bytes_ > 0) {
        length_ = length_ << 8 | static_cast<unsigned char>(bytes.front());
      }
      bytes.remove_prefix(1);
      if (++header_bytes_ == kHeaderBytes) {
        left_ = length_;
        length_ = 0;
        header_bytes_ = 0;
      }
    }
  }

  uint64_t begun_ = 0;
  uint64_t left_ = 0;
  uint32_t length_ = 0;
  uint32_t header_bytes_ = 0;
};

}  // namespace sluice::filters
