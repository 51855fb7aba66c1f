#include "source/http/http2_allocator.h"

#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace sluice::http {
namespace {

/** Before each block; keeps what follows aligned for anything. */
struct alignas(std::max_align_t) BlockHead {
  BlockHead* next;
  uint32_t size_class;
};

constexpr uint32_t kSmallest = 6;
constexpr uint32_t kClasses = 10;
/** A size beyond the largest class is the global heap's matter: no stream needs one. */
constexpr uint32_t kNoClass = kClasses;
constexpr size_t kMaxKeptPerClass = 256 * 1024;

constexpr size_t sizeOf(uint32_t size_class) { return size_t{1} << (kSmallest + size_class); }

uint32_t classOf(size_t size) {
  if (size <= sizeOf(0)) {
    return 0;
  }
  const uint32_t bits = 64 - static_cast<uint32_t>(__builtin_clzll(size - 1));
  return bits - kSmallest < kClasses ? bits - kSmallest : kNoClass;
}

struct FreeLists {
  ~FreeLists() {
    for (BlockHead*& list : lists) {
      while (list != nullptr) {
        BlockHead* next = list->next;
        std::free(list);
        list = next;
      }
    }
    // What is given back while the thread's other objects die goes to the heap.
    for (size_t& bytes : kept) {
      bytes = kMaxKeptPerClass;
    }
  }
  BlockHead* lists[kClasses] = {};
  size_t kept[kClasses] = {};
  size_t misses = 0;
};

thread_local FreeLists free_lists;

void* allocate(size_t size, void*) {
  FreeLists& lists = free_lists;
  const uint32_t size_class = classOf(size);
  if (size_class != kNoClass && lists.lists[size_class] != nullptr) {
    BlockHead* block = lists.lists[size_class];
    lists.lists[size_class] = block->next;
    lists.kept[size_class] -= sizeOf(size_class);
    return block + 1;
  }
  ++lists.misses;
  auto* block =
      static_cast<BlockHead*>(std::malloc(sizeof(BlockHead) + (size_class == kNoClass ? size : sizeOf(size_class))));
  if (block == nullptr) {
    return nullptr;
  }
  block->size_class = size_class;
  return block + 1;
}

void release(void* memory, void*) {
  if (memory == nullptr) {
    return;
  }
  BlockHead* block = static_cast<BlockHead*>(memory) - 1;
  FreeLists& lists = free_lists;
  const uint32_t size_class = block->size_class;
  if (size_class == kNoClass || lists.kept[size_class] + sizeOf(size_class) > kMaxKeptPerClass) {
    std::free(block);
    return;
  }
  block->next = lists.lists[size_class];
  lists.lists[size_class] = block;
  lists.kept[size_class] += sizeOf(size_class);
}

void* allocateZeroed(size_t count, size_t size, void* user) {
  if (size != 0 && count > SIZE_MAX / size) {
    return nullptr;
  }
  void* memory = allocate(count * size, user);
  return memory == nullptr ? nullptr : std::memset(memory, 0, count * size);
}

void* reallocate(void* memory, size_t size, void* user) {
  if (memory == nullptr) {
    return allocate(size, user);
  }
  BlockHead* block = static_cast<BlockHead*>(memory) - 1;
  const uint32_t size_class = block->size_class;
  if (size_class == kNoClass) {
    // Stays outside the classes even if it shrinks: its true size is not known here.
    auto* moved = static_cast<BlockHead*>(std::realloc(block, sizeof(BlockHead) + size));
    return moved == nullptr ? nullptr : moved + 1;
  }
  if (size <= sizeOf(size_class)) {
    return memory;
  }
  void* larger = allocate(size, user);
  if (larger != nullptr) {
    std::memcpy(larger, memory, sizeOf(size_class));
    release(memory, user);
  }
  return larger;
}

nghttp2_mem memory_functions = {nullptr, allocate, release, allocateZeroed, reallocate};

}  // namespace

nghttp2_mem* http2Memory() { return &memory_functions; }

size_t http2MemoryMisses() { return free_lists.misses; }

}  // namespace sluice::http
