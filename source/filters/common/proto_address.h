#pragma once

namespace envoy::config::core::v3 {
class Address;
}
namespace sluice::net {
class Address;
}

namespace sluice::filters {

/** As services that are told of connections get addresses. One that is none leaves `out` as it is. */
void toProto(const net::Address& address, envoy::config::core::v3::Address& out);

}  // namespace sluice::filters
