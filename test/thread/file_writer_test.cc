#include "source/thread/file_writer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

#include "source/stats/store.h"

namespace sluice::thread {
namespace {

using std::chrono::milliseconds;

class FileWriterTest : public testing::Test {
 protected:
  FileWriterTest() {
    std::string pattern = testing::TempDir() + "writer_XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    // Nothing is written by time alone unless a test says so.
    options_.flush_interval = std::chrono::hours(1);
    options_.last_wait = milliseconds(20);
  }
  ~FileWriterTest() override {
    writer_.reset();
    std::filesystem::remove_all(folder_);
  }
  FileWriter& writer() {
    if (!writer_) {
      writer_.emplace(*store_.root(), options_);
    }
    return *writer_;
  }
  std::shared_ptr<LogFile> open(const std::string& name) {
    absl::StatusOr<std::shared_ptr<LogFile>> file = writer().open(path(name));
    EXPECT_TRUE(file.ok()) << file.status();
    return *file;
  }
  std::string path(const std::string& name) const { return folder_ + "/" + name; }
  std::string contents(const std::string& name) const {
    std::ostringstream text;
    text << std::ifstream(path(name)).rdbuf();
    return text.str();
  }
  uint64_t counter(const std::string& name) { return store_.counterValue("filesystem." + name); }
  uint64_t buffered() { return store_.gaugeValue("filesystem.write_total_buffered"); }
  static void waitUntil(const std::function<bool()>& condition) {
    while (!condition()) {
      std::this_thread::yield();
    }
  }
  static size_t openDescriptors() {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), std::filesystem::directory_iterator());
  }

  std::string folder_;
  FileWriter::Options options_;
  stats::Store store_;
  std::optional<FileWriter> writer_;
};

TEST_F(FileWriterTest, BuffersUntilFlushed) {
  auto file = open("log");
  file->write("one\n");
  file->write("two\n");
  EXPECT_EQ(contents("log"), "");
  EXPECT_EQ(buffered(), 8u);
  EXPECT_EQ(counter("write_buffered"), 2u);
  writer().flush();
  EXPECT_EQ(contents("log"), "one\ntwo\n");
  EXPECT_EQ(buffered(), 0u);
  EXPECT_EQ(counter("write_completed"), 1u);
  EXPECT_EQ(counter("flushed_by_timer"), 0u);
}

TEST_F(FileWriterTest, FlushesByTimer) {
  options_.flush_interval = milliseconds(1);
  auto file = open("log");
  file->write("line\n");
  waitUntil([&] { return contents("log") == "line\n"; });
  waitUntil([&] { return counter("flushed_by_timer") == 1; });
}

TEST_F(FileWriterTest, FlushesByItselfOncePastTheThreshold) {
  options_.limits.flush_threshold = 100;
  auto file = open("log");
  const std::string line(60, 'x');
  file->write(line);
  file->write(line);
  waitUntil([&] { return contents("log").size() == 120; });
}

TEST_F(FileWriterTest, WritesEverythingOutWhenItStops) {
  auto file = open("log");
  file->write("last words\n");
  writer().stop();
  EXPECT_EQ(contents("log"), "last words\n");
}

TEST_F(FileWriterTest, KeepsEveryThreadsLinesWholeAndInOrder) {
  constexpr int kThreads = 8;
  constexpr int kLines = 5000;
  options_.limits.flush_threshold = 1000;
  options_.limits.buffer_limit = 64 * 1024 * 1024;
  auto file = open("log");
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = 0; i < kLines; ++i) {
        file->write(std::to_string(thread) + " " + std::to_string(i) + "\n");
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  writer().flush();
  std::vector<int> next(kThreads, 0);
  std::istringstream lines(contents("log"));
  int thread, number;
  while (lines >> thread >> number) {
    ASSERT_EQ(number, next[thread]);
    ++next[thread];
  }
  EXPECT_EQ(next, std::vector<int>(kThreads, kLines));
  EXPECT_EQ(counter("write_dropped"), 0u);
  EXPECT_EQ(buffered(), 0u);
}

TEST_F(FileWriterTest, OnePathIsOneFile) {
  auto first = open("log");
  auto second = open("log");
  EXPECT_EQ(first, second);
  EXPECT_NE(first, open("other"));
}

TEST_F(FileWriterTest, FailureToOpenIsAStatus) {
  const absl::Status status = writer().open(path("no/log")).status();
  EXPECT_EQ(status.message(), "unable to open file '" + path("no/log") + "': No such file or directory");
}

TEST_F(FileWriterTest, BlockedFileHoldsUpNeitherItsWritersNorOtherFiles) {
  ASSERT_EQ(::mkfifo(path("fifo").c_str(), 0600), 0);
  options_.limits.buffer_limit = 200 * 1000;
  auto blocked = open("fifo");
  auto other = open("log");
  const std::string line(999, 'x');
  int accepted = 0;
  // Far more than the pipe and both buffers hold; nobody reads.
  for (int i = 0; i < 2000; ++i) {
    const uint64_t dropped = counter("write_dropped");
    blocked->write(line + "\n");
    accepted += counter("write_dropped") == dropped ? 1 : 0;
  }
  writer().flush();
  EXPECT_GT(counter("write_dropped"), 0u);
  EXPECT_LT(accepted, 2000);
  other->write("line\n");
  writer().flush();
  EXPECT_EQ(contents("log"), "line\n");

  // A reader comes: what was accepted arrives whole, though no one flushes.
  const int reader = ::open(path("fifo").c_str(), O_RDONLY | O_CLOEXEC);
  ASSERT_GE(reader, 0);
  std::string received;
  char buffer[64 * 1024];
  while (received.size() < static_cast<size_t>(accepted) * 1000) {
    const ssize_t size = ::read(reader, buffer, sizeof(buffer));
    ASSERT_GT(size, 0);
    received.append(buffer, static_cast<size_t>(size));
  }
  for (size_t i = 0; i < received.size(); i += 1000) {
    ASSERT_EQ(received.compare(i, 1000, line + "\n"), 0);
  }
  ::close(reader);
}

TEST_F(FileWriterTest, StopGivesUpOnABlockedFile) {
  ASSERT_EQ(::mkfifo(path("fifo").c_str(), 0600), 0);
  auto blocked = open("fifo");
  blocked->write(std::string(500 * 1000, 'x'));
  writer().stop();
  EXPECT_EQ(counter("write_failed"), 1u);
  EXPECT_EQ(buffered(), 0u);
}

TEST_F(FileWriterTest, CountsWriteErrorsAndGoesOn) {
  auto full = *writer().open("/dev/full");
  auto file = open("log");
  full->write("lost\n");
  file->write("kept\n");
  writer().flush();
  full->write("lost too\n");
  writer().flush();
  EXPECT_EQ(counter("write_failed"), 2u);
  EXPECT_EQ(contents("log"), "kept\n");
  EXPECT_EQ(buffered(), 0u);
}

TEST_F(FileWriterTest, ReopensAfterARotation) {
  auto file = open("log");
  file->write("before\n");
  std::filesystem::rename(path("log"), path("log.1"));
  writer().reopenAll();
  waitUntil([&] { return std::filesystem::exists(path("log")); });
  file->write("after\n");
  writer().flush();
  EXPECT_EQ(contents("log.1"), "before\n");
  EXPECT_EQ(contents("log"), "after\n");
}

TEST_F(FileWriterTest, GoesOnWithTheOldFileIfItCannotReopen) {
  auto file = open("log");
  std::filesystem::rename(path("log"), path("log.1"));
  std::filesystem::create_directory(path("log"));
  writer().reopenAll();
  file->write("line\n");
  writer().flush();
  EXPECT_EQ(counter("reopen_failed"), 1u);
  EXPECT_EQ(contents("log.1"), "line\n");
}

TEST_F(FileWriterTest, FileThatNobodyHoldsIsWrittenOutAndClosed) {
  auto keeper = open("other");
  writer().flush();
  const size_t before = openDescriptors();
  auto file = open("log");
  file->write("line\n");
  EXPECT_EQ(openDescriptors(), before + 1);
  file.reset();
  writer().flush();
  EXPECT_EQ(contents("log"), "line\n");
  EXPECT_EQ(openDescriptors(), before);
}

TEST_F(FileWriterTest, LineLargerThanTheBufferIsDropped) {
  options_.limits.buffer_limit = 10;
  auto file = open("log");
  file->write("0123456789abc\n");
  file->write("short\n");
  writer().flush();
  EXPECT_EQ(contents("log"), "short\n");
  EXPECT_EQ(counter("write_dropped"), 1u);
}

TEST_F(FileWriterTest, FlushWithoutFilesReturns) { writer().flush(); }

}  // namespace
}  // namespace sluice::thread
