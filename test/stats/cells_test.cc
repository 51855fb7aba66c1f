#include "source/stats/cells.h"

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "source/stats/cell_registry.h"
#include "source/stats/stats.h"

namespace sluice::stats {
namespace {

CellRegistry& registry() { return CellRegistry::get(); }

/** Runs each function in turn on one other thread, which lives until this is destroyed. */
class OtherThread {
 public:
  OtherThread()
      : thread_([this] {
          std::unique_lock<std::mutex> lock(mutex_);
          while (true) {
            changed_.wait(lock, [this] { return task_ != nullptr || done_; });
            if (task_ == nullptr) {
              return;
            }
            task_();
            task_ = nullptr;
            changed_.notify_all();
          }
        }) {}
  ~OtherThread() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      done_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }
  void run(std::function<void()> task) {
    std::unique_lock<std::mutex> lock(mutex_);
    task_ = std::move(task);
    changed_.notify_all();
    changed_.wait(lock, [this] { return task_ == nullptr; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::function<void()> task_;
  bool done_ = false;
  std::thread thread_;
};

TEST(Cells, SumOverThreadsThatLiveAndThatEnded) {
  const CellIndex cell = registry().allocateChunk() + 3;
  const Counter counter(cell);
  counter.add(5);
  OtherThread other;
  other.run([&] { counter.add(7); });
  std::thread([&] { counter.add(100); }).join();
  EXPECT_EQ(registry().read(cell).value, 112u);
  EXPECT_EQ(registry().read(cell + 1).value, 0u);
  EXPECT_FALSE(registry().read(cell + 1).used);
}

TEST(Cells, GaugeThatReturnsToZeroWasUsed) {
  const CellIndex cell = registry().allocateChunk();
  const Gauge gauge(cell);
  EXPECT_FALSE(registry().read(cell).used);
  gauge.inc();
  // What one thread counts up another may count down.
  std::thread([&] { gauge.dec(); }).join();
  EXPECT_EQ(registry().read(cell).value, 0u);
  EXPECT_TRUE(registry().read(cell).used);
}

TEST(Cells, SetReplacesTheThreadsOwnPart) {
  const CellIndex cell = registry().allocateChunk();
  const Gauge gauge(cell);
  gauge.set(10);
  gauge.set(4);
  EXPECT_EQ(registry().read(cell).value, 4u);
  gauge.set(0);
  EXPECT_EQ(registry().read(cell).value, 0u);
  EXPECT_TRUE(registry().read(cell).used);
}

TEST(Cells, NullHandlesCountNowhere) {
  Counter().add(3);
  Gauge().dec();
  Histogram().record(5);
  const CellIndex cell = registry().allocateChunk();
  EXPECT_NE(cell, kNullCell);
  EXPECT_EQ(registry().read(cell).value, 0u);
}

TEST(Cells, AChunkComesBackZeroedInEveryThread) {
  const CellIndex first = registry().allocateChunk();
  OtherThread other;
  other.run([&] { Counter(first + 2).add(7); });
  Counter(first + 2).add(1);
  std::thread([&] { Counter(first + 2).add(2); }).join();
  registry().freeChunk(first);
  // The free list hands out the oldest first; other tests may have given some back as well.
  CellIndex again = kNullCell;
  std::vector<CellIndex> taken;
  while (again != first) {
    again = registry().allocateChunk();
    taken.push_back(again);
  }
  EXPECT_EQ(registry().read(first + 2).value, 0u);
  EXPECT_FALSE(registry().read(first + 2).used);
  other.run([&] { Counter(first + 2).inc(); });
  EXPECT_EQ(registry().read(first + 2).value, 1u);
}

TEST(Cells, BaselineHidesWhatCameBefore) {
  const CellIndex cell = registry().allocateChunk();
  const Counter counter(cell);
  counter.add(10);
  registry().moveBaseline({cell});
  EXPECT_EQ(registry().read(cell).value, 0u);
  counter.add(3);
  EXPECT_EQ(registry().read(cell).value, 3u);
  registry().moveBaseline({cell});
  EXPECT_EQ(registry().read(cell).value, 0u);
}

// Objects with destructors that run after the thread's own cells have been folded.
TEST(Cells, CountsOfAnEndingThreadAreKept) {
  const CellIndex cell = registry().allocateChunk();
  const HistogramIndex histogram = registry().allocateHistogram();
  struct CountsLast {
    CellIndex cell = kNullCell;
    HistogramIndex histogram = kNullHistogram;
    ~CountsLast() {
      Counter(cell).add(5);
      Histogram(histogram).record(9);
    }
  };
  std::thread([&] {
    // Made before the thread first counts, so destroyed after its cells.
    static thread_local CountsLast last;
    last.cell = cell;
    last.histogram = histogram;
    Counter(cell).inc();
    Histogram(histogram).record(1);
  }).join();
  EXPECT_EQ(registry().read(cell).value, 6u);
  EXPECT_EQ(registry().readHistogram(histogram).count, 2u);
  EXPECT_EQ(registry().readHistogram(histogram).sum, 10u);
}

TEST(Cells, HistogramMergesThreads) {
  const HistogramIndex index = registry().allocateHistogram();
  const Histogram histogram(index);
  EXPECT_TRUE(registry().readHistogram(index).empty());
  for (uint64_t value = 0; value < 1000; ++value) {
    histogram.record(value);
  }
  std::thread([&] { histogram.record(1000000); }).join();
  OtherThread other;
  other.run([&] { histogram.record(7); });
  const HistogramData data = registry().readHistogram(index);
  EXPECT_EQ(data.count, 1002u);
  EXPECT_EQ(data.sum, 999u * 1000 / 2 + 1000000 + 7);
  EXPECT_EQ(data.countUpTo(9), 11u);
  registry().freeHistogram(index);
  HistogramIndex again = kNullHistogram;
  while (again != index) {
    again = registry().allocateHistogram();
  }
  EXPECT_TRUE(registry().readHistogram(index).empty());
}

// Nothing to see but for ThreadSanitizer, and that no count is lost.
TEST(Cells, ReadersAndThreadsThatComeAndGo) {
  const CellIndex chunk = registry().allocateChunk();
  const HistogramIndex histogram = registry().allocateHistogram();
  std::atomic<bool> stop{false};
  std::thread reader([&] {
    while (!stop.load()) {
      uint64_t total = 0;
      for (uint32_t i = 0; i < detail::kCellsPerChunk; ++i) {
        total += registry().read(chunk + i).value;
      }
      ASSERT_LE(total, 40u * 500);
      registry().readHistogram(histogram);
      registry().freeChunk(registry().allocateChunk());
    }
  });
  for (int round = 0; round < 10; ++round) {
    std::vector<std::thread> workers;
    for (int i = 0; i < 4; ++i) {
      workers.emplace_back([&] {
        for (uint32_t n = 0; n < 500; ++n) {
          Counter(chunk + n % detail::kCellsPerChunk).inc();
          Histogram(histogram).record(n);
        }
      });
    }
    for (std::thread& worker : workers) {
      worker.join();
    }
  }
  stop = true;
  reader.join();
  uint64_t total = 0;
  for (uint32_t i = 0; i < detail::kCellsPerChunk; ++i) {
    total += registry().read(chunk + i).value;
  }
  EXPECT_EQ(total, 40u * 500);
  EXPECT_EQ(registry().readHistogram(histogram).count, 40u * 500);
}

}  // namespace
}  // namespace sluice::stats
