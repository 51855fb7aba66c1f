#include "source/net/splice_pump.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>

namespace sluice::net {
namespace {

/**
 * Sixteen pages, a pipe's size unless it is asked for more, are sixteen pieces of a socket's queue. Four times as many
 * take what a fast sender queues in one go.
 */
constexpr int kPipeSize = 256 * 1024;

void closePipe(SplicePipe* pipe) {
  ::close(pipe->read_fd);
  ::close(pipe->write_fd);
  delete pipe;
}

struct Pool {
  SplicePipe* first;
  size_t kept;
  size_t lent;
  bool watched;
  bool ended;
};

constinit thread_local Pool pool{};

struct Release {
  Release() { pool.watched = true; }
  ~Release() {
    pool.ended = true;
    while (pool.first != nullptr) {
      SplicePipe* pipe = pool.first;
      pool.first = pipe->next;
      closePipe(pipe);
    }
    pool.kept = 0;
  }
};

/** splice() into a socket whose peer has gone raises SIGPIPE, and no flag prevents it. */
void ignoreSigpipe() {
  static const bool ignored = [] {
    struct sigaction action {};
    if (::sigaction(SIGPIPE, nullptr, &action) == 0 && action.sa_handler == SIG_DFL) {
      ::signal(SIGPIPE, SIG_IGN);
    }
    return true;
  }();
  static_cast<void>(ignored);
}

void watchThread() { thread_local Release release; }

}  // namespace

namespace pipe_pool {

SplicePipe* borrow() {
  if (pool.first != nullptr) {
    SplicePipe* pipe = pool.first;
    pool.first = pipe->next;
    pipe->next = nullptr;
    --pool.kept;
    ++pool.lent;
    return pipe;
  }
  if (pool.lent >= kMaxLent) {
    return nullptr;
  }
  ignoreSigpipe();
  int fds[2];
  if (::pipe2(fds, O_NONBLOCK | O_CLOEXEC) != 0) {
    return nullptr;
  }
  // Refused once this user's pipes hold too much; the common size then does.
  ::fcntl(fds[1], F_SETPIPE_SZ, kPipeSize);
  ++pool.lent;
  auto* pipe = new SplicePipe;
  pipe->read_fd = fds[0];
  pipe->write_fd = fds[1];
  return pipe;
}

void giveBack(SplicePipe* pipe) {
  --pool.lent;
  if (pipe->level > 0 || pool.kept >= kMaxKept || pool.ended) {
    closePipe(pipe);
    return;
  }
  if (!pool.watched) {
    watchThread();
  }
  pipe->next = pool.first;
  pool.first = pipe;
  ++pool.kept;
}

size_t lent() { return pool.lent; }

}  // namespace pipe_pool

int64_t fillPipe(SplicePipe& pipe, int from_fd, uint64_t most) {
  ssize_t moved;
  do {
    moved = ::splice(from_fd, nullptr, pipe.write_fd, nullptr, most, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
  } while (moved < 0 && errno == EINTR);
  if (moved > 0) {
    pipe.level += moved;
  }
  return moved;
}

int64_t drainPipe(SplicePipe& pipe, int to_fd) {
  ssize_t moved;
  do {
    moved = ::splice(pipe.read_fd, nullptr, to_fd, nullptr, pipe.level, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
  } while (moved < 0 && errno == EINTR);
  if (moved > 0) {
    pipe.level -= moved;
  }
  return moved;
}

}  // namespace sluice::net
