#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

#include "source/net/slice_pool.h"

namespace sluice::net {

/**
 * Bytes as a chain of slices from the thread's pool (slice_pool.h). Moving between buffers moves slices and copies
 * only what is small and finds room in the last one, so that many small writes do not hold a slice each. An empty
 * buffer holds no slice: an idle connection costs none. A buffer stays on its thread.
 */
class Buffer {
 public:
  Buffer() = default;
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;
  ~Buffer();

  uint64_t length() const { return length_; }
  bool empty() const { return length_ == 0; }

  void append(absl::string_view bytes);
  /** Room for `size` bytes in one piece at the end; what is written there counts once commit() says how much it is. */
  char* reserve(uint32_t size);
  void commit(uint32_t size);
  /** The room at the end, `least` bytes or more of it, for commit() as above. */
  struct Room {
    char* data;
    uint32_t size;
  };
  Room room(uint32_t least);
  /** Takes all, or the first `length`, bytes of `other`. */
  void move(Buffer& other);
  void move(Buffer& other, uint64_t length);
  void prepend(absl::string_view bytes);
  void drain(uint64_t length);
  void clear() { drain(length_); }

  /** The first slice's bytes; empty only when the buffer is. */
  absl::string_view front() const;
  /** Makes the first `length` bytes contiguous and returns them; `length` is at most length(). */
  absl::string_view linearize(uint64_t length);
  /** Copies up to `length` bytes from `offset` on; returns how many. */
  uint64_t copyOut(uint64_t offset, uint64_t length, void* out) const;
  std::string toString() const;

  /** Calls visit(absl::string_view) for each slice in order. */
  template <class Visit>
  void forEachSlice(Visit&& visit) const;

  /**
   * One recv() of at most `max` bytes, or readv() where they need several slices. Returns what it returned; errno is
   * kept. `reserved` tells how much room was offered: less than that read means the socket is empty.
   */
  ssize_t readFrom(int fd, uint64_t max, uint64_t& reserved);
  /** One send() or sendmsg() of as much as fits, raising no SIGPIPE; drains what was written. */
  ssize_t writeTo(int fd);

 private:
  void pushBack(Slice* slice);
  void popFront();

  Slice* head_ = nullptr;
  Slice* tail_ = nullptr;
  uint64_t length_ = 0;
};

template <class Visit>
void Buffer::forEachSlice(Visit&& visit) const {
  for (const Slice* slice = head_; slice != nullptr; slice = slice->next) {
    visit(slice->bytes());
  }
}

}  // namespace sluice::net
