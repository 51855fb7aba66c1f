#include "source/net/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <cstring>

#include "absl/hash/hash_testing.h"
#include <gtest/gtest.h>

namespace sluice::net {
namespace {

Address ip(absl::string_view text, uint16_t port) { return Address::ip(text, port).value(); }

/** As a socket would tell of it. */
Address throughSockaddr(const Address& address, bool as_v6 = false) {
  sockaddr_storage storage;
  const socklen_t length = address.toSockaddr(storage, as_v6);
  return Address::fromSockaddr(reinterpret_cast<sockaddr*>(&storage), length);
}

TEST(AddressTest, LiteralsAreToldAsTheyAreWritten) {
  EXPECT_EQ("127.0.0.1:80", ip("127.0.0.1", 80).toString());
  EXPECT_EQ("[::1]:443", ip("::1", 443).toString());
  EXPECT_EQ("::1", ip("::1", 443).ipString());
  EXPECT_EQ("[2001:db8::1]:0", ip("2001:DB8:0:0::1", 0).toString());
  EXPECT_EQ("[fe80::1%7]:1", ip("fe80::1%7", 1).toString());
}

TEST(AddressTest, RefusesWhatIsNoAddress) {
  for (absl::string_view text :
       {"", "localhost", "1.2.3", "1.2.3.4.5", ":::", "1.2.3.4 ", "fe80::1%", "::1%nonesuch"}) {
    EXPECT_FALSE(Address::ip(text, 1).ok()) << text;
  }
  EXPECT_EQ("'localhost' is not an IPv4 or IPv6 address", Address::ip("localhost", 1).status().message());
}

TEST(AddressTest, GoesThroughSockaddrUnchanged) {
  for (const Address& address : {ip("10.1.2.3", 65535), ip("::", 0), ip("fe80::1%7", 9), *Address::pipe("/run/x.sock"),
                                 *Address::pipe("@abstract"), Address::pipe(std::string(107, 'x')).value(),
                                 Address::pipe("@" + std::string(107, 'x')).value()}) {
    EXPECT_EQ(address, throughSockaddr(address)) << address.toString();
  }
}

TEST(AddressTest, AMappedAddressFromASocketIsTheIpv4AddressThatItIs) {
  const Address address = ip("10.1.2.3", 80);
  EXPECT_EQ(address, throughSockaddr(address, true));
  EXPECT_EQ(Address::Kind::Ipv6, ip("::ffff:10.1.2.3", 80).kind());
}

TEST(AddressTest, AUnixClientHasNoName) {
  sockaddr_un unnamed{};
  unnamed.sun_family = AF_UNIX;
  const Address address = Address::fromSockaddr(reinterpret_cast<sockaddr*>(&unnamed), sizeof(unnamed.sun_family));
  EXPECT_EQ(Address::Kind::Pipe, address.kind());
  EXPECT_EQ("", address.path());
  EXPECT_EQ("", address.toString());
  EXPECT_EQ(address, Address(address));
}

TEST(AddressTest, PathsHaveALimit) {
  EXPECT_FALSE(Address::pipe("").ok());
  EXPECT_TRUE(Address::pipe(std::string(107, 'x')).ok());
  EXPECT_FALSE(Address::pipe(std::string(108, 'x')).ok());
  EXPECT_TRUE(Address::pipe("@" + std::string(107, 'x')).ok());
  EXPECT_FALSE(Address::pipe("@" + std::string(108, 'x')).ok());
}

TEST(AddressTest, CopiesShareAPathAndOutliveEachOther) {
  Address copy;
  {
    const Address first = *Address::pipe("/run/some/path.sock");
    copy = first;
    EXPECT_EQ(&first.path(), &copy.path());
  }
  EXPECT_EQ("/run/some/path.sock", copy.path());
  Address moved = std::move(copy);
  EXPECT_EQ("/run/some/path.sock", moved.path());
  copy = moved;
  moved = ip("1.2.3.4", 5);
  EXPECT_EQ("/run/some/path.sock", copy.toString());
}

TEST(AddressTest, KnowsLoopbackAndAny) {
  EXPECT_TRUE(ip("127.0.0.1", 1).isLoopback());
  EXPECT_FALSE(ip("127.0.0.2", 1).isLoopback());
  EXPECT_TRUE(ip("::1", 1).isLoopback());
  EXPECT_FALSE(ip("128.0.0.1", 1).isLoopback());
  EXPECT_TRUE(ip("0.0.0.0", 1).isAnyAddress());
  EXPECT_TRUE(ip("::", 1).isAnyAddress());
  EXPECT_FALSE(ip("::1", 1).isAnyAddress());
  EXPECT_FALSE(Address::pipe("/x")->isAnyAddress());
  EXPECT_FALSE(Address().isAnyAddress());
}

TEST(AddressTest, EqualAddressesHashEqually) {
  EXPECT_NE(ip("0.0.0.0", 1), ip("::", 1));
  EXPECT_EQ(ip("1.2.3.4", 9), ip("1.2.3.4", 1).withPort(9));
  EXPECT_TRUE(absl::VerifyTypeImplementsAbslHashCorrectly({
      Address(),
      ip("1.2.3.4", 1),
      ip("1.2.3.4", 2),
      ip("1.2.3.4", 1).withPort(2),
      ip("::", 1),
      ip("fe80::1%1", 1),
      ip("fe80::1%2", 1),
      *Address::pipe("/a"),
      *Address::pipe("/a"),
      *Address::pipe("/b"),
  }));
}

}  // namespace
}  // namespace sluice::net
