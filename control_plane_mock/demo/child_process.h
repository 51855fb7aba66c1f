#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace sluice::demo {

/**
 * A program that runs beside this one and ends with it. Its output (both streams) is given to `on_line`, line by line,
 * on a thread of its own.
 */
class ChildProcess {
 public:
  using OnLine = std::function<void(const std::string& line)>;

  /** Ends the program when `arguments[0]` cannot be started. */
  ChildProcess(std::vector<std::string> arguments, OnLine on_line);
  /** SIGKILL, if it still runs. */
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  pid_t pid() const { return pid_; }
  void signal(int number);
  /** The exit status (128 + the signal that ended it); none if it runs on after `limit`. */
  std::optional<int> wait(std::chrono::milliseconds limit);

 private:
  void readOutput(int fd, const OnLine& on_line);

  pid_t pid_ = -1;
  std::optional<int> status_;
  std::thread reader_;
};

}  // namespace sluice::demo
