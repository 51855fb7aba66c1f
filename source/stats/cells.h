#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace sluice::stats {

using CellIndex = uint32_t;
/** Counted into by every handle that names nothing; nobody reads it. */
inline constexpr CellIndex kNullCell = 0;

using HistogramIndex = uint32_t;
inline constexpr HistogramIndex kNullHistogram = 0;

/**
 * The numbers behind counters and gauges. Each thread has a cell of its own for each number and is its only writer, so
 * adding is a relaxed load and store; a reader on any thread sums over the threads. Cells live in chunks that a thread
 * makes when it first writes to one and that never move; a number that no worker counts costs no worker memory. A thread
 * that ends has its cells folded into a retired total.
 *
 * A cell holds its value modulo 2^63, and in the top bit whether it was ever written: a gauge that went up and down
 * again is in use, though it reads 0.
 *
 * The table of a thread's chunks is address space for all chunks there may be, so that finding a cell takes one look-up
 * and no bounds check. Who hands out the indices, and reads: cell_registry.h.
 */
namespace detail {

inline constexpr uint32_t kCellsPerChunkBits = 4;
inline constexpr uint32_t kCellsPerChunk = 1u << kCellsPerChunkBits;
inline constexpr uint64_t kTouched = uint64_t{1} << 63;

struct alignas(64) CellChunk {
  std::atomic<uint64_t> cells[kCellsPerChunk];
};

extern constinit thread_local std::atomic<CellChunk*>* cell_table;

/** Makes the calling thread's table or chunk. Null once the thread's cells have been folded: it is about to end. */
CellChunk* makeChunk(CellIndex index);

/** For a thread that is past its end. */
void addToRetired(CellIndex index, uint64_t amount);

inline std::atomic<uint64_t>* cell(CellIndex index) {
  // Only this thread stores to its table, so it needs no ordering to read its own pointers.
  CellChunk* chunk = cell_table[index >> kCellsPerChunkBits].load(std::memory_order_relaxed);
  if (chunk == nullptr) [[unlikely]] {
    chunk = makeChunk(index);
    if (chunk == nullptr) {
      return nullptr;
    }
  }
  return &chunk->cells[index & (kCellsPerChunk - 1)];
}

}  // namespace detail

inline void addToCell(CellIndex index, uint64_t amount) {
  std::atomic<uint64_t>* cell = detail::cell(index);
  if (cell == nullptr) [[unlikely]] {
    detail::addToRetired(index, amount);
    return;
  }
  cell->store((cell->load(std::memory_order_relaxed) + amount) | detail::kTouched, std::memory_order_relaxed);
}

/** Replaces the calling thread's part. */
inline void setCell(CellIndex index, uint64_t value) {
  std::atomic<uint64_t>* cell = detail::cell(index);
  if (cell == nullptr) [[unlikely]] {
    return;
  }
  cell->store(value | detail::kTouched, std::memory_order_relaxed);
}

/** Counts the value into the calling thread's buckets of this histogram. */
void recordValue(HistogramIndex index, uint64_t value);

}  // namespace sluice::stats
