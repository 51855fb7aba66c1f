#include "source/stats/thread_cells.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>

#include "source/base/assert.h"
#include "source/stats/cell_registry.h"

namespace sluice::stats {
namespace {

// All null and never written: what a thread looks into before it first counts, and again once it is ending. In .bss, so
// that it costs address space alone.
std::atomic<detail::CellChunk*> empty_cell_table[PointerTable<detail::CellChunk>::kSize];

constinit thread_local ThreadCells* this_thread = nullptr;
constinit thread_local bool this_thread_ended = false;

uint64_t add(uint64_t raw, uint64_t amount) { return (raw + amount) | detail::kTouched; }

}  // namespace

namespace detail {

constinit thread_local std::atomic<CellChunk*>* cell_table = empty_cell_table;

CellChunk* makeChunk(CellIndex index) {
  ThreadCells* cells = ThreadCells::ofThisThread();
  return cells == nullptr ? nullptr : cells->makeChunk(index >> kCellsPerChunkBits);
}

void addToRetired(CellIndex index, uint64_t amount) { CellRegistry::get().addToRetired(index, amount); }

}  // namespace detail

void recordValue(HistogramIndex index, uint64_t value) {
  if (index == kNullHistogram) {
    return;
  }
  ThreadCells* cells = this_thread != nullptr ? this_thread : ThreadCells::ofThisThread();
  if (cells == nullptr) [[unlikely]] {
    CellRegistry::get().recordToRetired(index, value);
    return;
  }
  cells->makeHistogram(index)->record(value);
}

ThreadHistogram::~ThreadHistogram() {
  for (std::atomic<Block*>& list : lists_) {
    Block* block = list.load(std::memory_order_relaxed);
    while (block != nullptr) {
      Block* next = block->next.load(std::memory_order_relaxed);
      delete block;
      block = next;
    }
  }
}

void ThreadHistogram::add(uint32_t bin, uint64_t count, uint64_t sum) {
  const uint32_t group = bin / bins::kPerGroup;
  std::atomic<Block*>* link = &lists_[group % kLists];
  Block* block = link->load(std::memory_order_relaxed);
  while (block != nullptr && block->group != group) {
    link = &block->next;
    block = link->load(std::memory_order_relaxed);
  }
  if (block == nullptr) {
    block = new Block{};
    block->group = group;
    // Release: a reader that finds the block finds it whole.
    link->store(block, std::memory_order_release);
  }
  std::atomic<uint64_t>& cell = block->counts[bin % bins::kPerGroup];
  cell.store(cell.load(std::memory_order_relaxed) + count, std::memory_order_relaxed);
  sum_.store(sum_.load(std::memory_order_relaxed) + sum, std::memory_order_relaxed);
}

void ThreadHistogram::addTo(uint64_t* counts, uint64_t& sum) const {
  for (const std::atomic<Block*>& list : lists_) {
    for (const Block* block = list.load(std::memory_order_acquire); block != nullptr;
         block = block->next.load(std::memory_order_acquire)) {
      for (uint32_t i = 0; i < bins::kPerGroup; ++i) {
        counts[block->group * bins::kPerGroup + i] += block->counts[i].load(std::memory_order_relaxed);
      }
    }
  }
  sum += sum_.load(std::memory_order_relaxed);
}

void ThreadHistogram::foldInto(ThreadHistogram& other) const {
  for (const std::atomic<Block*>& list : lists_) {
    for (const Block* block = list.load(std::memory_order_acquire); block != nullptr;
         block = block->next.load(std::memory_order_acquire)) {
      for (uint32_t i = 0; i < bins::kPerGroup; ++i) {
        const uint64_t count = block->counts[i].load(std::memory_order_relaxed);
        if (count != 0) {
          other.add(block->group * bins::kPerGroup + i, count, 0);
        }
      }
    }
  }
  other.add(0, 0, sum_.load(std::memory_order_relaxed));
}

void ThreadHistogram::clear() {
  for (std::atomic<Block*>& list : lists_) {
    for (Block* block = list.load(std::memory_order_acquire); block != nullptr;
         block = block->next.load(std::memory_order_acquire)) {
      for (std::atomic<uint64_t>& count : block->counts) {
        count.store(0, std::memory_order_relaxed);
      }
    }
  }
  sum_.store(0, std::memory_order_relaxed);
}

template <class T>
PointerTable<T>::PointerTable() {
  void* memory = ::mmap(nullptr, kSize * sizeof(std::atomic<T*>), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  SLUICE_CHECK(memory != MAP_FAILED, std::strerror(errno));
  table_ = static_cast<std::atomic<T*>*>(memory);
}

template <class T>
PointerTable<T>::~PointerTable() {
  ::munmap(table_, kSize * sizeof(std::atomic<T*>));
}

// The registry destroys tables, too.
template class PointerTable<detail::CellChunk>;
template class PointerTable<ThreadHistogram>;

ThreadCells* ThreadCells::ofThisThread() {
  // Folds this thread's cells when it ends. Objects that are destroyed after it count through addToRetired().
  struct AtThreadEnd {
    ~AtThreadEnd() {
      detail::cell_table = empty_cell_table;
      this_thread_ended = true;
      CellRegistry::get().foldThread(this_thread);
      delete this_thread;
      this_thread = nullptr;
    }
  };
  if (this_thread == nullptr && !this_thread_ended) {
    static thread_local AtThreadEnd at_thread_end;
    this_thread = new ThreadCells();
    CellRegistry::get().addThread(this_thread);
    detail::cell_table = this_thread->cellTable();
  }
  return this_thread;
}

detail::CellChunk* ThreadCells::makeChunk(uint32_t chunk) {
  // Its thread comes here for its table as well, and may then find the chunk there.
  detail::CellChunk* existing = chunks_.get(chunk);
  if (existing != nullptr) {
    return existing;
  }
  if (used_in_slab_ == kChunksPerSlab) {
    slabs_.push_back(std::make_unique<Slab>());
    used_in_slab_ = 0;
  }
  detail::CellChunk* made = &slabs_.back()->chunks[used_in_slab_++];
  made_chunks_.push_back(chunk);
  chunks_.set(chunk, made);
  return made;
}

ThreadHistogram* ThreadCells::makeHistogram(HistogramIndex index) {
  ThreadHistogram* histogram = histograms_.get(index);
  if (histogram == nullptr) [[unlikely]] {
    made_histograms_.emplace_back(index, std::make_unique<ThreadHistogram>());
    histogram = made_histograms_.back().second.get();
    histograms_.set(index, histogram);
  }
  return histogram;
}

uint64_t ThreadCells::rawCell(CellIndex index) const {
  const detail::CellChunk* chunk = chunks_.get(index >> detail::kCellsPerChunkBits);
  return chunk == nullptr ? 0 : chunk->cells[index & (detail::kCellsPerChunk - 1)].load(std::memory_order_relaxed);
}

void ThreadCells::storeRaw(CellIndex index, uint64_t raw) {
  const uint32_t number = index >> detail::kCellsPerChunkBits;
  detail::CellChunk* chunk = chunks_.get(number);
  if (chunk == nullptr) {
    if (raw == 0) {
      return;
    }
    chunk = makeChunk(number);
  }
  chunk->cells[index & (detail::kCellsPerChunk - 1)].store(raw, std::memory_order_relaxed);
}

void ThreadCells::clearChunk(uint32_t number) {
  detail::CellChunk* chunk = chunks_.get(number);
  if (chunk != nullptr) {
    for (std::atomic<uint64_t>& cell : chunk->cells) {
      cell.store(0, std::memory_order_relaxed);
    }
  }
}

void ThreadCells::clearHistogram(HistogramIndex index) {
  ThreadHistogram* histogram = histograms_.get(index);
  if (histogram != nullptr) {
    histogram->clear();
  }
}

void ThreadCells::foldInto(ThreadCells& other) const {
  for (const uint32_t number : made_chunks_) {
    const detail::CellChunk* chunk = chunks_.get(number);
    for (uint32_t i = 0; i < detail::kCellsPerChunk; ++i) {
      const uint64_t raw = chunk->cells[i].load(std::memory_order_relaxed);
      if (raw != 0) {
        const CellIndex index = (number << detail::kCellsPerChunkBits) + i;
        other.storeRaw(index, add(other.rawCell(index), raw));
      }
    }
  }
  for (const auto& [index, histogram] : made_histograms_) {
    histogram->foldInto(*other.makeHistogram(index));
  }
}

}  // namespace sluice::stats
