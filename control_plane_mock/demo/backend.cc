#include "control_plane_mock/demo/backend.h"

#include <sys/socket.h>

#include <algorithm>

namespace sluice::demo {

Backend::Backend(std::string name) : name_(std::move(name)), listener_(listenOnLoopback(port_)) {
  acceptor_ = std::thread([this] { acceptAll(); });
}

Backend::~Backend() {
  stopping_ = true;
  shutdown(listener_.fd(), SHUT_RDWR);
  acceptor_.join();
  std::unique_lock<std::mutex> lock(open_mutex_);
  for (const int fd : open_) {
    shutdown(fd, SHUT_RDWR);
  }
  all_gone_.wait(lock, [this] { return open_.empty(); });
}

void Backend::acceptAll() {
  while (!stopping_) {
    const int fd = accept4(listener_.fd(), nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) {
      continue;
    }
    ++connections_;
    {
      const std::lock_guard<std::mutex> lock(open_mutex_);
      open_.push_back(fd);
    }
    std::thread([this, client = TcpSocket(fd)]() mutable { serve(std::move(client)); }).detach();
  }
}

void Backend::serve(TcpSocket client) {
  std::string line;
  while (client.readLine(line)) {
    ++requests_;
    if (!client.sendLine(name_ + " " + line)) {
      break;
    }
  }
  const std::lock_guard<std::mutex> lock(open_mutex_);
  open_.erase(std::find(open_.begin(), open_.end(), client.fd()));
  client = TcpSocket();
  all_gone_.notify_all();
}

}  // namespace sluice::demo
