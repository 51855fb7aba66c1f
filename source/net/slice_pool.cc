#include "source/net/slice_pool.h"

#include <new>

namespace sluice::net::slice_pool {
namespace {

/** Plain data, so that looking at it costs no guard; `Release` below frees the list when the thread ends. */
struct FreeList {
  Slice* first;
  size_t count;
  /** Taken less given back by this thread. */
  int64_t held;
  bool watched;
  bool ended;
};

constinit thread_local FreeList free_list{};

struct Release {
  Release() { free_list.watched = true; }
  ~Release() {
    free_list.ended = true;
    while (free_list.first != nullptr) {
      Slice* slice = free_list.first;
      free_list.first = slice->next;
      ::operator delete(slice);
    }
    free_list.count = 0;
  }
};

void watchThread() { thread_local Release release; }

}  // namespace

Slice* take(uint32_t capacity) {
  FreeList& list = free_list;
  ++list.held;
  if (capacity <= kSliceCapacity) {
    capacity = kSliceCapacity;
    if (list.first != nullptr) {
      Slice* slice = list.first;
      list.first = slice->next;
      --list.count;
      slice->next = nullptr;
      slice->begin = slice->end = 0;
      return slice;
    }
  }
  auto* slice = new (::operator new(sizeof(Slice) + capacity)) Slice;
  slice->capacity = capacity;
  return slice;
}

void giveBack(Slice* slice) {
  FreeList& list = free_list;
  --list.held;
  // A buffer may outlive the list when its thread ends (a static's, say).
  if (slice->capacity != kSliceCapacity || list.count >= kMaxKept || list.ended) {
    ::operator delete(slice);
    return;
  }
  if (!list.watched) [[unlikely]] {
    watchThread();
  }
  slice->next = list.first;
  list.first = slice;
  ++list.count;
}

size_t kept() { return free_list.count; }
int64_t held() { return free_list.held; }

}  // namespace sluice::net::slice_pool
