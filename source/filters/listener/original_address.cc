#include "source/filters/listener/original_address.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <utility>

#include "envoy/extensions/filters/listener/original_dst/v3/original_dst.pb.h"
#include "envoy/extensions/filters/listener/original_src/v3/original_src.pb.h"

#include "source/base/logging.h"
#include "source/filters/listener/filter_config.h"

namespace sluice::filters {
namespace {

// SO_ORIGINAL_DST and IP6T_SO_ORIGINAL_DST, whose headers (linux/netfilter_ipv4.h and its like) do not go with
// netinet/in.h.
constexpr int kOriginalDst = 80;

int option(int fd, int level, int name) {
  int value = 0;
  socklen_t length = sizeof(value);
  return ::getsockopt(fd, level, name, &value, &length) == 0 ? value : 0;
}

/** Kind::None when the kernel knows of no other destination than the socket's own address. */
net::Address originalDestination(int fd) {
  const bool ipv6 = option(fd, SOL_SOCKET, SO_DOMAIN) == AF_INET6;
  sockaddr_storage address{};
  socklen_t length = sizeof(address);
  // An IPv6 socket may hold an IPv4 connection, which the kernel tracked as such.
  if ((ipv6 && ::getsockopt(fd, SOL_IPV6, kOriginalDst, &address, &length) == 0) ||
      (length = sizeof(address), ::getsockopt(fd, SOL_IP, kOriginalDst, &address, &length) == 0)) {
    return net::Address::fromSockaddr(reinterpret_cast<const sockaddr*>(&address), length);
  }
  return {};
}

bool isTransparent(int fd) {
  return option(fd, SOL_IP, IP_TRANSPARENT) != 0 || option(fd, SOL_IPV6, IPV6_TRANSPARENT) != 0;
}

/** Knows all it needs when the connection comes. */
class OriginalDst final : public net::ListenerFilter {
 public:
  net::FilterStatus onAccept(net::ListenerFilterCallbacks& callbacks) override {
    net::StreamInfo& info = callbacks.streamInfo();
    if (!info.downstream_local.isIp()) {
      return net::FilterStatus::Continue;
    }
    net::Address original = originalDestination(callbacks.fd());
    if (original.isIp()) {
      LOG_TRACE(filter, "a connection from {} to {} was going to {}", info.downstream_remote.toString(),
                info.downstream_local.toString(), original.toString());
      info.restoreLocal(std::move(original));
    } else if (isTransparent(callbacks.fd())) {
      // With TPROXY the socket's own address is where the client was going.
      info.makeExtras().local_address_restored = true;
    }
    return net::FilterStatus::Continue;
  }
  size_t maxReadBytes() const override { return 0; }
  net::FilterStatus onData(absl::string_view, bool, size_t&) override { return net::FilterStatus::Continue; }
};

class OriginalDstConfig final : public ListenerFilterSettings {
 public:
  std::unique_ptr<net::ListenerFilter> create() const override { return std::make_unique<OriginalDst>(); }
};

class OriginalSrc final : public net::ListenerFilter {
 public:
  OriginalSrc(bool bind_port, uint32_t mark) : bind_port_(bind_port), mark_(mark) {}

  net::FilterStatus onAccept(net::ListenerFilterCallbacks& callbacks) override {
    net::StreamInfo& info = callbacks.streamInfo();
    const net::Address& client = info.downstream_remote;
    if (!client.isIp()) {
      return net::FilterStatus::Continue;
    }
    net::UpstreamWishes& wishes = info.makeExtras().makeUpstreamWishes();
    wishes.source = bind_port_ ? client : client.withPort(0);
    wishes.mark = mark_;
    return net::FilterStatus::Continue;
  }
  size_t maxReadBytes() const override { return 0; }
  net::FilterStatus onData(absl::string_view, bool, size_t&) override { return net::FilterStatus::Continue; }

 private:
  const bool bind_port_;
  const uint32_t mark_;
};

class OriginalSrcConfig final : public ListenerFilterSettings {
 public:
  OriginalSrcConfig(bool bind_port, uint32_t mark) : bind_port_(bind_port), mark_(mark) {}
  std::unique_ptr<net::ListenerFilter> create() const override {
    return std::make_unique<OriginalSrc>(bind_port_, mark_);
  }

 private:
  const bool bind_port_;
  const uint32_t mark_;
};

class OriginalDstFactory final : public listener::ListenerFilterFactory {
 public:
  absl::string_view messageName() const override {
    return envoy::extensions::filters::listener::original_dst::v3::OriginalDst::descriptor()->full_name();
  }
  std::shared_ptr<const net::ListenerFilterConfig> create(const google::protobuf::Message&, const config::FieldPath&,
                                                          listener::FactoryContext&,
                                                          config::Violations&) const override {
    return std::make_shared<const OriginalDstConfig>();
  }
};

class OriginalSrcFactory final : public listener::ListenerFilterFactory {
 public:
  using Proto = envoy::extensions::filters::listener::original_src::v3::OriginalSrc;
  absl::string_view messageName() const override { return Proto::descriptor()->full_name(); }
  std::shared_ptr<const net::ListenerFilterConfig> create(const google::protobuf::Message& message,
                                                          const config::FieldPath&, listener::FactoryContext&,
                                                          config::Violations&) const override {
    const auto& proto = static_cast<const Proto&>(message);
    return std::make_shared<const OriginalSrcConfig>(proto.bind_port(), proto.mark());
  }
};

}  // namespace

std::unique_ptr<listener::ListenerFilterFactory> originalDstFactory() { return std::make_unique<OriginalDstFactory>(); }

std::unique_ptr<listener::ListenerFilterFactory> originalSrcFactory() { return std::make_unique<OriginalSrcFactory>(); }

}  // namespace sluice::filters
