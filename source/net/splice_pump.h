#pragma once

#include <cstddef>
#include <cstdint>

namespace sluice::net {

/** A kernel pipe and how many bytes are inside. Plain; owned by the connection that it leads to while it is lent. */
struct SplicePipe {
  SplicePipe* next = nullptr;
  int read_fd = -1;
  int write_fd = -1;
  uint64_t level = 0;
};

/**
 * The calling thread's pipes. One is lent only while bytes are inside it, so a few serve thousands of connections; how
 * many may be out is bounded, as each takes two descriptors.
 */
namespace pipe_pool {

inline constexpr size_t kMaxKept = 8;
inline constexpr size_t kMaxLent = 1024;

/** Null when too many are out or the descriptors are used up: the bytes then go through buffers. */
SplicePipe* borrow();
/** One that still holds bytes is closed: they were lost with their connection. */
void giveBack(SplicePipe* pipe);

/** For tests. */
size_t lent();

}  // namespace pipe_pool

/** As splice(2), non-blocking, until something moved, EINTR aside; keeps `level`. Returns its result, errno kept. */
int64_t fillPipe(SplicePipe& pipe, int from_fd, uint64_t most);
int64_t drainPipe(SplicePipe& pipe, int to_fd);

}  // namespace sluice::net
