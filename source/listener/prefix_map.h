#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "source/net/address.h"

namespace sluice::listener {

/** 128 bits that compare as numbers: an IPv6 address, or an IPv4 one in the low bits. */
struct AddressBits {
  uint64_t high = 0;
  uint64_t low = 0;

  friend auto operator<=>(const AddressBits&, const AddressBits&) = default;
};

/** IP addresses that share their first bits, with the rest zeroed. An IPv4-mapped IPv6 prefix is the IPv4 one. */
struct IpPrefix {
  bool ipv6 = false;
  uint8_t length = 0;
  AddressBits bits;

  /** InvalidArgument names what is wrong: no address, or too long. */
  static absl::StatusOr<IpPrefix> create(absl::string_view address, uint32_t length);
  AddressBits last() const;
  std::string toString() const;

  friend bool operator==(const IpPrefix&, const IpPrefix&) = default;
};

/**
 * From IP prefixes to numbers, by the longest prefix: two sorted arrays of disjoint ranges, one for each family, so
 * that a look-up is a binary search in contiguous memory. Immutable; any thread.
 */
class PrefixMap {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  struct Entry {
    IpPrefix prefix;
    uint32_t value = 0;
  };

  PrefixMap() = default;
  /** No two entries have the same prefix. */
  explicit PrefixMap(std::vector<Entry> entries);

  /** kNone when no prefix holds the address, and for Unix addresses. */
  uint32_t find(const net::Address& address) const;
  bool empty() const { return ipv4_.empty() && ipv6_.empty(); }

 private:
  /** From `begin` up to the next range's. */
  struct Range {
    AddressBits begin;
    uint32_t value = kNone;
  };

  static std::vector<Range> flatten(std::vector<Entry> entries);
  static uint32_t search(const std::vector<Range>& ranges, const AddressBits& bits);

  std::vector<Range> ipv4_;
  std::vector<Range> ipv6_;
};

}  // namespace sluice::listener
