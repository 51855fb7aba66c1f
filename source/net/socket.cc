#include "source/net/socket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace sluice::net {
namespace {

absl::Status failed(absl::string_view call, const Address& address, int error) {
  return absl::Status(absl::ErrnoToStatusCode(error),
                      absl::StrCat("cannot ", call, " '", address.toString(), "': ", strerror(error)));
}

int familyOf(const Address& address) {
  switch (address.kind()) {
    case Address::Kind::Ipv6:
      return AF_INET6;
    case Address::Kind::Pipe:
      return AF_UNIX;
    default:
      return AF_INET;
  }
}

/** Collects setsockopt() calls and remembers the first that failed. */
class OptionSetter {
 public:
  explicit OptionSetter(int fd) : fd_(fd) {}

  void set(int level, int name, int value, const char* text) { set(level, name, &value, sizeof(value), text); }
  void set(int level, int name, const void* value, socklen_t length, const char* text) {
    if (error_.error == 0 && setsockopt(fd_, level, name, value, length) != 0) {
      error_ = {text, errno};
    }
  }
  void setAll(const std::vector<SocketOption>& options, SocketOption::State state) {
    for (const SocketOption& option : options) {
      if (option.state == state && error_.error == 0) {
        set(option.level, option.name, option.value.data(), option.value.size(), "set a configured socket option on");
        if (error_.error != 0) {
          failed_option_ = &option;
        }
      }
    }
  }
  void setKeepalive(const TcpKeepalive& keepalive) {
    set(SOL_SOCKET, SO_KEEPALIVE, 1, "set SO_KEEPALIVE on");
    if (keepalive.probes) {
      set(IPPROTO_TCP, TCP_KEEPCNT, static_cast<int>(*keepalive.probes), "set TCP_KEEPCNT on");
    }
    if (keepalive.time_seconds) {
      set(IPPROTO_TCP, TCP_KEEPIDLE, static_cast<int>(*keepalive.time_seconds), "set TCP_KEEPIDLE on");
    }
    if (keepalive.interval_seconds) {
      set(IPPROTO_TCP, TCP_KEEPINTVL, static_cast<int>(*keepalive.interval_seconds), "set TCP_KEEPINTVL on");
    }
  }

  const SocketError& error() const { return error_; }
  absl::Status status(const Address& address) const {
    if (error_.error == 0) {
      return absl::OkStatus();
    }
    if (failed_option_ == nullptr) {
      return failed(error_.call, address, error_.error);
    }
    const std::string named =
        failed_option_->description.empty() ? "" : absl::StrCat(" (", failed_option_->description, ")");
    return failed(absl::StrCat("set socket option ", failed_option_->level, "/", failed_option_->name, named, " on"),
                  address, error_.error);
  }

 private:
  const int fd_;
  SocketError error_;
  const SocketOption* failed_option_ = nullptr;
};

void setFreebind(OptionSetter& setter, const Address& address) {
  if (address.kind() == Address::Kind::Ipv4) {
    setter.set(IPPROTO_IP, IP_FREEBIND, 1, "set IP_FREEBIND on");
  } else if (address.kind() == Address::Kind::Ipv6) {
    setter.set(IPPROTO_IPV6, IPV6_FREEBIND, 1, "set IPV6_FREEBIND on");
  }
}

/** True when the path is a socket's that refuses connections: what an ended process left behind. */
bool isStaleSocketFile(const Address& address) {
  struct stat file;
  if (lstat(address.path().c_str(), &file) != 0 || !S_ISSOCK(file.st_mode)) {
    return false;
  }
  Socket probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  sockaddr_storage to;
  const socklen_t length = address.toSockaddr(to);
  return probe.isOpen() && ::connect(probe.fd(), reinterpret_cast<sockaddr*>(&to), length) != 0 &&
         errno == ECONNREFUSED;
}

int bindTo(const Socket& socket, const Address& address) {
  sockaddr_storage to;
  const socklen_t length = address.toSockaddr(to);
  return ::bind(socket.fd(), reinterpret_cast<sockaddr*>(&to), length) == 0 ? 0 : errno;
}

}  // namespace

Socket& Socket::operator=(Socket&& other) noexcept {
  if (this != &other) {
    close();
    fd_ = other.release();
  }
  return *this;
}

void Socket::close() {
  if (fd_ >= 0) {
    ::close(fd_);
    fd_ = -1;
  }
}

absl::StatusOr<Socket> bindListenSocket(const ListenSocketOptions& options) {
  const Address& address = options.address;
  Socket socket(::socket(familyOf(address), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket.isOpen()) {
    return failed("make a socket for", address, errno);
  }
  OptionSetter setter(socket.fd());
  if (address.isIp()) {
    setter.set(SOL_SOCKET, SO_REUSEADDR, 1, "set SO_REUSEADDR on");
    if (options.reuse_port) {
      setter.set(SOL_SOCKET, SO_REUSEPORT, 1, "set SO_REUSEPORT on");
    }
    if (address.kind() == Address::Kind::Ipv6) {
      setter.set(IPPROTO_IPV6, IPV6_V6ONLY, options.ipv4_compat ? 0 : 1, "set IPV6_V6ONLY on");
    }
    if (options.freebind) {
      setFreebind(setter, address);
    }
    if (options.transparent) {
      if (address.kind() == Address::Kind::Ipv4) {
        setter.set(IPPROTO_IP, IP_TRANSPARENT, 1, "set IP_TRANSPARENT on");
      } else {
        setter.set(IPPROTO_IPV6, IPV6_TRANSPARENT, 1, "set IPV6_TRANSPARENT on");
      }
    }
    setter.set(IPPROTO_TCP, TCP_NODELAY, 1, "set TCP_NODELAY on");
    if (options.keepalive) {
      setter.setKeepalive(*options.keepalive);
    }
  }
  setter.setAll(options.options, SocketOption::State::Prebind);
  if (absl::Status status = setter.status(address); !status.ok()) {
    return status;
  }
  int error = bindTo(socket, address);
  const bool has_file = address.kind() == Address::Kind::Pipe && address.path()[0] != '@';
  if (error == EADDRINUSE && has_file && isStaleSocketFile(address)) {
    ::unlink(address.path().c_str());
    error = bindTo(socket, address);
  }
  if (error != 0) {
    return failed("bind", address, error);
  }
  if (has_file && options.pipe_mode != 0 && ::chmod(address.path().c_str(), options.pipe_mode) != 0) {
    return failed("set the mode of", address, errno);
  }
  setter.setAll(options.options, SocketOption::State::Bound);
  if (absl::Status status = setter.status(address); !status.ok()) {
    return status;
  }
  return socket;
}

absl::Status startListening(const Socket& socket, const ListenSocketOptions& options, int backlog) {
  OptionSetter setter(socket.fd());
  if (options.tcp_fast_open_queue && options.address.isIp()) {
    setter.set(IPPROTO_TCP, TCP_FASTOPEN, static_cast<int>(*options.tcp_fast_open_queue), "set TCP_FASTOPEN on");
  }
  if (setter.error().error == 0 && ::listen(socket.fd(), backlog) != 0) {
    return failed("listen on", options.address, errno);
  }
  setter.setAll(options.options, SocketOption::State::Listening);
  return setter.status(options.address);
}

absl::StatusOr<Address> localAddress(const Socket& socket) {
  sockaddr_storage storage;
  socklen_t length = sizeof(storage);
  if (::getsockname(socket.fd(), reinterpret_cast<sockaddr*>(&storage), &length) != 0) {
    const int error = errno;
    return absl::Status(absl::ErrnoToStatusCode(error),
                        absl::StrCat("cannot tell a socket's address: ", strerror(error)));
  }
  return Address::fromSockaddr(reinterpret_cast<sockaddr*>(&storage), length);
}

Address remoteAddress(const Socket& socket) {
  sockaddr_storage storage;
  socklen_t length = sizeof(storage);
  if (::getpeername(socket.fd(), reinterpret_cast<sockaddr*>(&storage), &length) != 0) {
    return Address();
  }
  return Address::fromSockaddr(reinterpret_cast<sockaddr*>(&storage), length);
}

int acceptConnection(int listen_fd, Socket& accepted, Address& remote) {
  sockaddr_storage storage;
  int fd;
  socklen_t length;
  do {
    length = sizeof(storage);
    fd = ::accept4(listen_fd, reinterpret_cast<sockaddr*>(&storage), &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) {
    return errno;
  }
  accepted = Socket(fd);
  remote = Address::fromSockaddr(reinterpret_cast<sockaddr*>(&storage), length);
  return 0;
}

SocketError makeClientSocket(const Address& remote, const ClientSocketOptions& options, Socket& socket) {
  const Address* source = options.source.has_value() && remote.isIp() ? &*options.source : nullptr;
  const std::vector<SocketOption>* more = &options.options;
  if (source != nullptr && source->kind() != remote.kind()) {
    for (const ClientSocketOptions::ExtraSource& extra : options.extra_sources) {
      if (extra.address.kind() == remote.kind()) {
        source = &extra.address;
        more = extra.options.has_value() ? &*extra.options : more;
        break;
      }
    }
  }
  socket = Socket(::socket(familyOf(remote), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket.isOpen()) {
    return {"make a socket for", errno};
  }
  OptionSetter setter(socket.fd());
  if (remote.isIp()) {
    setter.set(IPPROTO_TCP, TCP_NODELAY, 1, "set TCP_NODELAY on");
    if (options.keepalive) {
      setter.setKeepalive(*options.keepalive);
    }
    if (options.freebind) {
      setFreebind(setter, remote);
    }
    if (source != nullptr && source->port() == 0) {
      // The port is then chosen by connect(), which knows the whole four-tuple: many more connections fit.
      setter.set(IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1, "set IP_BIND_ADDRESS_NO_PORT on");
    }
  }
  setter.setAll(*more, SocketOption::State::Prebind);
  if (setter.error().error != 0) {
    return setter.error();
  }
  if (source != nullptr) {
    if (const int error = bindTo(socket, *source); error != 0) {
      return {"bind", error};
    }
  }
  setter.setAll(*more, SocketOption::State::Bound);
  return setter.error();
}

}  // namespace sluice::net
