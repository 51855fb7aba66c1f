#include "source/matcher/ip_ranges.h"

#include <gtest/gtest.h>

namespace sluice::matcher {
namespace {

IpRanges ranges(const std::vector<std::pair<std::string, uint32_t>>& list) {
  IpRanges made;
  for (const auto& [address, length] : list) {
    EXPECT_TRUE(made.add(address, length).ok()) << address;
  }
  made.seal();
  return made;
}

TEST(IpRangesTest, AddressesAreInTheirRange) {
  const IpRanges set = ranges({{"10.1.2.3", 8}, {"192.168.1.4", 32}, {"2001:db8::", 33}});
  EXPECT_TRUE(set.contains("10.0.0.0"));
  EXPECT_TRUE(set.contains("10.255.255.255"));
  EXPECT_FALSE(set.contains("9.255.255.255"));
  EXPECT_FALSE(set.contains("11.0.0.0"));
  EXPECT_TRUE(set.contains("192.168.1.4"));
  EXPECT_FALSE(set.contains("192.168.1.5"));
  EXPECT_TRUE(set.contains("2001:db8:7fff::1"));
  EXPECT_FALSE(set.contains("2001:db8:8000::1"));
  EXPECT_FALSE(set.contains("no address"));
}

TEST(IpRangesTest, AnAddressIsOfItsOwnFamily) {
  const IpRanges all_ipv4 = ranges({{"0.0.0.0", 0}});
  EXPECT_TRUE(all_ipv4.contains("255.255.255.255"));
  EXPECT_FALSE(all_ipv4.contains("::1"));
  const uint8_t bytes[4] = {1, 2, 3, 4};
  EXPECT_TRUE(all_ipv4.contains(false, bytes));
}

TEST(IpRangesTest, RangesMayLieInOneAnother) {
  const IpRanges set = ranges({{"10.1.0.0", 16}, {"10.0.0.0", 8}, {"10.1.1.0", 24}, {"12.0.0.0", 8}});
  EXPECT_TRUE(set.contains("10.200.0.1"));
  EXPECT_TRUE(set.contains("12.0.0.1"));
  EXPECT_FALSE(set.contains("11.0.0.1"));
}

TEST(IpRangesTest, WhatIsNoRangeIsRefused) {
  IpRanges set;
  EXPECT_EQ(set.add("host.test", 8).message(), "'host.test' is no IP address");
  EXPECT_EQ(set.add("10.0.0.0", 33).message(), "a prefix of 33 bits is longer than the address");
  EXPECT_TRUE(set.empty());
}

}  // namespace
}  // namespace sluice::matcher
