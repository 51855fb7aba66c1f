#include "source/stats/cell_registry.h"

#include <algorithm>

#include "source/base/logging.h"
#include "source/stats/thread_cells.h"

namespace sluice::stats {
namespace {

constexpr uint32_t kLimit = PointerTable<ThreadHistogram>::kSize;
constexpr uint64_t kValueMask = detail::kTouched - 1;

}  // namespace

CellRegistry& CellRegistry::get() {
  // Never destroyed: threads end, and count, until the very end of the process.
  static CellRegistry* registry = new CellRegistry();
  return *registry;
}

CellRegistry::CellRegistry() : retired_(std::make_unique<ThreadCells>()), baseline_(std::make_unique<ThreadCells>()) {}

void CellRegistry::addThread(ThreadCells* cells) {
  const std::lock_guard<std::mutex> lock(mutex_);
  threads_.push_back(cells);
}

void CellRegistry::foldThread(ThreadCells* cells) {
  const std::lock_guard<std::mutex> lock(mutex_);
  cells->foldInto(*retired_);
  threads_.erase(std::find(threads_.begin(), threads_.end(), cells));
}

CellIndex CellRegistry::allocateChunk() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (free_chunks_.empty()) {
    if (next_chunk_ < kLimit) {
      return next_chunk_++ << detail::kCellsPerChunkBits;
    }
    LOG_ERROR(stats, "out of statistics: {} are in use; a new one counts nothing", kLimit * detail::kCellsPerChunk);
    return kNullCell;
  }
  const uint32_t chunk = free_chunks_.front();
  free_chunks_.pop_front();
  for (ThreadCells* thread : threads_) {
    thread->clearChunk(chunk);
  }
  retired_->clearChunk(chunk);
  baseline_->clearChunk(chunk);
  return chunk << detail::kCellsPerChunkBits;
}

void CellRegistry::freeChunk(CellIndex first) {
  const std::lock_guard<std::mutex> lock(mutex_);
  free_chunks_.push_back(first >> detail::kCellsPerChunkBits);
}

void CellRegistry::clearCell(CellIndex index) {
  const std::lock_guard<std::mutex> lock(mutex_);
  for (ThreadCells* thread : threads_) {
    thread->storeRaw(index, 0);
  }
  retired_->storeRaw(index, 0);
  baseline_->storeRaw(index, 0);
}

CellRegistry::Value CellRegistry::readLocked(CellIndex index) const {
  uint64_t sum = retired_->rawCell(index);
  uint64_t touched = sum;
  for (const ThreadCells* thread : threads_) {
    const uint64_t raw = thread->rawCell(index);
    sum += raw;
    touched |= raw;
  }
  return {(sum - baseline_->rawCell(index)) & kValueMask, (touched & detail::kTouched) != 0};
}

CellRegistry::Value CellRegistry::read(CellIndex index) {
  const std::lock_guard<std::mutex> lock(mutex_);
  return readLocked(index);
}

void CellRegistry::read(absl::Span<const CellIndex> indices, Value* values) {
  const std::lock_guard<std::mutex> lock(mutex_);
  for (const CellIndex index : indices) {
    *values++ = readLocked(index);
  }
}

void CellRegistry::moveBaseline(absl::Span<const CellIndex> indices) {
  const std::lock_guard<std::mutex> lock(mutex_);
  for (const CellIndex index : indices) {
    const uint64_t value = readLocked(index).value;
    if (value != 0) {
      baseline_->storeRaw(index, (baseline_->rawCell(index) + value) & kValueMask);
    }
  }
}

HistogramIndex CellRegistry::allocateHistogram() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (free_histograms_.empty()) {
    if (next_histogram_ < kLimit) {
      return next_histogram_++;
    }
    LOG_ERROR(stats, "out of histograms: {} are in use; a new one records nothing", kLimit);
    return kNullHistogram;
  }
  const HistogramIndex index = free_histograms_.front();
  free_histograms_.pop_front();
  for (ThreadCells* thread : threads_) {
    thread->clearHistogram(index);
  }
  retired_->clearHistogram(index);
  return index;
}

void CellRegistry::freeHistogram(HistogramIndex index) {
  if (index != kNullHistogram) {
    const std::lock_guard<std::mutex> lock(mutex_);
    free_histograms_.push_back(index);
  }
}

HistogramData CellRegistry::readHistogram(HistogramIndex index) {
  uint64_t counts[bins::kCount];
  HistogramData data;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    bool any = false;
    auto merge = [&](const ThreadHistogram* histogram) {
      if (histogram == nullptr) {
        return;
      }
      if (!any) {
        std::fill(std::begin(counts), std::end(counts), 0);
        any = true;
      }
      histogram->addTo(counts, data.sum);
    };
    merge(retired_->histogram(index));
    for (const ThreadCells* thread : threads_) {
      merge(thread->histogram(index));
    }
    if (!any) {
      return data;
    }
  }
  for (uint32_t bin = 0; bin < bins::kCount; ++bin) {
    if (counts[bin] != 0) {
      data.bins.push_back({static_cast<uint16_t>(bin), counts[bin]});
      data.count += counts[bin];
    }
  }
  return data;
}

void CellRegistry::addToRetired(CellIndex index, uint64_t amount) {
  const std::lock_guard<std::mutex> lock(mutex_);
  retired_->storeRaw(index, (retired_->rawCell(index) + amount) | detail::kTouched);
}

void CellRegistry::recordToRetired(HistogramIndex index, uint64_t value) {
  const std::lock_guard<std::mutex> lock(mutex_);
  retired_->makeHistogram(index)->record(value);
}

}  // namespace sluice::stats
