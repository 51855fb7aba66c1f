#include "control_plane_mock/relay.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

namespace sluice::control_plane_mock {
namespace {

constexpr size_t kMaxBuffered = 256 * 1024;

sockaddr_in loopback(uint16_t port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Relay>> Relay::start(uint16_t server_port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  sockaddr_in address = loopback(0);
  socklen_t length = sizeof(address);
  if (fd < 0 || bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0 || listen(fd, 16) != 0 ||
      getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    const absl::Status status = absl::InternalError(absl::StrCat("cannot listen: ", strerror(errno)));
    close(fd);
    return status;
  }
  const int wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  return std::unique_ptr<Relay>(new Relay(fd, wake, ntohs(address.sin_port), server_port));
}

Relay::Relay(int listen_fd, int wake_fd, uint16_t port, uint16_t server_port)
    : listen_fd_(listen_fd), wake_fd_(wake_fd), port_(port), server_port_(server_port) {
  thread_ = std::thread([this] { run(); });
}

Relay::~Relay() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    ending_ = true;
  }
  wake();
  thread_.join();
  closeAll();
  close(listen_fd_);
  close(wake_fd_);
}

void Relay::cutAfter(size_t bytes) {
  std::lock_guard<std::mutex> lock(mutex_);
  allowance_ = bytes;
  cut_at_end_ = true;
  wake();
}

void Relay::stallAfter(size_t bytes) {
  std::lock_guard<std::mutex> lock(mutex_);
  allowance_ = bytes;
  cut_at_end_ = false;
  wake();
}

void Relay::resume() {
  std::lock_guard<std::mutex> lock(mutex_);
  allowance_.reset();
  wake();
}

size_t Relay::cuts() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return cuts_;
}

void Relay::wake() {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(wake_fd_, &one, sizeof(one));
}

void Relay::run() {
  while (true) {
    bool stalled = false;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      if (ending_) {
        return;
      }
      if (allowance_ == 0u && cut_at_end_) {
        allowance_.reset();
        cuts_ += connections_.size();
        closeAll();
      }
      stalled = allowance_ == 0u;
    }
    std::vector<pollfd> polled = {{listen_fd_, POLLIN, 0}, {wake_fd_, POLLIN, 0}};
    for (const Connection& connection : connections_) {
      const auto reads = [](const Direction& direction) {
        return !direction.ended && direction.buffered.size() < kMaxBuffered ? POLLIN : 0;
      };
      const auto writes = [](const Direction& direction) { return direction.buffered.empty() ? 0 : POLLOUT; };
      polled.push_back(
          {connection.client, static_cast<short>(reads(connection.up) | (stalled ? 0 : writes(connection.down))), 0});
      polled.push_back({connection.server, static_cast<short>(reads(connection.down) | writes(connection.up)), 0});
    }
    poll(polled.data(), polled.size(), -1);
    uint64_t drained = 0;
    [[maybe_unused]] const ssize_t got = read(wake_fd_, &drained, sizeof(drained));
    size_t at = 2;
    for (Connection& connection : connections_) {
      const short client = polled[at++].revents;
      const short server = polled[at++].revents;
      constexpr short kEnd = POLLHUP | POLLERR;
      if ((client & (POLLIN | kEnd)) != 0) {
        readInto(connection, connection.up);
      }
      if ((server & (POLLIN | kEnd)) != 0) {
        readInto(connection, connection.down);
      }
      writeFrom(connection, connection.up, false);
      writeFrom(connection, connection.down, true);
    }
    connections_.remove_if([](const Connection& connection) {
      const bool over = connection.broken || (connection.up.ended && connection.up.buffered.empty()) ||
                        (connection.down.ended && connection.down.buffered.empty());
      if (over) {
        close(connection.client);
        close(connection.server);
      }
      return over;
    });
    if ((polled[0].revents & POLLIN) != 0) {
      accept();
    }
  }
}

void Relay::accept() {
  const int client = accept4(listen_fd_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (client < 0) {
    return;
  }
  const int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = loopback(server_port_);
  if (connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    close(client);
    close(server);
    return;
  }
  fcntl(server, F_SETFL, O_NONBLOCK);
  connections_.push_back({client, server, {client, server, "", false}, {server, client, "", false}, false});
}

void Relay::readInto(Connection& connection, Direction& direction) {
  if (direction.ended || direction.buffered.size() >= kMaxBuffered) {
    return;
  }
  char bytes[64 * 1024];
  const ssize_t got = recv(direction.from, bytes, sizeof(bytes), 0);
  if (got > 0) {
    direction.buffered.append(bytes, static_cast<size_t>(got));
  } else if (got == 0) {
    direction.ended = true;
  } else if (errno != EAGAIN) {
    connection.broken = true;
  }
}

void Relay::writeFrom(Connection& connection, Direction& direction, bool to_client) {
  if (direction.buffered.empty() || connection.broken) {
    return;
  }
  std::lock_guard<std::mutex> lock(mutex_);
  size_t length = direction.buffered.size();
  if (to_client && allowance_.has_value()) {
    length = std::min(length, *allowance_);
  }
  if (length == 0) {
    return;
  }
  const ssize_t written = send(direction.to, direction.buffered.data(), length, MSG_NOSIGNAL);
  if (written < 0) {
    connection.broken = errno != EAGAIN;
    return;
  }
  direction.buffered.erase(0, static_cast<size_t>(written));
  if (to_client && allowance_.has_value()) {
    *allowance_ -= static_cast<size_t>(written);
  }
}

void Relay::closeAll() {
  for (const Connection& connection : connections_) {
    close(connection.client);
    close(connection.server);
  }
  connections_.clear();
}

}  // namespace sluice::control_plane_mock
