#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <type_traits>
#include <utility>

#include "absl/strings/string_view.h"

namespace sluice::base {

/**
 * Memory that is freed all at once: that of one HTTP stream. Blocks come from the thread's free list, so that in steady
 * state nothing is asked of the allocator. One thread; objects are destroyed in reverse order of making with reset() or
 * the arena.
 */
class Arena {
 public:
  Arena() = default;
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  ~Arena() { reset(); }

  /** Uninitialised; `alignment` at most that of max_align_t. More than a block's worth gets an allocation of its own. */
  void* allocate(size_t size, size_t alignment = alignof(std::max_align_t)) {
    const uintptr_t at = (reinterpret_cast<uintptr_t>(next_) + alignment - 1) & ~(alignment - 1);
    if (next_ == nullptr || at + size > reinterpret_cast<uintptr_t>(end_)) {
      return allocateSlow(size, alignment);
    }
    next_ = reinterpret_cast<char*>(at + size);
    return reinterpret_cast<void*>(at);
  }

  /** Never null data. */
  absl::string_view copy(absl::string_view text) {
    if (text.empty()) {
      return {"", 0};
    }
    char* to = static_cast<char*>(allocate(text.size(), 1));
    std::memcpy(to, text.data(), text.size());
    return {to, text.size()};
  }

  /** An object that the arena destroys. */
  template <class T, class... Args>
  T* make(Args&&... args) {
    if constexpr (std::is_trivially_destructible_v<T>) {
      return new (allocate(sizeof(T), alignof(T))) T(std::forward<Args>(args)...);
    } else {
      auto* cleanup = static_cast<Cleanup*>(allocate(sizeof(Cleanup), alignof(Cleanup)));
      T* object = new (allocate(sizeof(T), alignof(T))) T(std::forward<Args>(args)...);
      cleanup->object = object;
      cleanup->destroy = [](void* dying) { static_cast<T*>(dying)->~T(); };
      cleanup->next = cleanups_;
      cleanups_ = cleanup;
      return object;
    }
  }

  /** Destroys all objects and gives the memory back. */
  void reset();

  /** Bytes in blocks, for limits and tests. */
  size_t footprint() const { return footprint_; }

 private:
  struct Block {
    Block* next;
    size_t size;
  };
  struct Cleanup {
    void* object;
    void (*destroy)(void*);
    Cleanup* next;
  };

  void* allocateSlow(size_t size, size_t alignment);

  char* next_ = nullptr;
  char* end_ = nullptr;
  Block* blocks_ = nullptr;
  Cleanup* cleanups_ = nullptr;
  size_t footprint_ = 0;
};

}  // namespace sluice::base
