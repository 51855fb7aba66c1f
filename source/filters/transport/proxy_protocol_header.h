#pragma once

#include <string>
#include <vector>

#include "source/net/address.h"
#include "source/net/proxy_tlv.h"

namespace sluice::filters {

/**
 * The PROXY protocol's headers (HAProxy's proxy-protocol.txt). Addresses that are no IP addresses are told as unknown; of
 * two families, both are told as IPv6.
 */
std::string proxyHeaderV1(const net::Address& source, const net::Address& destination);
/** TLVs that the header's length has no room for are left out. */
std::string proxyHeaderV2(const net::Address& source, const net::Address& destination,
                          const std::vector<net::ProxyTlv>& tlvs);
/** Of a connection that the proxy makes of itself. */
std::string proxyHeaderV2Local();

}  // namespace sluice::filters
