#include "source/net/address.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstring>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace sluice::net {

struct Address::SharedPath {
  explicit SharedPath(std::string path) : text(std::move(path)) {}

  std::atomic<uint32_t> references{1};
  const std::string text;
};

Address::Address(const Address& other) : kind_(other.kind_), port_(other.port_), scope_id_(other.scope_id_) {
  std::memcpy(bytes_, other.bytes_, sizeof(bytes_));
  if (kind_ == Kind::Pipe && path_ != nullptr) {
    path_->references.fetch_add(1, std::memory_order_relaxed);
  }
}

Address::Address(Address&& other) noexcept : bytes_{} { swap(other); }

Address& Address::operator=(const Address& other) {
  Address copy(other);
  swap(copy);
  return *this;
}

Address& Address::operator=(Address&& other) noexcept {
  Address taken(std::move(other));
  swap(taken);
  return *this;
}

Address::~Address() {
  if (kind_ == Kind::Pipe && path_ != nullptr && path_->references.fetch_sub(1, std::memory_order_acq_rel) == 1) {
    delete path_;
  }
}

void Address::swap(Address& other) noexcept {
  std::swap(kind_, other.kind_);
  std::swap(port_, other.port_);
  std::swap(scope_id_, other.scope_id_);
  std::swap(bytes_, other.bytes_);
}

Address Address::fromSockaddr(const sockaddr* address, socklen_t length) {
  Address out;
  if (length < sizeof(address->sa_family)) {
    return out;
  }
  if (address->sa_family == AF_INET && length >= sizeof(sockaddr_in)) {
    sockaddr_in v4;
    std::memcpy(&v4, address, sizeof(v4));
    out.kind_ = Kind::Ipv4;
    out.port_ = ntohs(v4.sin_port);
    std::memcpy(out.bytes_, &v4.sin_addr, 4);
  } else if (address->sa_family == AF_INET6 && length >= sizeof(sockaddr_in6)) {
    sockaddr_in6 v6;
    std::memcpy(&v6, address, sizeof(v6));
    out.port_ = ntohs(v6.sin6_port);
    if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
      out.kind_ = Kind::Ipv4;
      std::memcpy(out.bytes_, v6.sin6_addr.s6_addr + 12, 4);
    } else {
      out.kind_ = Kind::Ipv6;
      out.scope_id_ = v6.sin6_scope_id;
      std::memcpy(out.bytes_, &v6.sin6_addr, 16);
    }
  } else if (address->sa_family == AF_UNIX) {
    const char* name = reinterpret_cast<const sockaddr_un*>(address)->sun_path;
    size_t size = length - offsetof(sockaddr_un, sun_path);
    if (size > 0 && name[0] == '\0') {
      // An abstract name is all of the bytes, NULs among them.
      return makePipe(absl::StrCat("@", absl::string_view(name + 1, size - 1)));
    }
    return makePipe(std::string(name, strnlen(name, size)));
  }
  return out;
}

absl::StatusOr<Address> Address::ip(absl::string_view ip, uint16_t port) {
  Address out;
  out.port_ = port;
  std::string literal(ip);
  if (inet_pton(AF_INET, literal.c_str(), out.bytes_) == 1) {
    out.kind_ = Kind::Ipv4;
    return out;
  }
  const size_t percent = literal.find('%');
  if (percent != std::string::npos) {
    const std::string scope = literal.substr(percent + 1);
    if (!absl::SimpleAtoi(scope, &out.scope_id_)) {
      out.scope_id_ = if_nametoindex(scope.c_str());
    }
    if (out.scope_id_ == 0) {
      return absl::InvalidArgumentError(absl::StrCat("'", ip, "' names no network interface after '%'"));
    }
    literal.resize(percent);
  }
  if (inet_pton(AF_INET6, literal.c_str(), out.bytes_) == 1) {
    out.kind_ = Kind::Ipv6;
    return out;
  }
  return absl::InvalidArgumentError(absl::StrCat("'", ip, "' is not an IPv4 or IPv6 address"));
}

absl::StatusOr<Address> Address::pipe(absl::string_view path) {
  if (path.empty()) {
    return absl::InvalidArgumentError("the path of a Unix socket is empty");
  }
  // A path in the file system ends with a NUL; an abstract name's leading '@' stands for one.
  const size_t most = sizeof(sockaddr_un::sun_path) - (path[0] == '@' ? 0 : 1);
  if (path.size() > most) {
    return absl::InvalidArgumentError(
        absl::StrCat("the path of a Unix socket has ", path.size(), " bytes, the most is ", most, ": '", path, "'"));
  }
  if (path[0] != '@' && path.find('\0') != absl::string_view::npos) {
    return absl::InvalidArgumentError("the path of a Unix socket holds a NUL byte");
  }
  return makePipe(std::string(path));
}

Address Address::makePipe(std::string path) {
  Address out;
  out.kind_ = Kind::Pipe;
  out.path_ = path.empty() ? nullptr : new SharedPath(std::move(path));
  return out;
}

Address Address::withPort(uint16_t port) const {
  Address out(*this);
  if (isIp()) {
    out.port_ = port;
  }
  return out;
}

bool Address::isLoopback() const {
  static constexpr uint8_t kLoopback4[4] = {127, 0, 0, 1};
  static constexpr uint8_t kLoopback6[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  return (kind_ == Kind::Ipv4 && std::memcmp(bytes_, kLoopback4, sizeof(kLoopback4)) == 0) ||
         (kind_ == Kind::Ipv6 && std::memcmp(bytes_, kLoopback6, sizeof(kLoopback6)) == 0);
}

bool Address::isAnyAddress() const {
  return isIp() && std::all_of(bytes_, bytes_ + sizeof(bytes_), [](uint8_t byte) { return byte == 0; });
}

const std::string& Address::path() const {
  static const std::string* const kNoPath = new std::string;
  return kind_ == Kind::Pipe && path_ != nullptr ? path_->text : *kNoPath;
}

socklen_t Address::toSockaddr(sockaddr_storage& out, bool as_v6) const {
  std::memset(&out, 0, sizeof(out));
  if (kind_ == Kind::Ipv4 && !as_v6) {
    auto& v4 = reinterpret_cast<sockaddr_in&>(out);
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port_);
    std::memcpy(&v4.sin_addr, bytes_, 4);
    return sizeof(v4);
  }
  if (isIp()) {
    auto& v6 = reinterpret_cast<sockaddr_in6&>(out);
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port_);
    v6.sin6_scope_id = scope_id_;
    if (kind_ == Kind::Ipv6) {
      std::memcpy(&v6.sin6_addr, bytes_, 16);
    } else {
      v6.sin6_addr.s6_addr[10] = v6.sin6_addr.s6_addr[11] = 0xff;
      std::memcpy(v6.sin6_addr.s6_addr + 12, bytes_, 4);
    }
    return sizeof(v6);
  }
  if (kind_ == Kind::Pipe) {
    auto& un = reinterpret_cast<sockaddr_un&>(out);
    un.sun_family = AF_UNIX;
    const std::string& name = path();
    std::memcpy(un.sun_path, name.data(), std::min(name.size(), sizeof(un.sun_path)));
    if (!name.empty() && name[0] == '@') {
      un.sun_path[0] = '\0';
      return offsetof(sockaddr_un, sun_path) + name.size();
    }
    return name.empty() ? sizeof(un.sun_family) : offsetof(sockaddr_un, sun_path) + name.size() + 1;
  }
  return 0;
}

std::string Address::toString() const {
  switch (kind_) {
    case Kind::Ipv4:
      return absl::StrCat(ipString(), ":", port_);
    case Kind::Ipv6:
      return absl::StrCat("[", ipString(), "]:", port_);
    case Kind::Pipe: {
      std::string text = path();
      std::replace(text.begin(), text.end(), '\0', '@');
      return text;
    }
    case Kind::None:
      break;
  }
  return "";
}

std::string Address::ipString() const {
  if (!isIp()) {
    return "";
  }
  char text[INET6_ADDRSTRLEN] = "";
  inet_ntop(kind_ == Kind::Ipv4 ? AF_INET : AF_INET6, bytes_, text, sizeof(text));
  return scope_id_ == 0 ? std::string(text) : absl::StrCat(text, "%", scope_id_);
}

bool operator==(const Address& a, const Address& b) {
  if (a.kind_ != b.kind_ || a.port_ != b.port_ || a.scope_id_ != b.scope_id_) {
    return false;
  }
  return a.kind_ == Address::Kind::Pipe ? a.path() == b.path() : std::memcmp(a.bytes_, b.bytes_, sizeof(a.bytes_)) == 0;
}

}  // namespace sluice::net
