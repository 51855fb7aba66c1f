#include "source/thread/log_sink.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "gtest/gtest.h"

namespace sluice::thread {
namespace {

class LogSinkTest : public testing::Test {
 protected:
  LogSinkTest() {
    std::string pattern = testing::TempDir() + "sink_XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
  }
  ~LogSinkTest() override { std::filesystem::remove_all(folder_); }
  std::string path(const std::string& name) const { return folder_ + "/" + name; }
  static std::string contents(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
  }

  std::string folder_;
};

/** Standard output is this descriptor as long as it lives. */
class StandardOutput {
 public:
  explicit StandardOutput(int fd) : saved_(::dup(STDOUT_FILENO)) {
    ::fflush(stdout);
    ::dup2(fd, STDOUT_FILENO);
  }
  ~StandardOutput() {
    ::dup2(saved_, STDOUT_FILENO);
    ::close(saved_);
  }

 private:
  const int saved_;
};

TEST_F(LogSinkTest, CreatesAndAppends) {
  ASSERT_TRUE(LogSink::open(path("log"))->write("one\n", 4) == 4);
  ASSERT_TRUE(LogSink::open(path("log"))->write("two\n", 4) == 4);
  EXPECT_EQ(contents(path("log")), "one\ntwo\n");
  struct stat status;
  ASSERT_EQ(::stat(path("log").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777 & ~0644, 0u);
}

TEST_F(LogSinkTest, ErrorNamesThePathAndTheReason) {
  const absl::Status missing = LogSink::open(path("no/such/folder")).status();
  EXPECT_EQ(missing.message(), "unable to open file '" + path("no/such/folder") + "': No such file or directory");
  const absl::Status folder = LogSink::open(folder_).status();
  EXPECT_EQ(folder.message(), "unable to open file '" + folder_ + "': Is a directory");
}

TEST_F(LogSinkTest, FifoNeedsNoReaderAndNeverBlocks) {
  ASSERT_EQ(::mkfifo(path("fifo").c_str(), 0600), 0);
  absl::StatusOr<LogSink> sink = LogSink::open(path("fifo"));
  ASSERT_TRUE(sink.ok()) << sink.status();
  const std::string data(64 * 1024, 'x');
  ssize_t written;
  do {
    written = sink->write(data.data(), data.size());
  } while (written > 0);
  EXPECT_EQ(written, -1);
  EXPECT_EQ(errno, EAGAIN);
}

TEST_F(LogSinkTest, StandardOutputMayBeASocket) {
  int pair[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
  {
    const StandardOutput redirected(pair[0]);
    absl::StatusOr<LogSink> sink = LogSink::open("/dev/stdout");
    ASSERT_TRUE(sink.ok()) << sink.status();
    EXPECT_EQ(sink->write("line\n", 5), 5);
    const std::string data(64 * 1024, 'x');
    ssize_t written;
    do {
      written = sink->write(data.data(), data.size());
    } while (written > 0);
    EXPECT_EQ(errno, EAGAIN);
  }
  char buffer[5];
  ASSERT_EQ(::read(pair[1], buffer, sizeof(buffer)), 5);
  EXPECT_EQ(std::string(buffer, 5), "line\n");
  ::close(pair[0]);
  ::close(pair[1]);
}

TEST_F(LogSinkTest, StandardOutputsOwnDescriptorStaysBlocking) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  {
    const StandardOutput redirected(ends[1]);
    absl::StatusOr<LogSink> sink = LogSink::open("/dev/stdout");
    ASSERT_TRUE(sink.ok()) << sink.status();
    EXPECT_EQ(sink->write("line\n", 5), 5);
    EXPECT_EQ(::fcntl(STDOUT_FILENO, F_GETFL) & O_NONBLOCK, 0);
  }
  char buffer[5];
  ASSERT_EQ(::read(ends[0], buffer, sizeof(buffer)), 5);
  ::close(ends[0]);
  ::close(ends[1]);
}

}  // namespace
}  // namespace sluice::thread
