#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace sluice::matcher {

/** 128 bits that compare as numbers: an IPv6 address, or an IPv4 one in the low bits. */
struct AddressBits {
  uint64_t high = 0;
  uint64_t low = 0;

  /** Network byte order: 16 bytes, or 4. */
  static AddressBits of(bool ipv6, const uint8_t* bytes);

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
  /** "10.0.0.0/8": equal texts for equal prefixes. */
  std::string toString() const;

  friend auto operator<=>(const IpPrefix&, const IpPrefix&) = default;
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

  /** Network byte order: 16 bytes, or 4. kNone when no prefix holds the address. */
  uint32_t find(bool ipv6, const uint8_t* bytes) const;
  /** The same of a literal address; kNone for any other text. */
  uint32_t find(absl::string_view address) const;

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

}  // namespace sluice::matcher
