#pragma once

#include <cstdint>
#include <string>
#include <utility>

namespace sluice::net {

/** One TLV of a PROXY protocol header. */
struct ProxyTlv {
  uint8_t type = 0;
  std::string value;

  friend bool operator==(const ProxyTlv&, const ProxyTlv&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const ProxyTlv& tlv) {
    return H::combine(std::move(h), tlv.type, tlv.value);
  }
};

}  // namespace sluice::net
