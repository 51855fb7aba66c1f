#include "source/matcher/prefix_map.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace sluice::matcher {
namespace {

PrefixMap::Entry entry(const std::string& address, uint32_t length, uint32_t value) {
  return {*IpPrefix::create(address, length), value};
}

TEST(IpPrefix, ZeroesTheHostPart) {
  EXPECT_EQ(IpPrefix::create("10.1.2.3", 8)->toString(), "10.0.0.0/8");
  EXPECT_EQ(IpPrefix::create("2001:db8::1", 33)->toString(), "2001:db8::/33");
  EXPECT_EQ(IpPrefix::create("1.2.3.4", 0)->toString(), "0.0.0.0/0");
}

TEST(IpPrefix, TakesAnIpv4MappedPrefixAsIpv4) {
  EXPECT_EQ(*IpPrefix::create("::ffff:10.1.2.3", 104), *IpPrefix::create("10.0.0.0", 8));
  EXPECT_TRUE(IpPrefix::create("::ffff:10.1.2.3", 32)->ipv6);
}

TEST(IpPrefix, RefusesWhatIsNone) {
  EXPECT_FALSE(IpPrefix::create("localhost", 8).ok());
  EXPECT_FALSE(IpPrefix::create("", 8).ok());
  EXPECT_FALSE(IpPrefix::create("10.0.0.0", 33).ok());
  EXPECT_FALSE(IpPrefix::create("::1", 129).ok());
}

TEST(PrefixMap, TakesTheLongestPrefix) {
  const PrefixMap map({entry("10.0.0.0", 8, 1), entry("10.1.0.0", 16, 2), entry("10.1.2.3", 32, 3), entry("::", 0, 4)});
  EXPECT_EQ(map.find("10.2.0.0"), 1u);
  EXPECT_EQ(map.find("10.1.255.255"), 2u);
  EXPECT_EQ(map.find("10.1.2.3"), 3u);
  EXPECT_EQ(map.find("10.1.2.4"), 2u);
  EXPECT_EQ(map.find("11.0.0.0"), PrefixMap::kNone);
  EXPECT_EQ(map.find("ff::1"), 4u);
  EXPECT_EQ(map.find("nonsense"), PrefixMap::kNone);
}

TEST(PrefixMap, ReachesTheEndOfBothFamilies) {
  const PrefixMap map({entry("255.255.255.255", 32, 1), entry("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 128, 2)});
  EXPECT_EQ(map.find("255.255.255.255"), 1u);
  EXPECT_EQ(map.find("255.255.255.254"), PrefixMap::kNone);
  EXPECT_EQ(map.find("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), 2u);
  EXPECT_EQ(map.find("::"), PrefixMap::kNone);
}

TEST(PrefixMap, IsEmptyByDefault) { EXPECT_EQ(PrefixMap().find("10.0.0.1"), PrefixMap::kNone); }

}  // namespace
}  // namespace sluice::matcher
