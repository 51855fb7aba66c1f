#pragma once

#include <sys/socket.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "source/net/address.h"

namespace sluice::net {

/** Owns a descriptor; move-only. */
class Socket {
 public:
  Socket() = default;
  explicit Socket(int fd) : fd_(fd) {}
  Socket(Socket&& other) noexcept : fd_(other.release()) {}
  Socket& operator=(Socket&& other) noexcept;
  ~Socket() { close(); }

  int fd() const { return fd_; }
  bool isOpen() const { return fd_ >= 0; }
  int release() {
    int fd = fd_;
    fd_ = -1;
    return fd;
  }
  void close();

 private:
  int fd_ = -1;
};

/** envoy.config.core.v3.SocketOption as plain data. */
struct SocketOption {
  enum class State : uint8_t { Prebind, Bound, Listening };
  int level = 0;
  int name = 0;
  std::string value;  // the bytes handed to setsockopt()
  State state = State::Prebind;
  std::string description;

  friend bool operator==(const SocketOption&, const SocketOption&) = default;
};

struct TcpKeepalive {
  std::optional<uint32_t> probes;
  std::optional<uint32_t> time_seconds;
  std::optional<uint32_t> interval_seconds;

  friend bool operator==(const TcpKeepalive&, const TcpKeepalive&) = default;
};

/** How upstream connections are made; part of a cluster's structural key. */
struct ClientSocketOptions {
  std::optional<Address> source;
  /** Taken in place of `source`, and with options of its own in place of `options`, where this one's family is wanted. */
  struct ExtraSource {
    Address address;
    std::optional<std::vector<SocketOption>> options;

    friend bool operator==(const ExtraSource&, const ExtraSource&) = default;
  };
  std::vector<ExtraSource> extra_sources;
  bool freebind = false;
  std::optional<TcpKeepalive> keepalive;
  std::vector<SocketOption> options;

  friend bool operator==(const ClientSocketOptions&, const ClientSocketOptions&) = default;
};

/** How one address of a listener is listened on; where two agree, an update keeps the descriptors. */
struct ListenSocketOptions {
  Address address;
  bool reuse_port = true;
  bool freebind = false;
  /** IP_TRANSPARENT; wants CAP_NET_ADMIN. */
  bool transparent = false;
  /** An IPv6 socket takes IPv4 connections, too. */
  bool ipv4_compat = false;
  /** Of a Unix socket's file; 0 leaves it to the umask. */
  uint32_t pipe_mode = 0;
  std::optional<uint32_t> tcp_fast_open_queue;
  std::optional<TcpKeepalive> keepalive;
  std::vector<SocketOption> options;

  friend bool operator==(const ListenSocketOptions&, const ListenSocketOptions&) = default;
};

/**
 * Makes, sets up and binds a listening socket, and does not listen yet. The error names the address, the call and errno's
 * text. A stale Unix socket file that nobody listens on is replaced.
 */
absl::StatusOr<Socket> bindListenSocket(const ListenSocketOptions& options);
/** listen() and the options of the state after it. */
absl::Status startListening(const Socket& socket, const ListenSocketOptions& options, int backlog);
absl::StatusOr<Address> localAddress(const Socket& socket);
/** Kind::None when the socket has no peer. */
Address remoteAddress(const Socket& socket);

/**
 * Takes one connection out of the queue, non-blocking. Returns 0, or errno: EAGAIN when the queue is empty, and of the
 * others only EMFILE, ENFILE, ENOBUFS and ENOMEM speak of this machine rather than of that one peer. What listeners
 * set (TCP_NODELAY, keep-alive) an accepted socket has from the start, so it costs no further call.
 */
int acceptConnection(int listen_fd, Socket& accepted, Address& remote);

/** A system call that failed; `call` is a static text. Fine when `error`, an errno, is 0. */
struct SocketError {
  const char* call = nullptr;
  int error = 0;
};

/** Makes, sets up and binds (where a source is given) a socket for connecting to `remote`, and does not connect. */
SocketError makeClientSocket(const Address& remote, const ClientSocketOptions& options, Socket& socket);

}  // namespace sluice::net
