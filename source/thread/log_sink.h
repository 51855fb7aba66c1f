#pragma once

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace sluice::thread {

/**
 * The descriptor of a file that is only appended to, and that never makes its thread wait for a reader: writing to a pipe,
 * FIFO, terminal or socket that takes no more says so instead. Owns the descriptor. One thread at a time.
 */
class LogSink {
 public:
  /**
   * Creates the file (0644) if it is not there. A FIFO needs no reader yet. "/dev/stdout" and "/dev/stderr" work whatever
   * stands behind them, sockets too. The error names the path and what the system said.
   */
  static absl::StatusOr<LogSink> open(const std::string& path);

  LogSink(LogSink&& other) noexcept;
  LogSink& operator=(LogSink&& other) noexcept;
  ~LogSink();

  /** The number of bytes taken, perhaps not all; -1 with errno, which is EAGAIN if it would have waited. */
  ssize_t write(const char* data, size_t size);
  int fd() const { return fd_; }

 private:
  LogSink(int fd, bool shared);

  int fd_;
  /** The open file is another's too (a duplicate), so it cannot be made non-blocking. */
  bool shared_;
  bool socket_;
};

}  // namespace sluice::thread
