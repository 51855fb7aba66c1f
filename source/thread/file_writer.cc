#include "source/thread/file_writer.h"

#include <poll.h>

#include <algorithm>
#include <utility>

#include "source/base/assert.h"
#include "source/thread/named_thread.h"

namespace sluice::thread {

using Clock = std::chrono::steady_clock;

FileWriter::FileWriter(stats::Scope& root, Options options)
    : options_(options), scope_(root.createScope("filesystem")), stats_(*scope_) {}

FileWriter::~FileWriter() { stop(); }

absl::StatusOr<std::shared_ptr<LogFile>> FileWriter::open(absl::string_view path) {
  std::lock_guard<std::mutex> lock(mutex_);
  auto found = std::find_if(files_.begin(), files_.end(), [path](const auto& file) { return file->path() == path; });
  if (found != files_.end()) {
    return *found;
  }
  absl::StatusOr<LogSink> sink = LogSink::open(std::string(path));
  if (!sink.ok()) {
    return sink.status();
  }
  auto file = std::make_shared<LogFile>(std::string(path), *std::move(sink), options_.limits, stats_, wake_);
  files_.push_back(file);
  if (!thread_.joinable() && !stopped_) {
    thread_ = startThread("AccessLogFlush", [this] { run(); });
  }
  return file;
}

void FileWriter::reopenAll() {
  std::lock_guard<std::mutex> lock(mutex_);
  reopen_asked_ = true;
  wake_.wake();
}

void FileWriter::flush() {
  std::unique_lock<std::mutex> lock(mutex_);
  if (!thread_.joinable() || stopping_) {
    return;
  }
  const uint64_t mine = ++flushes_asked_;
  wake_.wake();
  passed_.wait(lock, [this, mine] { return flushes_done_ >= mine || stopped_; });
}

void FileWriter::stop() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
    wake_.wake();
  }
  if (thread_.joinable()) {
    thread_.join();
  }
  std::lock_guard<std::mutex> lock(mutex_);
  stopped_ = true;
}

void FileWriter::run() {
  Clock::time_point next_flush = Clock::now() + options_.flush_interval;
  while (true) {
    waitUntil(next_flush);
    wake_.clear();
    bool reopen, stop;
    uint64_t flushes;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      reopen = std::exchange(reopen_asked_, false);
      stop = stopping_;
      flushes = flushes_asked_;
      current_ = files_;
    }
    const Clock::time_point now = Clock::now();
    const bool timer = now >= next_flush;
    if (timer) {
      next_flush = now + options_.flush_interval;
    }
    pass(timer, stop || flushes != flushes_done_, reopen);
    if (stop) {
      finishBlocked();
    }
    std::lock_guard<std::mutex> lock(mutex_);
    current_.clear();
    closeUnused();
    flushes_done_ = flushes;
    if (stop) {
      stopped_ = true;
    }
    passed_.notify_all();
    if (stop) {
      return;
    }
    // Those that block are what the next wait polls.
    current_ = files_;
    std::erase_if(current_, [](const auto& file) { return !file->blocked(); });
  }
}

void FileWriter::pass(bool timer, bool all, bool reopen) {
  for (const std::shared_ptr<LogFile>& file : current_) {
    if (reopen) {
      file->reopen();
    }
    // That of `current_` and the list: nobody else writes to it any more.
    const bool unused = file.use_count() == 2;
    if (timer || all || reopen || unused || file->blocked() || file->wantsDrain()) {
      if (file->drain() && timer) {
        stats_.flushed_by_timer.inc();
      }
    }
  }
}

void FileWriter::closeUnused() {
  std::erase_if(files_, [](const auto& file) { return file.use_count() == 1 && file->empty(); });
}

void FileWriter::waitUntil(Clock::time_point deadline) {
  std::vector<pollfd> descriptors = {{wake_.fd(), POLLIN, 0}};
  for (const std::shared_ptr<LogFile>& file : current_) {
    descriptors.push_back({file->fd(), POLLOUT, 0});
  }
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
  ::poll(descriptors.data(), descriptors.size(), static_cast<int>(std::clamp<int64_t>(left.count(), 0, 3600 * 1000)));
}

void FileWriter::finishBlocked() {
  const Clock::time_point deadline = Clock::now() + options_.last_wait;
  while (true) {
    std::erase_if(current_, [](const auto& file) { return !file->blocked(); });
    if (current_.empty() || Clock::now() >= deadline) {
      break;
    }
    wake_.clear();
    waitUntil(deadline);
    pass(false, false, false);
  }
  for (const std::shared_ptr<LogFile>& file : current_) {
    stats_.write_failed.inc();
    file->discard();
  }
}

}  // namespace sluice::thread
