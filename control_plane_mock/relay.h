#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"

namespace sluice::control_plane_mock {

/**
 * A TCP relay in front of a server, for what no server would do by itself: end a connection in the middle of a message, or
 * fall silent there. All functions are for any thread; one thread of its own moves the bytes.
 */
class Relay {
 public:
  /** Listens on a free port of 127.0.0.1 and connects to this port of it. */
  static absl::StatusOr<std::unique_ptr<Relay>> start(uint16_t server_port);
  ~Relay();

  uint16_t port() const { return port_; }
  /** Lets this many more bytes through to the client, then closes every connection; new ones are whole again. */
  void cutAfter(size_t bytes);
  /** Lets this many more bytes through to the client, then nothing until resume(); connections stay open. */
  void stallAfter(size_t bytes);
  void resume();
  /** How often a connection was cut. */
  size_t cuts() const;

 private:
  struct Direction {
    int from;
    int to;
    std::string buffered;
    bool ended = false;
  };
  struct Connection {
    int client;
    int server;
    Direction up;
    Direction down;
    bool broken = false;
  };

  Relay(int listen_fd, int wake_fd, uint16_t port, uint16_t server_port);
  void run();
  void accept();
  void readInto(Connection& connection, Direction& direction);
  void writeFrom(Connection& connection, Direction& direction, bool to_client);
  void closeAll();
  void wake();

  const int listen_fd_;
  const int wake_fd_;
  const uint16_t port_;
  const uint16_t server_port_;
  std::list<Connection> connections_;

  /** Guards what follows, which the script changes. */
  mutable std::mutex mutex_;
  std::optional<size_t> allowance_;
  bool cut_at_end_ = false;
  size_t cuts_ = 0;
  bool ending_ = false;

  std::thread thread_;
};

}  // namespace sluice::control_plane_mock
