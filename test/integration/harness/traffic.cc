#include "test/integration/harness/traffic.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <algorithm>

#include "test/integration/harness/proxy.h"

namespace sluice::integration {
namespace {

Socket connectAddress(const sockaddr* address, socklen_t length) {
  Socket socket(::socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const timeval limit{std::chrono::seconds(kPatience).count(), 0};
  setsockopt(socket.fd(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  setsockopt(socket.fd(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
  return ::connect(socket.fd(), address, length) == 0 ? std::move(socket) : Socket();
}

}  // namespace

TcpServer::TcpServer(std::function<void(Socket&)> serve)
    : serve_(std::move(serve)), listener_(demo::listenOnLoopback(port_)) {
  acceptor_ = std::thread([this] { acceptAll(); });
}

TcpServer::~TcpServer() {
  stopping_ = true;
  shutdown(listener_.fd(), SHUT_RDWR);
  acceptor_.join();
  std::unique_lock<std::mutex> lock(mutex_);
  for (const int fd : open_) {
    shutdown(fd, SHUT_RDWR);
  }
  gone_.wait(lock, [this] { return open_.empty(); });
}

size_t TcpServer::open() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return open_.size();
}

void TcpServer::acceptAll() {
  while (!stopping_) {
    const int fd = accept4(listener_.fd(), nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) {
      continue;
    }
    ++accepted_;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      open_.push_back(fd);
    }
    std::thread([this, socket = Socket(fd)]() mutable { handle(std::move(socket)); }).detach();
  }
}

void TcpServer::handle(Socket socket) {
  serve_(socket);
  const std::lock_guard<std::mutex> lock(mutex_);
  open_.erase(std::find(open_.begin(), open_.end(), socket.fd()));
  socket = Socket();
  gone_.notify_all();
}

EchoServer::EchoServer(std::string name)
    : TcpServer([name = std::move(name)](Socket& socket) {
        socket.sendLine(name);
        std::string line;
        while (socket.readLine(line) && socket.sendLine(line)) {
        }
      }) {}

Client Client::connect(uint16_t port, const std::string& from) {
  Client client;
  client.socket_ = Socket::connect(from, port, kPatience);
  if (client.socket_.isOpen()) {
    client.socket_.readLine(client.greeting_);
  }
  return client;
}

bool Client::echo(const std::string& line) {
  std::string answer;
  return socket_.sendLine(line) && socket_.readLine(answer) && answer == line;
}

bool Client::closesWithin(std::chrono::milliseconds limit) {
  return eventually(
      [this] {
        char bytes[4096];
        ssize_t count = 0;
        do {
          count = recv(socket_.fd(), bytes, sizeof(bytes), MSG_DONTWAIT);
        } while (count > 0);
        return count == 0 || errno != EAGAIN;
      },
      limit);
}

Socket connectTo(uint16_t port, const std::string& from) { return Socket::connect(from, port, kPatience); }

Socket connectIpv6(uint16_t port) {
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_port = htons(port);
  address.sin6_addr = in6addr_loopback;
  return connectAddress(reinterpret_cast<const sockaddr*>(&address), sizeof(address));
}

Socket connectUnix(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  if (path[0] == '@') {
    address.sun_path[0] = '\0';
  }
  const size_t length = offsetof(sockaddr_un, sun_path) + path.size() + (path[0] == '@' ? 0 : 1);
  return connectAddress(reinterpret_cast<const sockaddr*>(&address), static_cast<socklen_t>(length));
}

bool sendAll(Socket& socket, const std::string& bytes) {
  size_t sent = 0;
  while (sent < bytes.size()) {
    const ssize_t part = send(socket.fd(), bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (part <= 0) {
      return false;
    }
    sent += static_cast<size_t>(part);
  }
  return true;
}

std::string receive(Socket& socket, size_t count) {
  std::string bytes(count, '\0');
  size_t got = 0;
  while (got < count) {
    const ssize_t part = recv(socket.fd(), bytes.data() + got, count - got, 0);
    if (part <= 0) {
      break;
    }
    got += static_cast<size_t>(part);
  }
  bytes.resize(got);
  return bytes;
}

void endSending(Socket& socket) { shutdown(socket.fd(), SHUT_WR); }

void reset(Socket& socket) {
  const linger now{1, 0};
  setsockopt(socket.fd(), SOL_SOCKET, SO_LINGER, &now, sizeof(now));
  socket = Socket();
}

bool endsWithReset(Socket& socket) {
  char bytes[4096];
  ssize_t count = 0;
  while ((count = recv(socket.fd(), bytes, sizeof(bytes), 0)) > 0) {
  }
  return count < 0 && errno == ECONNRESET;
}

std::string pattern(size_t count, uint32_t seed) {
  std::string bytes(count, '\0');
  for (char& byte : bytes) {
    seed = seed * 1664525 + 1013904223;
    byte = static_cast<char>(seed >> 24);
  }
  return bytes;
}

std::string greetingOf(uint16_t port, const std::string& from) { return Client::connect(port, from).greeting(); }

SteadyLoad::SteadyLoad(uint16_t port, int clients) {
  for (int i = 0; i < clients; ++i) {
    threads_.emplace_back([this, port] {
      while (!stopping_) {
        ++(greetingOf(port).empty() ? failed_ : greeted_);
      }
    });
  }
}

void SteadyLoad::stop() {
  stopping_ = true;
  for (std::thread& thread : threads_) {
    thread.join();
  }
  threads_.clear();
}

}  // namespace sluice::integration
