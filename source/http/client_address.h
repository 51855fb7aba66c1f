#pragma once

#include <cstdint>
#include <string>

#include "source/http/header_map.h"
#include "source/http/request_headers.h"
#include "source/net/address.h"

namespace sluice::http {

struct ClientAddress {
  /** Of kind None when nothing tells it. */
  net::Address address;
  /** It came so that it may make a request an internal one. */
  bool trusted = false;
  /** Not 0: the request is to be refused. */
  uint32_t reject_status = 0;
};

/** Who the client is, by the connection's peer and x-forwarded-for, to which the peer is added as configured. */
ClientAddress findClientAddress(HeaderMap& headers, const RequestHeaderSettings& settings, const net::Address& peer);

/** As headers tell an address: without its port. */
std::string ipText(const net::Address& address, bool ipv4_as_mapped_ipv6);

}  // namespace sluice::http
