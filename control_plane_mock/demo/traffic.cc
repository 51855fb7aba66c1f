#include "control_plane_mock/demo/traffic.h"

#include <chrono>

namespace sluice::demo {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kLimit{3000};
constexpr size_t kComplaintsKept = 10;

/** "blue 12" -> "blue". */
std::string backendOf(const std::string& answer) { return answer.substr(0, answer.find(' ')); }

}  // namespace

void Tally::answered(const std::string& backend) {
  const std::lock_guard<std::mutex> lock(mutex_);
  ++by_backend_[backend];
}

void Tally::failed(const std::string& what) {
  ++failed_;
  complain(what);
}

void Tally::dropped(const std::string& what) {
  ++dropped_;
  complain(what);
}

void Tally::complain(const std::string& what) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (complaints_.size() < kComplaintsKept) {
    complaints_.push_back(what);
  }
}

uint64_t Tally::answered() const {
  uint64_t sum = 0;
  for (const auto& [backend, count] : byBackend()) {
    sum += count;
  }
  return sum;
}

std::map<std::string, uint64_t> Tally::byBackend() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return by_backend_;
}

std::vector<std::string> Tally::complaints() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return complaints_;
}

ShortConnections::ShortConnections(uint16_t port, int clients, Tally& tally) : port_(port), tally_(tally) {
  for (int client = 0; client < clients; ++client) {
    threads_.emplace_back([this, client] { ask(client); });
  }
}

ShortConnections::~ShortConnections() {
  stopping_ = true;
  for (std::thread& thread : threads_) {
    thread.join();
  }
}

void ShortConnections::ask(int client) {
  for (uint64_t number = 0; !stopping_; ++number) {
    const std::string question = "short-" + std::to_string(client) + "-" + std::to_string(number);
    TcpSocket socket = TcpSocket::connect("127.0.0.1", port_, kLimit);
    std::string answer;
    if (!socket.isOpen()) {
      tally_.failed("a new connection was refused");
    } else if (!socket.sendLine(question) || !socket.readLine(answer)) {
      tally_.failed("a new connection got no answer");
    } else if (answer.substr(answer.find(' ') + 1) != question) {
      tally_.failed("a wrong answer: " + answer);
    } else {
      tally_.answered(backendOf(answer));
    }
    std::this_thread::sleep_for(milliseconds(5));
  }
}

HeldConnections::HeldConnections(std::string name, std::string source, uint16_t port, int count, Tally& tally)
    : name_(std::move(name)), source_(std::move(source)), port_(port), tally_(tally), untouched_(count) {
  for (int index = 0; index < count; ++index) {
    threads_.emplace_back([this, index] { hold(index); });
  }
}

HeldConnections::~HeldConnections() {
  stopping_ = true;
  for (std::thread& thread : threads_) {
    thread.join();
  }
}

void HeldConnections::expectDrain(bool reopen) {
  reopen_ = reopen;
  may_drain_ = true;
}

bool HeldConnections::pause() {
  std::this_thread::sleep_for(milliseconds(50));
  return !stopping_;
}

void HeldConnections::hold(int index) {
  bool first = true;
  do {
    TcpSocket socket = TcpSocket::connect(source_, port_, kLimit);
    if (!socket.isOpen()) {
      tally_.failed("a connection of '" + name_ + "' was refused");
      continue;
    }
    ++open_;
    uint64_t number = 0;
    std::string answer;
    do {
      const std::string question = name_ + "-" + std::to_string(index) + "-" + std::to_string(number++);
      if (!socket.sendLine(question) || !socket.readLine(answer)) {
        break;
      }
      tally_.answered(backendOf(answer));
    } while (pause() && !socket.peerClosed());
    --open_;
    if (stopping_) {
      return;
    }
    if (first) {
      --untouched_;
      first = false;
    }
    if (may_drain_) {
      tally_.drained();
    } else {
      tally_.dropped("a connection of '" + name_ + "' was closed");
    }
    if (may_drain_ && !reopen_) {
      return;
    }
  } while (pause());
}

}  // namespace sluice::demo
