#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "absl/types/span.h"

#include "source/stats/cells.h"
#include "source/stats/histogram_data.h"

namespace sluice::stats {

class ThreadCells;

/**
 * The readers' and givers' side of the cells: hands out indices, sums over the threads, forgets. Process-wide, since a
 * thread's cells are; never destroyed. Any thread.
 *
 * Cells come in chunks: the statistics of one scope share chunks with nobody else, so that a thread that never counts
 * for a cluster keeps no memory for it. A chunk or histogram that is given back is zeroed in every thread when it is
 * given out anew. Its former handles have no users by then (stats.h: a scope outlives the use of its handles), and who
 * gets a new handle gets it in a message from main, so that the zeroes are there before the first count.
 */
class CellRegistry {
 public:
  static CellRegistry& get();

  struct Value {
    uint64_t value = 0;
    bool used = false;
  };

  /** The first cell of a chunk of detail::kCellsPerChunk zeroed ones; kNullCell once the address space is used up. */
  CellIndex allocateChunk();
  void freeChunk(CellIndex first);
  /** Zeroes one cell for its next use within its chunk. */
  void clearCell(CellIndex index);

  Value read(CellIndex index);
  void read(absl::Span<const CellIndex> indices, Value* values);
  /** Reads of this cell count from its present value on. */
  void moveBaseline(absl::Span<const CellIndex> indices);

  /** kNullHistogram once the address space is used up. */
  HistogramIndex allocateHistogram();
  void freeHistogram(HistogramIndex index);
  HistogramData readHistogram(HistogramIndex index);

  /** For a thread whose own cells have gone already, as its last objects are destroyed. */
  void addToRetired(CellIndex index, uint64_t amount);
  void recordToRetired(HistogramIndex index, uint64_t value);

 private:
  friend class ThreadCells;

  CellRegistry();
  /** Of one thread that begins or ends. */
  void addThread(ThreadCells* cells);
  void foldThread(ThreadCells* cells);
  Value readLocked(CellIndex index) const;

  // Data path never takes this lock. It is held for a few cells at a time by whoever reads, and by a thread that begins
  // or ends, whose tables must not go while they are read; there is no one thread to post to that all of these share.
  std::mutex mutex_;
  std::vector<ThreadCells*> threads_;
  // What threads that have ended counted, and the values at the last reset.
  std::unique_ptr<ThreadCells> retired_;
  std::unique_ptr<ThreadCells> baseline_;

  // First freed, first used again: as late as possible.
  std::deque<uint32_t> free_chunks_;
  std::deque<HistogramIndex> free_histograms_;
  uint32_t next_chunk_ = 1;  // Chunk 0 holds the null cell.
  HistogramIndex next_histogram_ = 1;
};

}  // namespace sluice::stats
