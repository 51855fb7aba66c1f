#include "control_plane_mock/demo/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace sluice::demo {

ChildProcess::ChildProcess(std::vector<std::string> arguments, OnLine on_line) {
  int pipe_fds[2];
  if (pipe2(pipe_fds, O_CLOEXEC) != 0) {
    perror("pipe2");
    std::exit(1);
  }
  std::vector<char*> argv;
  for (std::string& argument : arguments) {
    argv.push_back(argument.data());
  }
  argv.push_back(nullptr);
  const pid_t parent = getpid();
  pid_ = fork();
  if (pid_ < 0) {
    perror("fork");
    std::exit(1);
  }
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) {
      _exit(1);
    }
    // What interrupts the story is for the story to pass on.
    setpgid(0, 0);
    dup2(pipe_fds[1], STDOUT_FILENO);
    dup2(pipe_fds[1], STDERR_FILENO);
    execv(argv[0], argv.data());
    perror(argv[0]);
    _exit(127);
  }
  close(pipe_fds[1]);
  reader_ = std::thread([this, fd = pipe_fds[0], on_line = std::move(on_line)] { readOutput(fd, on_line); });
}

ChildProcess::~ChildProcess() {
  if (!status_.has_value()) {
    signal(SIGKILL);
    wait(std::chrono::seconds(10));
  }
  reader_.join();
}

void ChildProcess::signal(int number) {
  if (!status_.has_value()) {
    kill(pid_, number);
  }
}

std::optional<int> ChildProcess::wait(std::chrono::milliseconds limit) {
  if (status_.has_value()) {
    return status_;
  }
  // A descriptor of the process becomes readable when it ends.
  const int pidfd = static_cast<int>(syscall(SYS_pidfd_open, pid_, 0));
  pollfd ended{pidfd, POLLIN, 0};
  const int ready = pidfd < 0 ? 1 : poll(&ended, 1, static_cast<int>(limit.count()));
  if (pidfd >= 0) {
    close(pidfd);
  }
  int status = 0;
  if (ready > 0 && waitpid(pid_, &status, 0) == pid_) {
    status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  return status_;
}

void ChildProcess::readOutput(int fd, const OnLine& on_line) {
  FILE* const stream = fdopen(fd, "r");
  char* line = nullptr;
  size_t capacity = 0;
  ssize_t length = 0;
  while ((length = getline(&line, &capacity, stream)) > 0) {
    std::string text(line, static_cast<size_t>(length));
    if (text.back() == '\n') {
      text.pop_back();
    }
    on_line(text);
  }
  free(line);
  fclose(stream);
}

}  // namespace sluice::demo
