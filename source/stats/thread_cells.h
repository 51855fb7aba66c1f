#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "source/stats/cells.h"
#include "source/stats/histogram_data.h"

namespace sluice::stats {

/**
 * One thread's buckets of one histogram, written by it alone and read by any. Buckets come in blocks of ten neighbours
 * on eight short lists, made with first use: most histograms see a few blocks, and the whole range has 172.
 */
class ThreadHistogram {
 public:
  ThreadHistogram() = default;
  ThreadHistogram(const ThreadHistogram&) = delete;
  ThreadHistogram& operator=(const ThreadHistogram&) = delete;
  ~ThreadHistogram();

  void record(uint64_t value) { add(bins::ofValue(value), 1, value); }
  void add(uint32_t bin, uint64_t count, uint64_t sum);
  /** Adds its buckets to `counts`, of bins::kCount. */
  void addTo(uint64_t* counts, uint64_t& sum) const;
  void foldInto(ThreadHistogram& other) const;
  void clear();

 private:
  struct Block {
    uint32_t group;
    std::atomic<Block*> next;
    std::atomic<uint64_t> counts[bins::kPerGroup];
  };
  static constexpr uint32_t kLists = 8;

  std::atomic<Block*> lists_[kLists] = {};
  std::atomic<uint64_t> sum_{0};
};

/** The address space for pointers to all the chunks or histograms there may be; memory comes with use. */
template <class T>
class PointerTable {
 public:
  PointerTable();
  PointerTable(const PointerTable&) = delete;
  PointerTable& operator=(const PointerTable&) = delete;
  ~PointerTable();

  static constexpr uint32_t kSize = 1u << 20;

  T* get(uint32_t index) const { return table_[index].load(std::memory_order_acquire); }
  void set(uint32_t index, T* pointer) { table_[index].store(pointer, std::memory_order_release); }
  std::atomic<T*>* data() { return table_; }

 private:
  std::atomic<T*>* table_;
};

/**
 * All that one thread has counted; also what threads that have ended counted, and the values at the last reset. Written
 * by its thread alone (those last two: under the registry's lock), read by any under the lock, which keeps it alive.
 */
class ThreadCells {
 public:
  ThreadCells() = default;
  ThreadCells(const ThreadCells&) = delete;
  ThreadCells& operator=(const ThreadCells&) = delete;

  /** The calling thread's, made and registered at its first call. Null once the thread is ending. */
  static ThreadCells* ofThisThread();

  detail::CellChunk* makeChunk(uint32_t chunk);
  ThreadHistogram* makeHistogram(HistogramIndex index);

  /** The cell as it is stored, touched bit and all; 0 without its chunk. */
  uint64_t rawCell(CellIndex index) const;
  void storeRaw(CellIndex index, uint64_t raw);
  void clearChunk(uint32_t chunk);
  const ThreadHistogram* histogram(HistogramIndex index) const { return histograms_.get(index); }
  void clearHistogram(HistogramIndex index);
  void foldInto(ThreadCells& other) const;

  std::atomic<detail::CellChunk*>* cellTable() { return chunks_.data(); }

 private:
  static constexpr uint32_t kChunksPerSlab = 32;
  struct Slab {
    detail::CellChunk chunks[kChunksPerSlab];
  };

  PointerTable<detail::CellChunk> chunks_;
  PointerTable<ThreadHistogram> histograms_;
  std::vector<std::unique_ptr<Slab>> slabs_;
  uint32_t used_in_slab_ = kChunksPerSlab;
  std::vector<uint32_t> made_chunks_;
  // Owned here and not by the table, which leak checkers do not look into.
  std::vector<std::pair<HistogramIndex, std::unique_ptr<ThreadHistogram>>> made_histograms_;
};

}  // namespace sluice::stats
