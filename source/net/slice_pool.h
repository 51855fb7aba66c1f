#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"

namespace sluice::net {

/** A piece of memory that a buffer holds bytes in, between `begin` and `end`. */
struct Slice {
  Slice* next = nullptr;
  uint32_t begin = 0;
  uint32_t end = 0;
  uint32_t capacity = 0;

  char* data() { return reinterpret_cast<char*>(this + 1); }
  const char* data() const { return reinterpret_cast<const char*>(this + 1); }
  uint32_t size() const { return end - begin; }
  uint32_t room() const { return capacity - end; }
  absl::string_view bytes() const { return {data() + begin, size()}; }
};

/** With its head a slice is a size that allocators serve without waste. */
inline constexpr uint32_t kSliceAllocation = 16 * 1024;
inline constexpr uint32_t kSliceCapacity = kSliceAllocation - sizeof(Slice);

/**
 * The calling thread's free slices. In steady state slices go round between sockets and this list, and the allocator is
 * not asked. What is kept is bounded: a burst gives its memory back.
 */
namespace slice_pool {

inline constexpr size_t kMaxKept = 128;

/** An empty slice with at least `capacity`; only slices of the common capacity are pooled. */
Slice* take(uint32_t capacity = kSliceCapacity);
void giveBack(Slice* slice);

/** For tests and memory accounts: free slices of this thread, and those that its buffers hold. */
size_t kept();
int64_t held();

}  // namespace slice_pool
}  // namespace sluice::net
