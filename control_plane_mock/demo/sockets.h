#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace sluice::demo {

/** A blocking TCP socket on loopback with a time limit for each call; move-only. */
class TcpSocket {
 public:
  TcpSocket() = default;
  explicit TcpSocket(int fd) : fd_(fd) {}
  TcpSocket(TcpSocket&& other) noexcept : fd_(other.fd_), rest_(std::move(other.rest_)) { other.fd_ = -1; }
  TcpSocket& operator=(TcpSocket&& other) noexcept;
  ~TcpSocket();

  /** From `source` (such as "127.0.0.2") to 127.0.0.1:`port`; not open when it is refused. */
  static TcpSocket connect(const std::string& source, uint16_t port, std::chrono::milliseconds limit);

  bool isOpen() const { return fd_ >= 0; }
  int fd() const { return fd_; }
  bool sendLine(const std::string& line);
  /** False at the end, on an error, and when the limit passes. */
  bool readLine(std::string& line);
  /** Everything up to the end, an error or the limit. */
  std::string readAll();
  /** Whether the peer has closed, without waiting. */
  bool peerClosed() const;

 private:
  int fd_ = -1;
  std::string rest_;
};

/** A listening socket on 127.0.0.1 and a port that the system chose. */
TcpSocket listenOnLoopback(uint16_t& port);
/** A port that was free a moment ago. */
uint16_t freePort();

}  // namespace sluice::demo
