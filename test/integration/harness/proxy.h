#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "control_plane_mock/demo/child_process.h"

namespace sluice::integration {

inline constexpr std::chrono::seconds kPatience{30};

/** Whether the condition holds within `limit`; it is tried again and again. */
bool eventually(const std::function<bool()>& condition, std::chrono::milliseconds limit = kPatience);

/** A folder of the test's own, removed at the end. Its path is short, as Unix sockets need. */
class TempFolder {
 public:
  TempFolder();
  ~TempFolder();
  const std::string& path() const { return path_; }
  /** Writes (or replaces in one move) a file; returns its path. */
  std::string write(const std::string& name, const std::string& content) const;
  std::string read(const std::string& name) const;

 private:
  std::string path_;
};

struct AdminAnswer {
  int status = 0;
  std::string body;
};

/** The program as a user runs it: a process with a bootstrap, asked through its admin server. */
class Proxy {
 public:
  struct Options {
    std::vector<std::string> arguments = {};
    uint32_t concurrency = 2;
    /** Soft limit of open files; 0 leaves it. */
    uint32_t max_files = 0;
    int expected_status = 0;
    /** Where Bazel lays the program beside the tests. */
    std::string program = "source/sluice";
  };

  /** `bootstrap` is YAML without an admin section: one on a port that the system chooses is added. */
  explicit Proxy(const std::string& bootstrap) : Proxy(bootstrap, Options()) {}
  Proxy(const std::string& bootstrap, Options options);
  /** Ends the process with SIGTERM, and fails the test if it does not end well by itself. */
  ~Proxy();

  /** Until /ready says 200; false, with the log in the test's output, when the process ends or time passes. */
  bool waitReady();
  /** The admin server's port, once it is known. */
  uint16_t adminPort();
  AdminAnswer get(const std::string& path) { return ask("GET", path); }
  AdminAnswer post(const std::string& path) { return ask("POST", path); }

  /** A counter or gauge; none when there is none of that name. */
  std::optional<uint64_t> stat(const std::string& name);
  /** All of them, or those that a query such as "?filter=^cluster" leaves. */
  std::map<std::string, uint64_t> stats(const std::string& query = "");
  bool waitForStat(const std::string& name, uint64_t value);
  bool waitForStatAtLeast(const std::string& name, uint64_t value);

  /** The port that a listener is bound to, from /listeners; none when it is not there. */
  std::optional<uint16_t> listenerPort(const std::string& name);
  /** The folder that its bootstrap is in, for further files. */
  const TempFolder& folder() const { return folder_; }

  void signal(int number) { process_->signal(number); }
  pid_t pid() const { return process_->pid(); }
  /** The exit status; none when it still runs after the limit. */
  std::optional<int> wait(std::chrono::milliseconds limit = kPatience);
  /** All that it has printed. */
  std::string output();
  bool outputHas(const std::string& text);
  size_t openFiles() const;

 private:
  AdminAnswer ask(const std::string& method, const std::string& path);

  TempFolder folder_;
  std::mutex output_mutex_;
  std::string output_;
  int expected_status_ = 0;
  uint16_t admin_port_ = 0;
  std::unique_ptr<demo::ChildProcess> process_;
};

struct RunResult {
  int status = -1;
  std::string output;
};
/** Runs the program to its end; `through` is another program, with its flags, that starts it. */
RunResult runProgram(const std::vector<std::string>& arguments, const std::vector<std::string>& through = {});

}  // namespace sluice::integration
