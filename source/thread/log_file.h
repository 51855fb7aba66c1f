#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "absl/strings/string_view.h"

#include "source/stats/stats.h"
#include "source/thread/log_sink.h"

namespace sluice::thread {

/** Envoy's `filesystem.` statistics, and how many lines were dropped because their file took no more. */
struct FileStats {
  explicit FileStats(stats::Scope& filesystem);

  stats::Counter flushed_by_timer;
  stats::Counter reopen_failed;
  stats::Counter write_buffered;
  stats::Counter write_completed;
  stats::Counter write_failed;
  stats::Counter write_dropped;
  stats::Gauge write_total_buffered;
};

/** An eventfd that wakes the file writer's thread. Any thread. */
class WriterWake {
 public:
  WriterWake();
  WriterWake(const WriterWake&) = delete;
  WriterWake& operator=(const WriterWake&) = delete;
  ~WriterWake();

  void wake() const;
  void clear() const;
  int fd() const { return fd_; }

 private:
  const int fd_;
};

/**
 * A file that lines are appended to from any thread. Each thread fills a buffer of its own, which the file writer's thread
 * swaps for an empty one and writes out; a thread never waits for the file, and drops lines once its buffer is full.
 * Made by FileWriter::open(), shared by those who write to it; goes before the FileWriter.
 */
class LogFile {
 public:
  struct Limits {
    /** A buffer this full is written out before the flush interval ends. */
    size_t flush_threshold = 64 * 1024;
    /** A line that would make its thread's buffer larger than this is dropped and counted. */
    size_t buffer_limit = 1024 * 1024;
  };

  LogFile(std::string path, LogSink sink, Limits limits, const FileStats& stats, const WriterWake& wake);
  LogFile(const LogFile&) = delete;
  LogFile& operator=(const LogFile&) = delete;
  ~LogFile();

  const std::string& path() const { return path_; }

  /** Appends all of `data` or nothing. Lines of one thread stay in order. */
  void write(absl::string_view data);

  // The file writer's thread.

  /**
   * Takes what the threads have written and writes it out, as far as the file takes it without waiting. False if there
   * was nothing to write.
   */
  bool drain();
  /** The file took less than there is: worth another drain() when fd() is writable. */
  bool blocked() const { return blocked_; }
  int fd() const { return sink_.fd(); }
  /** Nothing waits in any buffer. */
  bool empty();
  /** Whether a thread's buffer has passed the flush threshold. */
  bool wantsDrain();
  /** Opens the path anew, as after a rotation; on failure goes on with the old file. */
  void reopen();
  /** Gives up what the file has not taken. */
  void discard();

 private:
  /** One thread's two buffers. Threads share one only if there are more of them than buffers. */
  struct alignas(64) Buffers {
    /** Guards `filling` and `asked`. The writer holds it for a swap of two strings; posting would cost each line more. */
    std::mutex mutex;
    std::string filling;
    bool asked = false;
    /** The file writer's: what it took, and how much of that is written. */
    std::string draining;
    size_t drained = 0;
  };
  static constexpr size_t kBuffers = 32;

  /** False if the file blocks. */
  bool drainOne(Buffers& buffers, bool& any);
  void finish(Buffers& buffers);

  const std::string path_;
  LogSink sink_;
  const Limits limits_;
  const FileStats& stats_;
  const WriterWake& wake_;
  std::array<Buffers, kBuffers> buffers_;
  bool blocked_ = false;
  bool failing_ = false;
};

}  // namespace sluice::thread
