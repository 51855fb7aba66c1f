#include "source/matcher/prefix_map.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_cat.h"

#include "source/matcher/ip_bytes.h"

namespace sluice::matcher {
namespace {

/** ::ffff:a.b.c.d, which connections are told as a.b.c.d. */
bool isMappedIpv4(const AddressBits& bits) { return bits.high == 0 && bits.low >> 32 == 0xffff; }

/** The lowest `count` of 64 bits set. */
uint64_t lowBits(unsigned count) { return count >= 64 ? ~uint64_t{0} : (uint64_t{1} << count) - 1; }

/** The bits of the host part, for a family of `width` bits. */
AddressBits hostMask(unsigned width, unsigned length) {
  const unsigned host = width - length;
  return {host > 64 ? lowBits(host - 64) : 0, lowBits(host)};
}

AddressBits successor(const AddressBits& bits) {
  return {bits.low == ~uint64_t{0} ? bits.high + 1 : bits.high, bits.low + 1};
}

}  // namespace

AddressBits AddressBits::of(bool ipv6, const uint8_t* bytes) {
  AddressBits bits;
  if (!ipv6) {
    for (int i = 0; i < 4; ++i) {
      bits.low = bits.low << 8 | bytes[i];
    }
    return bits;
  }
  for (int i = 0; i < 8; ++i) {
    bits.high = bits.high << 8 | bytes[i];
    bits.low = bits.low << 8 | bytes[8 + i];
  }
  return bits;
}

absl::StatusOr<IpPrefix> IpPrefix::create(absl::string_view address, uint32_t length) {
  std::array<uint8_t, 16> bytes;
  const size_t size = ipBytes(address, bytes);
  if (size == 0) {
    return absl::InvalidArgumentError(absl::StrCat("'", address, "' is no IP address"));
  }
  IpPrefix prefix;
  prefix.ipv6 = size == 16;
  prefix.bits = AddressBits::of(prefix.ipv6, bytes.data());
  // Connections from IPv4-mapped addresses are told as IPv4, so such a prefix has to be, too.
  if (prefix.ipv6 && isMappedIpv4(prefix.bits) && length >= 96 && length <= 128) {
    prefix.ipv6 = false;
    prefix.bits.low &= 0xffffffff;
    length -= 96;
  }
  const unsigned width = prefix.ipv6 ? 128 : 32;
  if (length > width) {
    return absl::InvalidArgumentError(absl::StrCat("a prefix of ", length, " bits, but ", address, " has ", width));
  }
  prefix.length = static_cast<uint8_t>(length);
  const AddressBits mask = hostMask(width, length);
  prefix.bits.high &= ~mask.high;
  prefix.bits.low &= ~mask.low;
  return prefix;
}

AddressBits IpPrefix::last() const {
  const AddressBits mask = hostMask(ipv6 ? 128 : 32, length);
  return {bits.high | mask.high, bits.low | mask.low};
}

std::string IpPrefix::toString() const {
  std::array<uint8_t, 16> bytes;
  for (int i = 0; i < 8; ++i) {
    bytes[i] = static_cast<uint8_t>(bits.high >> (56 - 8 * i));
    bytes[8 + i] = static_cast<uint8_t>(bits.low >> (56 - 8 * i));
  }
  char text[INET6_ADDRSTRLEN] = "";
  inet_ntop(ipv6 ? AF_INET6 : AF_INET, ipv6 ? bytes.data() : bytes.data() + 12, text, sizeof(text));
  return absl::StrCat(text, "/", length);
}

PrefixMap::PrefixMap(std::vector<Entry> entries) {
  std::vector<Entry> ipv4;
  std::vector<Entry> ipv6;
  for (Entry& entry : entries) {
    (entry.prefix.ipv6 ? ipv6 : ipv4).push_back(entry);
  }
  ipv4_ = flatten(std::move(ipv4));
  ipv6_ = flatten(std::move(ipv6));
}

std::vector<PrefixMap::Range> PrefixMap::flatten(std::vector<Entry> entries) {
  // A prefix comes after those that hold it.
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return a.prefix.bits != b.prefix.bits ? a.prefix.bits < b.prefix.bits : a.prefix.length < b.prefix.length;
  });
  std::vector<Range> ranges;
  auto begin = [&ranges](const AddressBits& at, uint32_t value) {
    if (!ranges.empty() && ranges.back().begin == at) {
      ranges.back().value = value;
    } else {
      ranges.push_back({at, value});
    }
  };
  // The prefixes that hold the place where the sweep stands, the longest last.
  std::vector<const Entry*> open;
  auto closeBefore = [&](const AddressBits* next) {
    while (!open.empty() && (next == nullptr || open.back()->prefix.last() < *next)) {
      const AddressBits last = open.back()->prefix.last();
      open.pop_back();
      const AddressBits after = successor(last);
      // After the family's very last address there is nothing; an IPv4 one is followed by what no IPv4 address is.
      if (last < after) {
        begin(after, open.empty() ? kNone : open.back()->value);
      }
    }
  };
  for (const Entry& entry : entries) {
    closeBefore(&entry.prefix.bits);
    begin(entry.prefix.bits, entry.value);
    open.push_back(&entry);
  }
  closeBefore(nullptr);
  return ranges;
}

uint32_t PrefixMap::search(const std::vector<Range>& ranges, const AddressBits& bits) {
  auto after = std::upper_bound(ranges.begin(), ranges.end(), bits,
                                [](const AddressBits& value, const Range& range) { return value < range.begin; });
  return after == ranges.begin() ? kNone : std::prev(after)->value;
}

uint32_t PrefixMap::find(bool ipv6, const uint8_t* bytes) const {
  const std::vector<Range>& ranges = ipv6 ? ipv6_ : ipv4_;
  return ranges.empty() ? kNone : search(ranges, AddressBits::of(ipv6, bytes));
}

uint32_t PrefixMap::find(absl::string_view address) const {
  std::array<uint8_t, 16> bytes;
  const size_t size = ipBytes(address, bytes);
  return size == 0 ? kNone : find(size == 16, bytes.data());
}

}  // namespace sluice::matcher
