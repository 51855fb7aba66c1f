#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "source/net/buffer.h"

namespace google::protobuf {
class MessageLite;
}

namespace sluice::grpc {

/** Appends a message with gRPC's five bytes before it (length-prefixed, not compressed). */
void appendMessage(const google::protobuf::MessageLite& message, net::Buffer& out);

/** Takes gRPC's messages out of bytes that come in whatever pieces. Plain value. */
class MessageReader {
 public:
  enum class Next : uint8_t {
    Message,
    /** More bytes are needed. */
    Wait,
    /** Larger than the limit. */
    TooLarge,
    /** Its first byte says that it is compressed, which nobody was asked for, or is no flag at all. */
    Malformed,
  };

  /** `limit`: of one message, in bytes. */
  explicit MessageReader(uint64_t limit) : limit_(limit) {}

  void add(net::Buffer& data) { buffer_.move(data); }
  /** Replaces `message` where there is one. After an error nothing more is to be read. */
  Next next(std::string& message);
  /** Nothing of a message waits for its rest. */
  bool atBoundary() const { return buffer_.empty(); }

 private:
  uint64_t limit_;
  net::Buffer buffer_;
};

}  // namespace sluice::grpc
