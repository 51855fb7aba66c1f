#include "source/net/raw_transport_socket.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

namespace sluice::net {
namespace {

/** One slice is offered first; a peer that filled it is offered this much. */
constexpr uint64_t kNextOffer = 4 * uint64_t{kSliceCapacity};

}  // namespace

IoResult RawTransportSocket::read(Buffer& buffer, uint64_t budget, bool until_eof) {
  const int fd = callbacks_->fd();
  IoResult result;
  uint64_t offer = kSliceCapacity;
  while (true) {
    uint64_t reserved = 0;
    const ssize_t received = buffer.readFrom(fd, std::min(offer, budget - result.bytes), reserved);
    if (received > 0) {
      result.bytes += received;
      if (static_cast<uint64_t>(received) < reserved) {
        if (!until_eof) {
          return result;
        }
      } else {
        offer = kNextOffer;
      }
      if (result.bytes >= budget) {
        result.more = true;
        return result;
      }
    } else if (received == 0) {
      result.end_stream = true;
      return result;
    } else if (errno != EINTR) {
      if (errno != EAGAIN) {
        result.close = true;
        result.error = errno;
      }
      return result;
    }
  }
}

IoResult RawTransportSocket::write(Buffer& buffer, bool end_stream) {
  const int fd = callbacks_->fd();
  IoResult result;
  while (!buffer.empty()) {
    const ssize_t sent = buffer.writeTo(fd);
    if (sent >= 0) {
      result.bytes += sent;
    } else if (errno != EINTR) {
      if (errno != EAGAIN) {
        result.close = true;
        result.error = errno;
      }
      return result;
    }
  }
  if (end_stream) {
    ::shutdown(fd, SHUT_WR);
  }
  return result;
}

}  // namespace sluice::net
