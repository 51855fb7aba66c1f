#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "control_plane_mock/demo/sockets.h"

namespace sluice::integration {

using Socket = demo::TcpSocket;

/** A TCP server whose connections are each handled by `serve` on a thread of its own. */
class TcpServer {
 public:
  explicit TcpServer(std::function<void(Socket&)> serve);
  ~TcpServer();
  TcpServer(const TcpServer&) = delete;

  uint16_t port() const { return port_; }
  uint64_t accepted() const { return accepted_; }
  /** Connections that are being handled. */
  size_t open() const;

 private:
  void acceptAll();
  void handle(Socket socket);

  const std::function<void(Socket&)> serve_;
  uint16_t port_ = 0;
  Socket listener_;
  std::atomic<uint64_t> accepted_{0};
  std::atomic<bool> stopping_{false};
  mutable std::mutex mutex_;
  std::condition_variable gone_;
  std::vector<int> open_;
  std::thread acceptor_;
};

/** Greets with its name and sends every line back. */
class EchoServer : public TcpServer {
 public:
  explicit EchoServer(std::string name);
};

/** A client's connection to the proxy, whose greeting was read. */
class Client {
 public:
  static Client connect(uint16_t port, const std::string& from = "127.0.0.1");

  bool isOpen() const { return socket_.isOpen(); }
  /** The backend's greeting; empty when none came. */
  const std::string& greeting() const { return greeting_; }
  /** Sends a line and reads it back. */
  bool echo(const std::string& line);
  /** The peer's end comes within the limit; what it sent before is read away. */
  bool closesWithin(std::chrono::milliseconds limit);
  Socket& socket() { return socket_; }

 private:
  Socket socket_;
  std::string greeting_;
};

// Bytes, on sockets that wait.

/** To the proxy, without reading anything. */
Socket connectTo(uint16_t port, const std::string& from = "127.0.0.1");
Socket connectIpv6(uint16_t port);
/** "@name" is an abstract one. */
Socket connectUnix(const std::string& path);
bool sendAll(Socket& socket, const std::string& bytes);
/** So many bytes; fewer at the end, on an error, and when the limit passes. */
std::string receive(Socket& socket, size_t count);
/** The other side reads the end; what it sends is still read here. */
void endSending(Socket& socket);
/** Closes with an RST. */
void reset(Socket& socket);
/** Waits for the connection's end: whether it was an RST. What comes before is read away. */
bool endsWithReset(Socket& socket);
/** As random as it needs to be for a mix-up to show. */
std::string pattern(size_t count, uint32_t seed);

/** The greeting that a new connection gets; empty when it is refused or closed without one. */
std::string greetingOf(uint16_t port, const std::string& from = "127.0.0.1");

/** New connections without end, from a few threads, each of which must be greeted; until stop(). */
class SteadyLoad {
 public:
  SteadyLoad(uint16_t port, int clients);
  ~SteadyLoad() { stop(); }
  void stop();
  uint64_t greeted() const { return greeted_; }
  uint64_t failed() const { return failed_; }

 private:
  std::atomic<bool> stopping_{false};
  std::atomic<uint64_t> greeted_{0};
  std::atomic<uint64_t> failed_{0};
  std::vector<std::thread> threads_;
};

}  // namespace sluice::integration
