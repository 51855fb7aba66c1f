#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "control_plane_mock/demo/sockets.h"

namespace sluice::demo {

/** A server that answers each line "x" with "<name> x", and counts. Its own threads, one for each connection. */
class Backend {
 public:
  explicit Backend(std::string name);
  ~Backend();

  uint16_t port() const { return port_; }
  uint64_t requests() const { return requests_; }
  uint64_t connections() const { return connections_; }

 private:
  void acceptAll();
  void serve(TcpSocket client);

  const std::string name_;
  uint16_t port_ = 0;
  TcpSocket listener_;
  std::atomic<uint64_t> requests_{0};
  std::atomic<uint64_t> connections_{0};
  std::atomic<bool> stopping_{false};
  // The clients' threads come and go with their connections; the destructor waits for the last.
  std::mutex open_mutex_;
  std::condition_variable all_gone_;
  std::vector<int> open_;
  std::thread acceptor_;
};

}  // namespace sluice::demo
