#include "source/base/arena.h"

#include <cstdlib>

namespace sluice::base {
namespace {

/** With its head a block is a size that allocators serve without waste; most requests need one. */
constexpr size_t kBlock = 8 * 1024;
constexpr size_t kMaxKept = 256;

/** The thread's free blocks of the common size. */
struct FreeBlocks {
  struct Free {
    Free* next;
  };
  ~FreeBlocks() {
    while (head != nullptr) {
      Free* block = head;
      head = block->next;
      std::free(block);
    }
  }
  void* take() {
    if (head == nullptr) {
      return std::malloc(kBlock);
    }
    --count;
    return std::exchange(head, head->next);
  }
  void giveBack(void* memory) {
    if (count == kMaxKept) {
      std::free(memory);
      return;
    }
    ++count;
    head = new (memory) Free{head};
  }

  Free* head = nullptr;
  size_t count = 0;
};

thread_local FreeBlocks free_blocks;

}  // namespace

void* Arena::allocateSlow(size_t size, size_t alignment) {
  static_assert(sizeof(Block) % alignof(std::max_align_t) == 0, "what follows a block's head is aligned");
  const bool large = size + alignment > (kBlock - sizeof(Block)) / 4;
  const size_t total = large ? sizeof(Block) + size : kBlock;
  void* memory = large ? std::malloc(total) : free_blocks.take();
  if (memory == nullptr) {
    std::abort();
  }
  blocks_ = new (memory) Block{blocks_, total};
  footprint_ += total;
  char* start = reinterpret_cast<char*>(blocks_ + 1);
  if (large) {
    // The current block's rest stays in use: one large header must not waste it.
    return start;
  }
  next_ = start + size;
  end_ = static_cast<char*>(memory) + total;
  return start;
}

void Arena::reset() {
  while (cleanups_ != nullptr) {
    Cleanup* last = cleanups_;
    cleanups_ = last->next;
    last->destroy(last->object);
  }
  while (blocks_ != nullptr) {
    Block* block = blocks_;
    blocks_ = block->next;
    if (block->size == kBlock) {
      free_blocks.giveBack(block);
    } else {
      std::free(block);
    }
  }
  next_ = end_ = nullptr;
  footprint_ = 0;
}

}  // namespace sluice::base
