#include "source/thread/log_sink.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"

namespace sluice::thread {
namespace {

constexpr int kFlags = O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
constexpr mode_t kMode = 0644;

int openRetrying(const std::string& path, int access) {
  int fd;
  do {
    fd = ::open(path.c_str(), access | kFlags, kMode);
  } while (fd < 0 && errno == EINTR);
  return fd;
}

/** The standard stream that the path names, or -1. */
int standardStream(const std::string& path) {
  if (path == "/dev/stdout") {
    return STDOUT_FILENO;
  }
  return path == "/dev/stderr" ? STDERR_FILENO : -1;
}

}  // namespace

absl::StatusOr<LogSink> LogSink::open(const std::string& path) {
  int fd = openRetrying(path, O_WRONLY);
  if (fd < 0 && errno == ENXIO) {
    // A FIFO that nobody reads yet; having it open for both ends is what makes the open succeed.
    fd = openRetrying(path, O_RDWR);
  }
  if (fd >= 0) {
    return LogSink(fd, false);
  }
  const int open_error = errno;
  const int standard = standardStream(path);
  if (standard >= 0) {
    // A socket, or another user's pipe: it cannot be opened anew.
    fd = ::fcntl(standard, F_DUPFD_CLOEXEC, 0);
    if (fd >= 0) {
      return LogSink(fd, true);
    }
  }
  return absl::ErrnoToStatus(open_error, absl::StrCat("unable to open file '", path, "'"));
}

LogSink::LogSink(int fd, bool shared) : fd_(fd), shared_(shared) {
  struct stat status;
  socket_ = ::fstat(fd, &status) == 0 && S_ISSOCK(status.st_mode);
}

LogSink::LogSink(LogSink&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), shared_(other.shared_), socket_(other.socket_) {}

LogSink& LogSink::operator=(LogSink&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(shared_, other.shared_);
  std::swap(socket_, other.socket_);
  return *this;
}

LogSink::~LogSink() {
  if (fd_ >= 0) {
    ::close(fd_);
  }
}

ssize_t LogSink::write(const char* data, size_t size) {
  while (true) {
    ssize_t written;
    if (socket_) {
      written = ::send(fd_, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    } else {
      if (shared_) {
        pollfd writable{fd_, POLLOUT, 0};
        if (::poll(&writable, 1, 0) == 0) {
          errno = EAGAIN;
          return -1;
        }
        // A pipe that is writable takes this much without waiting.
        size = std::min<size_t>(size, PIPE_BUF);
      }
      written = ::write(fd_, data, size);
    }
    if (written >= 0 || errno != EINTR) {
      return written;
    }
  }
}

}  // namespace sluice::thread
