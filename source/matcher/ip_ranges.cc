#include "source/matcher/ip_ranges.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"

#include "source/matcher/ip_bytes.h"

namespace sluice::matcher {
absl::Status IpRanges::add(absl::string_view address, uint32_t prefix_length) {
  Range range{};
  const size_t size = ipBytes(address, range.first);
  if (size == 0) {
    return absl::InvalidArgumentError(absl::StrCat("'", address, "' is no IP address"));
  }
  if (prefix_length > size * 8) {
    return absl::InvalidArgumentError(absl::StrCat("a prefix of ", prefix_length, " bits is longer than the address"));
  }
  range.last = range.first;
  for (size_t i = 0; i < size; ++i) {
    const size_t kept = std::min<size_t>(8, prefix_length > i * 8 ? prefix_length - i * 8 : 0);
    const auto host_bits = static_cast<uint8_t>(0xff >> kept);
    range.first[i] = static_cast<uint8_t>(range.first[i] & ~host_bits);
    range.last[i] = static_cast<uint8_t>(range.last[i] | host_bits);
  }
  (size == 4 ? ipv4_ : ipv6_).push_back(range);
  return absl::OkStatus();
}

void IpRanges::seal() {
  sortAndMerge(ipv4_);
  sortAndMerge(ipv6_);
}

void IpRanges::sortAndMerge(std::vector<Range>& ranges) {
  std::sort(ranges.begin(), ranges.end(), [](const Range& a, const Range& b) { return a.first < b.first; });
  size_t kept = 0;
  for (size_t i = 0; i < ranges.size(); ++i) {
    if (kept > 0 && ranges[i].first <= ranges[kept - 1].last) {
      ranges[kept - 1].last = std::max(ranges[kept - 1].last, ranges[i].last);
    } else {
      ranges[kept++] = ranges[i];
    }
  }
  ranges.resize(kept);
}

bool IpRanges::search(const std::vector<Range>& ranges, const Bytes& address) {
  const auto after = std::upper_bound(ranges.begin(), ranges.end(), address,
                                      [](const Bytes& a, const Range& range) { return a < range.first; });
  return after != ranges.begin() && address <= std::prev(after)->last;
}

bool IpRanges::contains(bool ipv6, const uint8_t* bytes) const {
  Bytes address{};
  std::memcpy(address.data(), bytes, ipv6 ? 16 : 4);
  return search(ipv6 ? ipv6_ : ipv4_, address);
}

bool IpRanges::contains(absl::string_view address) const {
  Bytes bytes{};
  const size_t size = ipBytes(address, bytes);
  return size != 0 && search(size == 16 ? ipv6_ : ipv4_, bytes);
}

}  // namespace sluice::matcher
