#include "source/net/config.h"

#include <cstdint>
#include <limits>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

namespace sluice::net {
namespace {

namespace core = envoy::config::core::v3;

std::string bytesOf(int value) { return std::string(reinterpret_cast<const char*>(&value), sizeof(value)); }

bool fitsInt(int64_t value) {
  // Flag words are often written unsigned.
  return value >= std::numeric_limits<int32_t>::min() && value <= std::numeric_limits<uint32_t>::max();
}

SocketOption::State toState(core::SocketOption::SocketState state) {
  switch (state) {
    case core::SocketOption::STATE_BOUND:
      return SocketOption::State::Bound;
    case core::SocketOption::STATE_LISTENING:
      return SocketOption::State::Listening;
    default:
      return SocketOption::State::Prebind;
  }
}

}  // namespace

std::optional<Address> toAddress(const core::SocketAddress& proto, const config::FieldPath& path,
                                 config::Violations& violations) {
  const size_t before = violations.size();
  if (proto.protocol() != core::SocketAddress::TCP) {
    violations.add(path.field("protocol"), "UDP is not supported");
  }
  if (!proto.resolver_name().empty()) {
    violations.add(path.field("resolver_name"), "custom resolvers are not supported");
  }
  if (!proto.network_namespace_filepath().empty()) {
    violations.add(path.field("network_namespace_filepath"), "network namespaces are not supported");
  }
  switch (proto.port_specifier_case()) {
    case core::SocketAddress::kPortValue:
      if (proto.port_value() > 65535) {
        violations.add(path.field("port_value"), absl::StrCat(proto.port_value(), " is above 65535"));
      }
      break;
    case core::SocketAddress::kNamedPort:
      violations.add(path.field("named_port"), "named ports are not supported; give port_value");
      break;
    case core::SocketAddress::PORT_SPECIFIER_NOT_SET:
      violations.add(path, "needs port_value");
      break;
  }
  absl::StatusOr<Address> address = Address::ip(proto.address(), static_cast<uint16_t>(proto.port_value()));
  if (!address.ok()) {
    violations.add(path.field("address"), std::string(address.status().message()));
  }
  if (violations.size() != before) {
    return std::nullopt;
  }
  return *std::move(address);
}

std::optional<Address> toAddress(const core::Address& proto, const config::FieldPath& path,
                                 config::Violations& violations) {
  switch (proto.address_case()) {
    case core::Address::kSocketAddress:
      return toAddress(proto.socket_address(), path.field("socket_address"), violations);
    case core::Address::kPipe: {
      absl::StatusOr<Address> address = Address::pipe(proto.pipe().path());
      if (!address.ok()) {
        violations.add(path.field("pipe").field("path"), std::string(address.status().message()));
        return std::nullopt;
      }
      return *std::move(address);
    }
    case core::Address::kEnvoyInternalAddress:
      violations.add(path.field("envoy_internal_address"), "internal listeners are not supported");
      return std::nullopt;
    case core::Address::ADDRESS_NOT_SET:
      break;
  }
  violations.add(path, "needs socket_address or pipe");
  return std::nullopt;
}

std::optional<ListenSocketOptions> toListenSocketOptions(const core::Address& proto, const config::FieldPath& path,
                                                         config::Violations& violations) {
  std::optional<Address> address = toAddress(proto, path, violations);
  if (!address) {
    return std::nullopt;
  }
  ListenSocketOptions options;
  options.address = *std::move(address);
  if (options.address.isIp()) {
    options.ipv4_compat = proto.socket_address().ipv4_compat();
    if (options.ipv4_compat && options.address.kind() != Address::Kind::Ipv6) {
      violations.add(path.field("socket_address").field("ipv4_compat"), "is for IPv6 addresses");
      return std::nullopt;
    }
  } else {
    options.pipe_mode = proto.pipe().mode();
    options.reuse_port = false;
    if (options.pipe_mode > 0777) {
      violations.add(path.field("pipe").field("mode"), "is above 511 (0777)");
      return std::nullopt;
    }
    if (options.pipe_mode != 0 && proto.pipe().path()[0] == '@') {
      violations.add(path.field("pipe").field("mode"), "an abstract Unix socket has no file that could have a mode");
      return std::nullopt;
    }
  }
  return options;
}

std::vector<SocketOption> toSocketOptions(const google::protobuf::RepeatedPtrField<core::SocketOption>& protos,
                                          const config::FieldPath& path, config::Violations& violations) {
  std::vector<SocketOption> options;
  for (int i = 0; i < protos.size(); ++i) {
    const core::SocketOption& proto = protos[i];
    const config::FieldPath at = path.index(i);
    SocketOption option;
    if (!fitsInt(proto.level()) || !fitsInt(proto.name())) {
      violations.add(at, "level and name must fit 32 bits");
      continue;
    }
    option.level = static_cast<int>(proto.level());
    option.name = static_cast<int>(proto.name());
    option.description = proto.description();
    option.state = toState(proto.state());
    switch (proto.value_case()) {
      case core::SocketOption::kIntValue:
        if (!fitsInt(proto.int_value())) {
          violations.add(at.field("int_value"), absl::StrCat(proto.int_value(), " does not fit 32 bits"));
          continue;
        }
        option.value = bytesOf(static_cast<int>(proto.int_value()));
        break;
      case core::SocketOption::kBufValue:
        option.value = proto.buf_value();
        break;
      case core::SocketOption::VALUE_NOT_SET:
        violations.add(at, "needs int_value or buf_value");
        continue;
    }
    options.push_back(std::move(option));
  }
  return options;
}

std::optional<TcpKeepalive> toTcpKeepalive(const core::TcpKeepalive& proto) {
  TcpKeepalive keepalive;
  if (proto.has_keepalive_probes()) {
    keepalive.probes = proto.keepalive_probes().value();
  }
  if (proto.has_keepalive_time()) {
    keepalive.time_seconds = proto.keepalive_time().value();
  }
  if (proto.has_keepalive_interval()) {
    keepalive.interval_seconds = proto.keepalive_interval().value();
  }
  if (keepalive.probes == 0u || keepalive.time_seconds == 0u || keepalive.interval_seconds == 0u) {
    return std::nullopt;
  }
  return keepalive;
}

ClientSocketOptions toClientSocketOptions(const core::BindConfig& proto, const config::FieldPath& path,
                                          config::Violations& violations) {
  ClientSocketOptions options;
  if (proto.has_source_address()) {
    options.source = toAddress(proto.source_address(), path.field("source_address"), violations);
  }
  options.freebind = proto.freebind().value();
  options.options = toSocketOptions(proto.socket_options(), path.field("socket_options"), violations);
  const config::FieldPath extras = path.field("extra_source_addresses");
  for (int i = 0; i < proto.extra_source_addresses_size(); ++i) {
    const core::ExtraSourceAddress& extra = proto.extra_source_addresses(i);
    const config::FieldPath at = extras.index(static_cast<size_t>(i));
    std::optional<Address> address = toAddress(extra.address(), at.field("address"), violations);
    if (!address.has_value()) {
      continue;
    }
    ClientSocketOptions::ExtraSource& made = options.extra_sources.emplace_back();
    made.address = *std::move(address);
    if (extra.has_socket_options()) {
      made.options = toSocketOptions(extra.socket_options().socket_options(),
                                     at.field("socket_options").field("socket_options"), violations);
    }
  }
  if (!options.extra_sources.empty()) {
    if (!options.source.has_value()) {
      violations.add(path.field("source_address"), "is required by extra_source_addresses");
    } else if (options.extra_sources.size() > 1 ||
               options.extra_sources.front().address.kind() == options.source->kind()) {
      violations.add(extras, "may hold one address, of the other family than source_address");
    }
  }
  return options;
}

}  // namespace sluice::net
