#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace sluice::net {

/**
 * An IPv4, IPv6 or Unix socket address, as a small value: connections hold two or three of them. An IPv4-mapped IPv6
 * address that came from a socket is told as the IPv4 address that it is.
 */
class Address {
 public:
  enum class Kind : uint8_t { None, Ipv4, Ipv6, Pipe };

  Address() : bytes_{} {}
  Address(const Address& other);
  Address(Address&& other) noexcept;
  Address& operator=(const Address& other);
  Address& operator=(Address&& other) noexcept;
  ~Address();

  static Address fromSockaddr(const sockaddr* address, socklen_t length);
  /** `ip` is a literal address, never a name. */
  static absl::StatusOr<Address> ip(absl::string_view ip, uint16_t port);
  /** A path, or an abstract name that begins with '@' (Envoy's spelling). Fails when longer than sockaddr_un takes. */
  static absl::StatusOr<Address> pipe(absl::string_view path);

  Kind kind() const { return kind_; }
  bool isIp() const { return kind_ == Kind::Ipv4 || kind_ == Kind::Ipv6; }
  uint16_t port() const { return port_; }
  Address withPort(uint16_t port) const;
  /** 127.0.0.1 and ::1, as Envoy means it: not the rest of 127.0.0.0/8. */
  bool isLoopback() const;
  bool isAnyAddress() const;

  /** Network byte order; Ipv4 uses the first four bytes. Not for Pipe. */
  const uint8_t* bytes() const { return bytes_; }
  /** Empty for a socket without a name, as a Unix client's is. */
  const std::string& path() const;

  /** Fills `out`; the length to pass to bind() and connect(). `as_v6` maps an IPv4 address for an IPv6 socket. */
  socklen_t toSockaddr(sockaddr_storage& out, bool as_v6 = false) const;

  /** "127.0.0.1:80", "[::1]:80", "/run/x.sock"; without the port "127.0.0.1", "::1". */
  std::string toString() const;
  std::string ipString() const;

  friend bool operator==(const Address& a, const Address& b);
  template <typename H>
  friend H AbslHashValue(H h, const Address& a) {
    h = H::combine(std::move(h), a.kind_, a.port_, a.scope_id_);
    return a.kind_ == Kind::Pipe ? H::combine(std::move(h), a.path())
                                 : H::combine_contiguous(std::move(h), a.bytes_, sizeof(a.bytes_));
  }

 private:
  /** Copies share one path, also across threads: paths are few, addresses many. */
  struct SharedPath;

  static Address makePipe(std::string path);
  void swap(Address& other) noexcept;

  Kind kind_ = Kind::None;
  uint16_t port_ = 0;
  uint32_t scope_id_ = 0;
  union {
    uint8_t bytes_[16];
    SharedPath* path_;
  };
};

static_assert(sizeof(Address) == 24, "every connection holds several");

}  // namespace sluice::net
