#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "source/stats/stats.h"
#include "source/thread/log_file.h"

namespace sluice::thread {

/**
 * The thread that writes log files. It writes what the other threads handed over (LogFile) every flush interval, sooner
 * where a buffer fills, and waits for no file: one that takes no more is tried again when it is writable, while the
 * others go on. A disk that hangs is the exception: the kernel knows no writing to disk that does not wait.
 *
 * Made and owned by main; it outlives everyone who holds one of its files.
 */
class FileWriter {
 public:
  struct Options {
    std::chrono::milliseconds flush_interval{10000};
    LogFile::Limits limits;
    /** How long stop() waits for files that take no more. */
    std::chrono::milliseconds last_wait{500};
  };

  /** `root` is the scope without prefix. The thread starts with the first file. */
  FileWriter(stats::Scope& root, Options options);
  /** stop()s. */
  ~FileWriter();

  /**
   * Opens a file for appending; a path that is open already gives the same LogFile. On main. The error names the path and
   * what the system said.
   */
  absl::StatusOr<std::shared_ptr<LogFile>> open(absl::string_view path);

  /** Has every file opened anew, as after a rotation (SIGUSR1). Returns at once. Any thread. */
  void reopenAll();

  /** Returns when all that was written before has been written out, as far as the files take it. Any thread but its own. */
  void flush();

  /** Writes everything out and ends the thread. What a file does not take within the last wait is lost. On main. */
  void stop();

 private:
  void run();
  /** One pass over the files. */
  void pass(bool timer, bool all, bool reopen);
  /** Closes files that nobody holds any more, once they are written out. */
  void closeUnused();
  /** Until there is something to do: a wake, a blocked file that is writable, or the flush interval's end. */
  void waitUntil(std::chrono::steady_clock::time_point deadline);
  void finishBlocked();

  const Options options_;
  const stats::ScopePtr scope_;
  const FileStats stats_;
  const WriterWake wake_;

  /** Guards what follows: main opens files while the thread goes over them. */
  std::mutex mutex_;
  std::condition_variable passed_;
  std::vector<std::shared_ptr<LogFile>> files_;
  uint64_t flushes_asked_ = 0;
  uint64_t flushes_done_ = 0;
  bool reopen_asked_ = false;
  bool stopping_ = false;
  bool stopped_ = false;

  /** The thread's own: the files of its pass. */
  std::vector<std::shared_ptr<LogFile>> current_;
  std::thread thread_;
};

}  // namespace sluice::thread
