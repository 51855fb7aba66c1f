#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/strings/string_view.h"

#include "source/net/address.h"
#include "source/net/proxy_tlv.h"

namespace sluice::filters {

/** A PROXY protocol header, version 1 or 2. */
struct ProxyHeader {
  uint8_t version = 0;
  /** All of it on the wire. While it is incomplete the least that it can become. */
  size_t size = 0;
  /** False of one that says nothing of addresses (LOCAL, UNKNOWN, UNSPEC): those of the socket hold. */
  bool has_addresses = false;
  net::Address source;
  net::Address destination;
  /** Views into what was parsed. */
  struct Tlv {
    uint8_t type = 0;
    absl::string_view value;
  };
  std::vector<Tlv> tlvs;
};

enum class ProxySearch : uint8_t {
  /** `version` is set once the signature is there. */
  NeedMore,
  Found,
  /** The bytes begin otherwise. */
  None,
  /** It began as one, of `version`. */
  Broken,
};

/** Which of the versions are looked for. */
struct ProxyVersions {
  bool v1 = true;
  bool v2 = true;
};

/** Finds a header at the beginning of a connection's bytes. */
ProxySearch findProxyHeader(absl::string_view bytes, const ProxyVersions& versions, ProxyHeader& header);

}  // namespace sluice::filters
