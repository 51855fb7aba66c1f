#include "source/grpc/message_frames.h"

#include "google/protobuf/message_lite.h"

namespace sluice::grpc {
namespace {

constexpr uint64_t kHeaderBytes = 5;

}  // namespace

void appendMessage(const google::protobuf::MessageLite& message, net::Buffer& out) {
  std::string bytes(kHeaderBytes, '\0');
  message.AppendToString(&bytes);
  const uint64_t length = bytes.size() - kHeaderBytes;
  for (int i = 0; i < 4; ++i) {
    bytes[static_cast<size_t>(1 + i)] = static_cast<char>(length >> (8 * (3 - i)) & 0xff);
  }
  out.append(bytes);
}

MessageReader::Next MessageReader::next(std::string& message) {
  if (buffer_.length() < kHeaderBytes) {
    return Next::Wait;
  }
  unsigned char header[kHeaderBytes];
  buffer_.copyOut(0, kHeaderBytes, header);
  if (header[0] != 0) {
    return Next::Malformed;
  }
  uint64_t length = 0;
  for (uint64_t i = 1; i < kHeaderBytes; ++i) {
    length = length << 8 | header[i];
  }
  if (length > limit_) {
    return Next::TooLarge;
  }
  if (buffer_.length() < kHeaderBytes + length) {
    return Next::Wait;
  }
  message.resize(length);
  buffer_.copyOut(kHeaderBytes, length, message.data());
  buffer_.drain(kHeaderBytes + length);
  return Next::Message;
}

}  // namespace sluice::grpc
