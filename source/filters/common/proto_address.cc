#include "source/filters/common/proto_address.h"

#include "envoy/config/core/v3/address.pb.h"

#include "source/net/address.h"

namespace sluice::filters {

void toProto(const net::Address& address, envoy::config::core::v3::Address& out) {
  if (address.isIp()) {
    out.mutable_socket_address()->set_address(address.ipString());
    out.mutable_socket_address()->set_port_value(address.port());
  } else if (address.kind() == net::Address::Kind::Pipe) {
    out.mutable_pipe()->set_path(address.path());
  }
}

}  // namespace sluice::filters
