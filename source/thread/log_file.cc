#include "source/thread/log_file.h"

#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <utility>

#include "source/base/assert.h"
#include "source/base/logging.h"

namespace sluice::thread {
namespace {

/** Numbers the threads that write, so that each finds its buffer. */
size_t threadNumber() {
  static std::atomic<size_t> next{0};
  thread_local const size_t number = next.fetch_add(1, std::memory_order_relaxed);
  return number;
}

}  // namespace

FileStats::FileStats(stats::Scope& filesystem)
    : flushed_by_timer(filesystem.counter("flushed_by_timer")),
      reopen_failed(filesystem.counter("reopen_failed")),
      write_buffered(filesystem.counter("write_buffered")),
      write_completed(filesystem.counter("write_completed")),
      write_failed(filesystem.counter("write_failed")),
      write_dropped(filesystem.counter("write_dropped")),
      write_total_buffered(filesystem.gauge("write_total_buffered")) {}

WriterWake::WriterWake() : fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  SLUICE_CHECK(fd_ >= 0, "eventfd failed: out of descriptors");
}

WriterWake::~WriterWake() { ::close(fd_); }

void WriterWake::wake() const {
  const uint64_t one = 1;
  const ssize_t written = ::write(fd_, &one, sizeof(one));
  static_cast<void>(written);
}

void WriterWake::clear() const {
  uint64_t count;
  const ssize_t taken = ::read(fd_, &count, sizeof(count));
  static_cast<void>(taken);
}

LogFile::LogFile(std::string path, LogSink sink, Limits limits, const FileStats& stats, const WriterWake& wake)
    : path_(std::move(path)), sink_(std::move(sink)), limits_(limits), stats_(stats), wake_(wake) {}

LogFile::~LogFile() { discard(); }

void LogFile::write(absl::string_view data) {
  Buffers& buffers = buffers_[threadNumber() % kBuffers];
  bool ask = false;
  {
    std::lock_guard<std::mutex> lock(buffers.mutex);
    if (buffers.filling.size() + data.size() > limits_.buffer_limit) {
      stats_.write_dropped.inc();
      return;
    }
    buffers.filling.append(data.data(), data.size());
    if (!buffers.asked && buffers.filling.size() >= limits_.flush_threshold) {
      ask = buffers.asked = true;
    }
  }
  stats_.write_buffered.inc();
  stats_.write_total_buffered.add(data.size());
  if (ask) {
    wake_.wake();
  }
}

bool LogFile::drain() {
  bool any = false;
  blocked_ = false;
  for (Buffers& buffers : buffers_) {
    if (!drainOne(buffers, any)) {
      blocked_ = true;
      break;
    }
  }
  return any;
}

bool LogFile::drainOne(Buffers& buffers, bool& any) {
  // Twice: what was left of an earlier time, and what has come since.
  for (int round = 0; round < 2; ++round) {
    if (buffers.draining.empty()) {
      std::lock_guard<std::mutex> lock(buffers.mutex);
      buffers.filling.swap(buffers.draining);
      buffers.asked = false;
      round = 1;
    }
    if (buffers.draining.empty()) {
      return true;
    }
    any = true;
    while (buffers.drained < buffers.draining.size()) {
      const ssize_t written =
          sink_.write(buffers.draining.data() + buffers.drained, buffers.draining.size() - buffers.drained);
      if (written < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        return false;
      }
      if (written < 0) {
        stats_.write_failed.inc();
        if (!failing_) {
          failing_ = true;
          LOG_WARNING(file, "{}: lines are lost: {}", path_, strerror(errno));
        }
        break;
      }
      stats_.write_completed.inc();
      failing_ = false;
      buffers.drained += static_cast<size_t>(written);
    }
    finish(buffers);
  }
  return true;
}

void LogFile::finish(Buffers& buffers) {
  stats_.write_total_buffered.sub(buffers.draining.size());
  buffers.draining.clear();
  buffers.drained = 0;
  if (buffers.draining.capacity() > 2 * limits_.flush_threshold) {
    std::string().swap(buffers.draining);
  }
}

bool LogFile::empty() {
  for (Buffers& buffers : buffers_) {
    std::lock_guard<std::mutex> lock(buffers.mutex);
    if (!buffers.filling.empty() || !buffers.draining.empty()) {
      return false;
    }
  }
  return true;
}

bool LogFile::wantsDrain() {
  for (Buffers& buffers : buffers_) {
    std::lock_guard<std::mutex> lock(buffers.mutex);
    if (buffers.asked) {
      return true;
    }
  }
  return false;
}

void LogFile::reopen() {
  // What was written so far belongs to the old file.
  drain();
  absl::StatusOr<LogSink> sink = LogSink::open(path_);
  if (!sink.ok()) {
    stats_.reopen_failed.inc();
    LOG_WARNING(file, "{}; going on with the file that is open", sink.status().message());
    return;
  }
  sink_ = *std::move(sink);
  blocked_ = !empty();
}

void LogFile::discard() {
  for (Buffers& buffers : buffers_) {
    std::lock_guard<std::mutex> lock(buffers.mutex);
    stats_.write_total_buffered.sub(buffers.filling.size() + buffers.draining.size());
    buffers.filling.clear();
    buffers.draining.clear();
    buffers.drained = 0;
  }
  blocked_ = false;
}

}  // namespace sluice::thread
