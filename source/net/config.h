#pragma once

#include <optional>
#include <vector>

#include "envoy/config/core/v3/address.pb.h"
#include "envoy/config/core/v3/socket_option.pb.h"

#include "source/config/field_path.h"
#include "source/config/violations.h"
#include "source/net/socket.h"

// From the API's messages, once config/validate.h and the support table have passed them, to the plain values that
// workers see. What cannot be done is added to `violations` with its field's path; what is returned is then not to be
// used.

namespace sluice::net {

/** A socket address with a literal IP and a port number, or a pipe. */
std::optional<Address> toAddress(const envoy::config::core::v3::Address& proto, const config::FieldPath& path,
                                 config::Violations& violations);
std::optional<Address> toAddress(const envoy::config::core::v3::SocketAddress& proto, const config::FieldPath& path,
                                 config::Violations& violations);

/** The address of a listener with what it says of its socket (ipv4_compat, a pipe's mode); the rest is the caller's. */
std::optional<ListenSocketOptions> toListenSocketOptions(const envoy::config::core::v3::Address& proto,
                                                         const config::FieldPath& path, config::Violations& violations);

/** `path` is the list's. */
std::vector<SocketOption> toSocketOptions(
    const google::protobuf::RepeatedPtrField<envoy::config::core::v3::SocketOption>& protos,
    const config::FieldPath& path, config::Violations& violations);

/** None where one of its numbers is 0, which disables it. */
std::optional<TcpKeepalive> toTcpKeepalive(const envoy::config::core::v3::TcpKeepalive& proto);

/** What `upstream_bind_config` says of a cluster's sockets; its keep-alive is elsewhere. */
ClientSocketOptions toClientSocketOptions(const envoy::config::core::v3::BindConfig& proto,
                                          const config::FieldPath& path, config::Violations& violations);

}  // namespace sluice::net
