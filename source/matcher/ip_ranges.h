#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace sluice::matcher {

/** A set of IP addresses made of CIDR ranges; sorted, so that many ranges cost a binary search. */
class IpRanges {
 public:
  /** `address` is a literal; InvalidArgument says what is wrong with it or with the length. */
  absl::Status add(absl::string_view address, uint32_t prefix_length);
  /** Once, after the last add(). */
  void seal();

  /** Network byte order: 16 bytes, or 4. */
  bool contains(bool ipv6, const uint8_t* bytes) const;
  /** False for what is no literal address. */
  bool contains(absl::string_view address) const;
  bool empty() const { return ipv4_.empty() && ipv6_.empty(); }

 private:
  using Bytes = std::array<uint8_t, 16>;
  struct Range {
    Bytes first;
    Bytes last;
  };
  static void sortAndMerge(std::vector<Range>& ranges);
  static bool search(const std::vector<Range>& ranges, const Bytes& address);

  /** In the first four bytes. */
  std::vector<Range> ipv4_;
  std::vector<Range> ipv6_;
};

}  // namespace sluice::matcher
