#pragma once

#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"

#include "source/base/assert.h"
#include "source/net/socket.h"

namespace sluice::test {

/** A listening socket on a free port of 127.0.0.1, and its address. */
struct ListeningSocket {
  net::Socket socket;
  net::Address address;
};

inline ListeningSocket listenOnLoopback(int backlog = 128) {
  net::ListenSocketOptions options;
  options.address = *net::Address::ip("127.0.0.1", 0);
  absl::StatusOr<net::Socket> socket = net::bindListenSocket(options);
  SLUICE_CHECK(socket.ok(), socket.status().message());
  SLUICE_CHECK(net::startListening(*socket, options, backlog).ok(), "listen failed");
  net::Address address = *net::localAddress(*socket);
  return {*std::move(socket), std::move(address)};
}

/** A listening socket whose queue is full: it answers no SYN, so that connecting to it takes for ever. */
class FullListener {
 public:
  FullListener() {
    for (net::Socket& filler : fillers_) {
      filler = net::Socket(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
      sockaddr_storage to;
      const socklen_t length = address().toSockaddr(to);
      ::connect(filler.fd(), reinterpret_cast<sockaddr*>(&to), length);
    }
  }
  const net::Address& address() const { return listening_.address; }

 private:
  const ListeningSocket listening_ = listenOnLoopback(0);
  std::array<net::Socket, 4> fillers_;
};

/** Both ends of an established TCP connection over loopback, non-blocking. */
inline std::pair<net::Socket, net::Socket> tcpPair() {
  ListeningSocket listening = listenOnLoopback();
  net::Socket client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_storage to;
  const socklen_t length = listening.address.toSockaddr(to);
  SLUICE_CHECK(::connect(client.fd(), reinterpret_cast<sockaddr*>(&to), length) == 0, "connect failed");
  pollfd ready{listening.socket.fd(), POLLIN, 0};
  ::poll(&ready, 1, -1);
  net::Socket server;
  net::Address remote;
  SLUICE_CHECK(net::acceptConnection(listening.socket.fd(), server, remote) == 0, "accept failed");
  int on = 1;
  SLUICE_CHECK(::ioctl(client.fd(), FIONBIO, &on) == 0, "ioctl failed");
  return {std::move(server), std::move(client)};
}

/** Both ends of a Unix stream socket pair, non-blocking. */
inline std::pair<net::Socket, net::Socket> unixPair() {
  int fds[2];
  SLUICE_CHECK(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0, "socketpair failed");
  return {net::Socket(fds[0]), net::Socket(fds[1])};
}

/** Sends what the socket takes now; returns how many bytes. */
inline size_t sendSome(const net::Socket& socket, absl::string_view bytes) {
  size_t sent = 0;
  while (sent < bytes.size()) {
    const ssize_t part = ::send(socket.fd(), bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (part <= 0) {
      break;
    }
    sent += part;
  }
  return sent;
}

/** What a peer that looks without waiting sees. */
struct Received {
  std::string bytes;
  bool end = false;
  /** errno of what ended the connection. */
  int error = 0;
};

/** Appends what waits in the socket to `into`. */
inline void receiveSome(const net::Socket& socket, Received& into, size_t most = SIZE_MAX) {
  char chunk[16384];
  while (most > 0) {
    const ssize_t part = ::recv(socket.fd(), chunk, std::min(most, sizeof(chunk)), MSG_DONTWAIT);
    if (part > 0) {
      into.bytes.append(chunk, part);
      most -= part;
      continue;
    }
    if (part == 0) {
      into.end = true;
    } else if (errno != EAGAIN) {
      into.error = errno;
    }
    return;
  }
}

/** The next close() of the socket sends an RST. */
inline void resetOnClose(const net::Socket& socket) {
  const linger reset{1, 0};
  ::setsockopt(socket.fd(), SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
}

}  // namespace sluice::test
