#include "source/admin/proto_values.h"

#include <chrono>

namespace sluice::admin {

void toProto(const net::Address& address, envoy::config::core::v3::Address& out) {
  if (address.isIp()) {
    out.mutable_socket_address()->set_address(address.ipString());
    out.mutable_socket_address()->set_port_value(address.port());
  } else {
    out.mutable_pipe()->set_path(address.path());
  }
}

void toProto(base::SystemTime time, google::protobuf::Timestamp& out) {
  const int64_t ms = std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
  out.set_seconds(ms / 1000);
  out.set_nanos(static_cast<int32_t>(ms % 1000) * 1000000);
}

}  // namespace sluice::admin
