#include "source/filters/listener/proxy_header.h"

#include <string>

#include "gtest/gtest.h"

#include "test/support/client_hello.h"

namespace sluice::filters {
namespace {

using test::bigEndian;
using test::withLength;

const std::string kSignature("\r\n\r\n\0\r\nQUIT\n", 12);

std::string v2(uint8_t command, uint8_t family, const std::string& rest) {
  return kSignature + static_cast<char>(0x20 | command) + static_cast<char>(family) + withLength(rest, 2);
}
std::string ipv4() {
  return std::string("\x0a\x07\x08\x09\x0a\x01\x01\x01", 8) + bigEndian(3333, 2) + bigEndian(80, 2);
}
std::string tlv(uint8_t type, const std::string& value) { return static_cast<char>(type) + withLength(value, 2); }

struct Result {
  explicit Result(std::string text, const ProxyVersions& versions = {}) : bytes(std::move(text)) {
    search = findProxyHeader(bytes, versions, header);
  }
  std::string addresses() const {
    return header.has_addresses ? header.source.toString() + " " + header.destination.toString() : "none";
  }
  const std::string bytes;
  ProxyHeader header;
  ProxySearch search;
};

TEST(ProxyHeader, Version1GivesAddresses) {
  const Result ipv4("PROXY TCP4 10.1.2.3 10.4.5.6 1111 2222\r\nping");
  EXPECT_EQ(ipv4.search, ProxySearch::Found);
  EXPECT_EQ(ipv4.addresses(), "10.1.2.3:1111 10.4.5.6:2222");
  EXPECT_EQ(ipv4.header.size, ipv4.bytes.size() - 4);
  EXPECT_EQ(Result("PROXY TCP6 1::2 3::4 70 10\r\n").addresses(), "[1::2]:70 [3::4]:10");
  EXPECT_EQ(Result("PROXY TCP4 10.0.0.1 10.4.5.6 0 0\r\n").addresses(), "10.0.0.1:0 10.4.5.6:0");
  for (const char* unknown : {"PROXY UNKNOWN\r\n", "PROXY UNKNOWN foo bar\r\n"}) {
    EXPECT_EQ(Result(unknown).search, ProxySearch::Found);
    EXPECT_EQ(Result(unknown).addresses(), "none");
  }
}

// Each of them was refused by Envoy 1.40, too.
TEST(ProxyHeader, Version1IsTakenLiterally) {
  for (const char* text : {"PROXY TCP4 0.0.0.0 10.4.5.6 1111 2222\r\n", "PROXY TCP4 224.0.0.1 10.4.5.6 1111 2222\r\n",
                           "PROXY TCP4 255.255.255.255 10.4.5.6 1 2\r\n", "PROXY TCP6 ff02::1 3::4 1 2\r\n",
                           "PROXY TCP4 10.0.0.1 10.4.5.6 70000 0\r\n", "PROXY TCP4 10.0.0.1 10.4.5.6 -1 0\r\n",
                           "PROXY TCP4  10.0.0.1 10.4.5.6 70 10\r\n", "PROXY TCP4 10.0.0.1 10.4.5.6 70\r\n",
                           "PROXY TCP4 10.0.0.1 10.4.5.6 70 10 \r\n", "PROXY TCP4 1::2 3::4 70 10\r\n",
                           "PROXY TCP6 10.0.0.1 10.4.5.6 70 10\r\n", "PROXY TCP4 localhost 10.4.5.6 70 10\r\n",
                           "PROXY UNKNOWNfoo\r\n", "PROXY UDP4 10.0.0.1 10.4.5.6 70 10\r\n", "PROXY \r\n"}) {
    EXPECT_EQ(Result(text).search, ProxySearch::Broken) << text;
  }
  EXPECT_EQ(Result("PROXY TCP4 10.0.0.1 10.4.5.6 1 2\n").search, ProxySearch::NeedMore) << "not the end of a line";
  EXPECT_EQ(Result("PROXY " + std::string(102, 'x')).search, ProxySearch::Broken);
}

TEST(ProxyHeader, Version2GivesAddressesAndTlvs) {
  const Result result(v2(1, 0x11, ipv4() + tlv(2, "a.test") + tlv(0xea, "")) + "ping");
  EXPECT_EQ(result.search, ProxySearch::Found);
  EXPECT_EQ(result.addresses(), "10.7.8.9:3333 10.1.1.1:80");
  EXPECT_EQ(result.header.size, result.bytes.size() - 4);
  ASSERT_EQ(result.header.tlvs.size(), 2u);
  EXPECT_EQ(result.header.tlvs[0].type, 2);
  EXPECT_EQ(result.header.tlvs[0].value, "a.test");
  EXPECT_EQ(result.header.tlvs[1].value, "");
  std::string ipv6(36, '\0');
  ipv6[0] = 1;
  ipv6[15] = 2;
  ipv6[16] = 3;
  ipv6[31] = 4;
  ipv6[33] = 70;
  ipv6[35] = 10;
  EXPECT_EQ(Result(v2(1, 0x21, ipv6)).addresses(), "[100::2]:70 [300::4]:10");
  EXPECT_EQ(Result(v2(1, 0x12, ipv4())).addresses(), "10.7.8.9:3333 10.1.1.1:80") << "of datagrams";
  std::string mapped(36, '\0');
  mapped[10] = mapped[11] = mapped[26] = mapped[27] = '\xff';
  mapped[12] = mapped[28] = 10;
  EXPECT_EQ(Result(v2(1, 0x21, mapped)).addresses(), "[::ffff:10.0.0.0]:0 [::ffff:10.0.0.0]:0") << "as in version 1";
}

TEST(ProxyHeader, LocalCommandsSayNothing) {
  for (const std::string& rest : {std::string(), ipv4() + tlv(2, "x"), std::string("whatever")}) {
    const Result result(v2(0, 0x11, rest));
    EXPECT_EQ(result.search, ProxySearch::Found);
    EXPECT_EQ(result.addresses(), "none");
    EXPECT_TRUE(result.header.tlvs.empty());
    EXPECT_EQ(result.header.size, 16 + rest.size());
  }
}

TEST(ProxyHeader, Version2IsRefusedWhereItIsBroken) {
  EXPECT_EQ(Result(v2(1, 0x31, std::string(216, 'A'))).search, ProxySearch::Broken) << "a Unix address";
  EXPECT_EQ(Result(v2(1, 0x00, "")).search, ProxySearch::Broken) << "no family";
  EXPECT_EQ(Result(v2(1, 0x11, ipv4().substr(1))).search, ProxySearch::Broken);
  EXPECT_EQ(Result(v2(1, 0x11, ipv4() + "\2")).search, ProxySearch::Broken);
  EXPECT_EQ(Result(v2(1, 0x11, ipv4() + std::string("\2\0\2x", 4))).search, ProxySearch::Broken);
  EXPECT_EQ(Result(v2(2, 0x11, ipv4())).search, ProxySearch::Broken);
  EXPECT_EQ(Result(kSignature + "\x11").search, ProxySearch::Broken) << "another version";
}

TEST(ProxyHeader, IsWaitedForUntilItsLastByte) {
  for (const std::string& text : {std::string("PROXY TCP4 10.1.2.3 10.4.5.6 1111 2222\r\n"),
                                  v2(1, 0x11, ipv4() + tlv(2, std::string(3000, 'x')))}) {
    for (size_t length = 0; length < text.size(); ++length) {
      const Result result(text.substr(0, length));
      ASSERT_EQ(result.search, ProxySearch::NeedMore) << length;
      EXPECT_GT(result.header.size, length);
    }
  }
}

TEST(ProxyHeader, IsToldFromOtherBytesAtOnce) {
  for (const char* text : {"GET / HTTP/1.1", "PUT", "\r\n\r\nGET", "PROXY\t"}) {
    EXPECT_EQ(Result(text).search, ProxySearch::None) << text;
  }
  EXPECT_EQ(Result("PROXY TCP4", {false, true}).search, ProxySearch::None);
  EXPECT_EQ(Result(v2(0, 0, ""), {true, false}).search, ProxySearch::None);
}

}  // namespace
}  // namespace sluice::filters
