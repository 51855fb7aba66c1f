#include "control_plane_mock/demo/sockets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace sluice::demo {
namespace {

sockaddr_in loopback(const std::string& ip, uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  inet_pton(AF_INET, ip.c_str(), &address.sin_addr);
  return address;
}

}  // namespace

TcpSocket& TcpSocket::operator=(TcpSocket&& other) noexcept {
  if (this != &other) {
    if (fd_ >= 0) {
      close(fd_);
    }
    fd_ = other.fd_;
    other.fd_ = -1;
    rest_ = std::move(other.rest_);
  }
  return *this;
}

TcpSocket::~TcpSocket() {
  if (fd_ >= 0) {
    close(fd_);
  }
}

TcpSocket TcpSocket::connect(const std::string& source, uint16_t port, std::chrono::milliseconds limit) {
  TcpSocket socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const timeval time{limit.count() / 1000, (limit.count() % 1000) * 1000};
  const int one = 1;
  setsockopt(socket.fd_, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time));
  setsockopt(socket.fd_, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof(time));
  setsockopt(socket.fd_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
  setsockopt(socket.fd_, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
  const sockaddr_in from = loopback(source, 0);
  const sockaddr_in to = loopback("127.0.0.1", port);
  if (bind(socket.fd_, reinterpret_cast<const sockaddr*>(&from), sizeof(from)) != 0 ||
      ::connect(socket.fd_, reinterpret_cast<const sockaddr*>(&to), sizeof(to)) != 0) {
    return TcpSocket();
  }
  return socket;
}

bool TcpSocket::sendLine(const std::string& line) {
  const std::string text = line + "\n";
  size_t sent = 0;
  while (sent < text.size()) {
    const ssize_t n = send(fd_, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
    if (n <= 0) {
      return false;
    }
    sent += static_cast<size_t>(n);
  }
  return true;
}

bool TcpSocket::readLine(std::string& line) {
  for (;;) {
    const size_t end = rest_.find('\n');
    if (end != std::string::npos) {
      line = rest_.substr(0, end);
      rest_.erase(0, end + 1);
      return true;
    }
    char bytes[4096];
    const ssize_t n = recv(fd_, bytes, sizeof(bytes), 0);
    if (n <= 0) {
      return false;
    }
    rest_.append(bytes, static_cast<size_t>(n));
  }
}

std::string TcpSocket::readAll() {
  std::string all = std::move(rest_);
  rest_.clear();
  char bytes[16384];
  ssize_t n = 0;
  while ((n = recv(fd_, bytes, sizeof(bytes), 0)) > 0) {
    all.append(bytes, static_cast<size_t>(n));
  }
  return all;
}

bool TcpSocket::peerClosed() const {
  char byte;
  const ssize_t n = recv(fd_, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK);
}

TcpSocket listenOnLoopback(uint16_t& port) {
  TcpSocket socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = loopback("127.0.0.1", 0);
  socklen_t length = sizeof(address);
  if (bind(socket.fd(), reinterpret_cast<sockaddr*>(&address), length) != 0 || listen(socket.fd(), 1024) != 0 ||
      getsockname(socket.fd(), reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    perror("cannot listen on 127.0.0.1");
    std::exit(1);
  }
  port = ntohs(address.sin_port);
  return socket;
}

uint16_t freePort() {
  uint16_t port = 0;
  listenOnLoopback(port);
  return port;
}

}  // namespace sluice::demo
