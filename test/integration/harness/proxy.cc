#include "test/integration/harness/proxy.h"

#include <poll.h>
#include <signal.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "gtest/gtest.h"

#include "control_plane_mock/demo/sockets.h"

namespace sluice::integration {
namespace {

using std::chrono::milliseconds;

std::string programPath() { return std::filesystem::absolute(Proxy::Options().program).string(); }

std::string readFile(const std::string& path) {
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

/** Undoes chunked transfer coding (RFC 9112, section 7.1). */
std::string unchunk(const std::string& body) {
  std::string out;
  size_t at = 0;
  for (;;) {
    const size_t line_end = body.find("\r\n", at);
    if (line_end == std::string::npos) {
      return out;
    }
    const size_t size = std::stoul(body.substr(at, line_end - at), nullptr, 16);
    if (size == 0) {
      return out;
    }
    out += body.substr(line_end + 2, size);
    at = line_end + 2 + size + 2;
  }
}

/** What a sanitizer found in the program fails the test, whatever the exit status is. */
void expectNoReport(const std::string& output) {
  for (const char* mark : {"Sanitizer", "runtime error:"}) {
    EXPECT_EQ(output.find(mark), std::string::npos) << output;
  }
}

}  // namespace

bool eventually(const std::function<bool()>& condition, milliseconds limit) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) {
      return false;
    }
    poll(nullptr, 0, 5);
  }
  return true;
}

TempFolder::TempFolder() {
  char path[] = "/tmp/sluice-it-XXXXXX";
  EXPECT_NE(mkdtemp(path), nullptr);
  path_ = path;
}

TempFolder::~TempFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string TempFolder::write(const std::string& name, const std::string& content) const {
  const std::string path = path_ + "/" + name;
  std::ofstream(path + ".new") << content;
  std::filesystem::rename(path + ".new", path);
  return path;
}

std::string TempFolder::read(const std::string& name) const { return readFile(path_ + "/" + name); }

Proxy::Proxy(const std::string& bootstrap, Options options) {
  const std::string config = folder_.write(
      "bootstrap.yaml", "admin: {address: {socket_address: {address: 127.0.0.1, port_value: 0}}}\n" + bootstrap);
  expected_status_ = options.expected_status;
  std::vector<std::string> arguments;
  if (options.max_files != 0) {
    arguments = {"/bin/sh", "-c", "ulimit -n " + std::to_string(options.max_files) + "; exec \"$0\" \"$@\""};
  }
  arguments.insert(arguments.end(),
                   {std::filesystem::absolute(options.program).string(), "-c", config, "--concurrency",
                    std::to_string(options.concurrency), "--service-node", "test-node", "--service-cluster",
                    "test-cluster", "--admin-address-path", folder_.path() + "/admin"});
  arguments.insert(arguments.end(), options.arguments.begin(), options.arguments.end());
  process_ = std::make_unique<demo::ChildProcess>(arguments, [this](const std::string& line) {
    const std::lock_guard<std::mutex> lock(output_mutex_);
    output_ += line + "\n";
  });
}

Proxy::~Proxy() {
  process_->signal(SIGTERM);
  const std::optional<int> status = process_->wait(kPatience);
  EXPECT_TRUE(status.has_value()) << "the process did not end after SIGTERM";
  EXPECT_EQ(status.value_or(expected_status_), expected_status_) << "the process ended with an unexpected status";
  process_.reset();
  expectNoReport(output_);
  if (testing::Test::HasFailure()) {
    std::cerr << "---- the program's output ----\n" << output_ << "----\n";
  }
}

uint16_t Proxy::adminPort() {
  if (admin_port_ == 0) {
    eventually([this] {
      const std::string address = folder_.read("admin");
      const size_t colon = address.rfind(':');
      if (colon != std::string::npos) {
        admin_port_ = static_cast<uint16_t>(std::atoi(address.c_str() + colon + 1));
      }
      return admin_port_ != 0 || process_->wait(milliseconds(0)).has_value();
    });
  }
  return admin_port_;
}

AdminAnswer Proxy::ask(const std::string& method, const std::string& path) {
  AdminAnswer answer;
  const uint16_t port = adminPort();
  if (port == 0) {
    return answer;
  }
  demo::TcpSocket socket = demo::TcpSocket::connect("127.0.0.1", port, kPatience);
  if (!socket.isOpen() ||
      !socket.sendLine(method + " " + path + " HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r")) {
    return answer;
  }
  const std::string all = socket.readAll();
  const size_t head_end = all.find("\r\n\r\n");
  if (head_end == std::string::npos || all.size() < 12) {
    return answer;
  }
  answer.status = std::atoi(all.c_str() + 9);
  answer.body = all.substr(head_end + 4);
  std::string head = all.substr(0, head_end);
  for (char& c : head) {
    c = static_cast<char>(std::tolower(c));
  }
  if (head.find("transfer-encoding: chunked") != std::string::npos) {
    answer.body = unchunk(answer.body);
  }
  return answer;
}

bool Proxy::waitReady() {
  bool ended = false;
  const bool ready = eventually([this, &ended] {
    ended = process_->wait(milliseconds(0)).has_value();
    return ended || get("/ready").status == 200;
  });
  EXPECT_TRUE(ready && !ended) << (ended ? "the process ended" : "the process did not become ready");
  return ready && !ended;
}

std::map<std::string, uint64_t> Proxy::stats(const std::string& query) {
  std::map<std::string, uint64_t> out;
  std::stringstream lines(get("/stats" + query).body);
  std::string line;
  while (std::getline(lines, line)) {
    const size_t colon = line.find(": ");
    if (colon != std::string::npos && colon + 2 < line.size() && std::isdigit(line[colon + 2]) != 0) {
      out[line.substr(0, colon)] = std::stoull(line.substr(colon + 2));
    }
  }
  return out;
}

std::optional<uint64_t> Proxy::stat(const std::string& name) {
  const auto all = stats("?filter=" + name);
  const auto found = all.find(name);
  return found == all.end() ? std::nullopt : std::optional(found->second);
}

bool Proxy::waitForStat(const std::string& name, uint64_t value) {
  std::optional<uint64_t> last;
  const bool reached = eventually([&] {
    last = stat(name);
    return last == value;
  });
  EXPECT_TRUE(reached) << name << " is " << (last.has_value() ? std::to_string(*last) : "not there") << ", not "
                       << value;
  return reached;
}

bool Proxy::waitForStatAtLeast(const std::string& name, uint64_t value) {
  std::optional<uint64_t> last;
  const bool reached = eventually([&] {
    last = stat(name);
    return last.has_value() && *last >= value;
  });
  EXPECT_TRUE(reached) << name << " is " << (last.has_value() ? std::to_string(*last) : "not there")
                       << ", not at least " << value;
  return reached;
}

std::optional<uint16_t> Proxy::listenerPort(const std::string& name) {
  std::stringstream lines(get("/listeners").body);
  std::string line;
  while (std::getline(lines, line)) {
    const size_t colon = line.rfind(':');
    if (line.rfind(name + "::", 0) == 0 && colon != std::string::npos) {
      return static_cast<uint16_t>(std::atoi(line.c_str() + colon + 1));
    }
  }
  return std::nullopt;
}

std::optional<int> Proxy::wait(milliseconds limit) { return process_->wait(limit); }

std::string Proxy::output() {
  const std::lock_guard<std::mutex> lock(output_mutex_);
  return output_;
}

bool Proxy::outputHas(const std::string& text) { return output().find(text) != std::string::npos; }

size_t Proxy::openFiles() const {
  size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/" + std::to_string(pid()) + "/fd")) {
    (void)entry;
    ++count;
  }
  return count;
}

RunResult runProgram(const std::vector<std::string>& arguments, const std::vector<std::string>& through) {
  std::vector<std::string> all = through;
  all.push_back(programPath());
  all.insert(all.end(), arguments.begin(), arguments.end());
  RunResult result;
  {
    demo::ChildProcess process(all, [&result](const std::string& line) { result.output += line + "\n"; });
    result.status = process.wait(kPatience).value_or(-1);
  }
  expectNoReport(result.output);
  return result;
}

}  // namespace sluice::integration
