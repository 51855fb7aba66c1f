// Preloaded into the program: counts its calls to the global allocator where the test that started it can read them.

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace {

using Malloc = void* (*)(size_t);

/** The first page of the file that ALLOCATION_COUNT names. */
std::atomic<uint64_t>* sharedCount() {
  const char* const path = std::getenv("ALLOCATION_COUNT");
  const int file = path == nullptr ? -1 : open(path, O_RDWR);
  void* const page = mmap(nullptr, sizeof(uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  return page == MAP_FAILED ? nullptr : static_cast<std::atomic<uint64_t>*>(page);
}

void* countedMalloc(size_t bytes) {
  static const Malloc real = reinterpret_cast<Malloc>(dlsym(RTLD_NEXT, "malloc"));
  static std::atomic<uint64_t>* const count = sharedCount();
  if (count != nullptr) {
    count->fetch_add(1, std::memory_order_relaxed);
  }
  return real(bytes);
}

}  // namespace

extern "C" void* malloc(size_t bytes) { return countedMalloc(bytes); }
void* operator new(size_t bytes) { return countedMalloc(bytes); }
void* operator new[](size_t bytes) { return countedMalloc(bytes); }
