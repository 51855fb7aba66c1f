#include "source/filters/listener/client_hello.h"

#include <string>

#include "absl/strings/escaping.h"
#include "gtest/gtest.h"

#include "source/filters/listener/tls_fingerprint.h"
#include "test/support/client_hello.h"

namespace sluice::filters {
namespace {

using test::bigEndian;
using test::HelloText;
using test::inRecords;
using test::withLength;

HelloSearch search(const std::string& wire, size_t* size = nullptr) {
  std::string joined;
  absl::string_view body;
  size_t needed = 0;
  const HelloSearch found = findClientHello(wire, joined, body, needed);
  if (size != nullptr) {
    *size = needed;
  }
  return found;
}

/** Everything of a hello that is complete and good. */
struct Parsed {
  explicit Parsed(const std::string& wire) : wire(wire) {
    size_t size = 0;
    EXPECT_EQ(findClientHello(this->wire, joined, body, size), HelloSearch::Found);
    EXPECT_EQ(size, this->wire.size());
    good = parseClientHello(body, hello);
  }
  const std::string wire;
  std::string joined;
  absl::string_view body;
  ClientHello hello;
  bool good = false;
};

std::string extension(uint16_t type, const std::string& content) { return bigEndian(type, 2) + withLength(content, 2); }

TEST(ClientHello, TellsNameAndProtocols) {
  const Parsed parsed(test::clientHello("A.example.com", {"h2", "http/1.1"}));
  ASSERT_TRUE(parsed.good);
  EXPECT_EQ(parsed.hello.server_name, "A.example.com");
  EXPECT_EQ(parsed.hello.application_protocols, (std::vector<absl::string_view>{"h2", "http/1.1"}));
  EXPECT_EQ(parsed.hello.cipher_suites, (std::vector<uint16_t>{0x1301, 0xc02f}));
}

TEST(ClientHello, IsWaitedForUntilItsLastByte) {
  const std::string wire = test::clientHello("a.test", {"h2"});
  for (size_t length = 0; length < wire.size(); ++length) {
    size_t size = 0;
    ASSERT_EQ(search(wire.substr(0, length), &size), HelloSearch::NeedMore) << length;
    EXPECT_GT(size, length);
    EXPECT_LE(size, wire.size());
  }
  EXPECT_EQ(search(wire + "more"), HelloSearch::Found);
}

TEST(ClientHello, MayBeCutIntoRecordsAnywhere) {
  const std::string handshake = HelloText{"a.test", {"h2"}, "", HelloText().cipher_suites}.handshake();
  for (size_t most = 1; most < 8; ++most) {
    const std::string wire = inRecords(handshake, most);
    for (size_t length = 0; length < wire.size(); ++length) {
      ASSERT_EQ(search(wire.substr(0, length)), HelloSearch::NeedMore) << most << " " << length;
    }
    const Parsed parsed(wire);
    ASSERT_TRUE(parsed.good);
    EXPECT_EQ(parsed.hello.server_name, "a.test");
  }
}

TEST(ClientHello, TakesWhatFollowsInTheSameRecordForNothing) {
  std::string joined;
  absl::string_view body;
  size_t size = 0;
  const std::string handshake = HelloText().handshake();
  ASSERT_EQ(findClientHello(inRecords(handshake + "another message"), joined, body, size), HelloSearch::Found);
  EXPECT_EQ(body.size(), handshake.size() - 4);
  EXPECT_EQ(size, handshake.size() + 5);
}

TEST(ClientHello, IsToldFromOtherBytesAtOnce) {
  for (const char* text : {"G", "GET / HTTP/1.1\r\n", "SSH-2.0", "\x80\x2e\x01", "\x15\x03\x01"}) {
    EXPECT_EQ(search(text), HelloSearch::NotFound) << text;
  }
  EXPECT_EQ(search(std::string("\x16\x02", 2)), HelloSearch::NotFound) << "another major version";
  EXPECT_EQ(search(std::string("\x16\x03\x01\x00\x00", 5)), HelloSearch::NotFound) << "an empty record";
  EXPECT_EQ(search(std::string("\x16\x03\x01\x40\x01", 5)), HelloSearch::NotFound) << "a record that is too long";
  EXPECT_EQ(search(std::string("\x16\x03\x01\x00\x09\x02", 6)), HelloSearch::NotFound) << "another message";
  EXPECT_EQ(search(inRecords(HelloText().handshake(), 20).substr(0, 25) + "\x17"), HelloSearch::NotFound);
}

TEST(ClientHello, SaysHowLongItWillBe) {
  size_t size = 0;
  ASSERT_EQ(search(std::string("\x16\x03\x01\x30\x00\x01\x00\x30\x00", 9), &size), HelloSearch::NeedMore);
  EXPECT_EQ(size, 5u + 4 + 0x3000);
  ASSERT_EQ(search(std::string("\x16\x03\x01\x30\x00\x01\x00\x40\x01", 9), &size), HelloSearch::NeedMore);
  EXPECT_EQ(size, 5u + 4 + 0x4001) << "longer than any may be, which whoever bounds it sees";
}

TEST(ClientHello, BrokenInEveryPlaceIsRefusedOrBorneWith) {
  const std::string body = HelloText{"a.test", {"h2"}, "", HelloText().cipher_suites}.body();
  for (size_t length = 0; length < body.size(); ++length) {
    ClientHello hello;
    const bool good = parseClientHello(body.substr(0, length), hello);
    // Without any extension it is one of TLS 1.0.
    EXPECT_EQ(good, length == 2 + 32 + 1 + 2 + 4 + 2) << length;
  }
  ClientHello hello;
  EXPECT_FALSE(parseClientHello(body + "x", hello));
}

TEST(ClientHello, RefusesAnExtensionThatComesTwice) {
  EXPECT_FALSE(Parsed(inRecords(HelloText{"", {}, extension(23, "") + extension(23, ""), "aabb"}.handshake())).good);
}

TEST(ClientHello, LeavesOutWhatIsBrokenInAnExtension) {
  auto with = [](uint16_t type, const std::string& content) {
    return inRecords(HelloText{"", {}, extension(type, content), "aabb"}.handshake());
  };
  EXPECT_TRUE(Parsed(with(16, withLength(withLength("", 1), 2))).hello.application_protocols.empty());
  EXPECT_TRUE(Parsed(with(16, withLength("\5h2", 2))).hello.application_protocols.empty());
}

TEST(ClientHello, RefusesABrokenServerName) {
  auto good = [](const std::string& content) {
    return Parsed(inRecords(HelloText{"", {}, extension(0, content), "aabb"}.handshake())).good;
  };
  const std::string name = '\0' + withLength("a", 2);
  EXPECT_TRUE(good(withLength(name, 2)));
  EXPECT_FALSE(good(""));
  EXPECT_FALSE(good(withLength("", 2)));
  EXPECT_FALSE(good(withLength(name, 2) + "x"));
  EXPECT_FALSE(good(withLength(name + name, 2)));
  EXPECT_FALSE(good(withLength('\1' + withLength("a", 2), 2))) << "no host's";
  EXPECT_FALSE(good(withLength('\0' + withLength("", 2), 2)));
  EXPECT_FALSE(good(withLength('\0' + withLength(std::string("a\0b", 3), 2), 2)));
  EXPECT_FALSE(good(withLength('\0' + withLength(std::string(256, 'a'), 2), 2)));
}

TEST(TlsFingerprint, IsThatOfEnvoy) {
  // What OpenSSL 3.0 says as Python sets it up, and what Envoy 1.40 makes of it.
  const std::string wire = absl::HexStringToBytes(
      "1603010200010001fc030306bdc1ee692163942aca67a05ef7bcbe73edac803bfe2182e8edeb0ed364f07720c7e20034e0cc"
      "2b08102ef8e75b3f96609503202de68e0dcdf2bca8c0b5ebe1140024130213031301c02cc030c02bc02fcca9cca8c024c028"
      "c023c027009f009e006b006700ff0100018f00000014001200000f466f6f2e4578616d706c652e636f6d000b000403000102"
      "000a00160014001d0017001e0019001801000101010201030104002300000010000e000c02683208687474702f312e310016"
      "000000170000000d002a0028040305030603080708080809080a080b08040805080604010501060103030301030204020502"
      "0602002b00050403040303002d00020101003300260024001d0020bc5fa95d7d8ee7ea9469e332b2c4ee5b6e433ae2b7be1d"
      "1497cdde1973ee7d21001500cc00000000000000000000000000000000000000000000000000000000000000000000000000"
      "0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
      "0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
      "0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
      "0000000000000000000000000000000000");
  const Parsed parsed(wire);
  ASSERT_TRUE(parsed.good);
  EXPECT_EQ(ja3(parsed.hello), "304734bb1c086c3453b387400cf83f11");
  EXPECT_EQ(ja4(parsed.hello), "t13d1812h2_85036bcba153_d41ae481755e");
}

TEST(TlsFingerprint, PassesOverGrease) {
  Parsed parsed(test::clientHello("a.test", {"h2"}));
  const std::string before = ja3(parsed.hello) + ja4(parsed.hello);
  parsed.hello.cipher_suites.push_back(0x2a2a);
  parsed.hello.extensions.push_back(0xfafa);
  parsed.hello.groups.push_back(0x0a0a);
  EXPECT_EQ(ja3(parsed.hello) + ja4(parsed.hello), before);
  parsed.hello.cipher_suites.push_back(0x2a3a);
  EXPECT_NE(ja4(parsed.hello), before.substr(32));
}

TEST(TlsFingerprint, SaysWhenThereIsNothing) {
  ClientHello hello;
  hello.legacy_version = 0x0301;
  EXPECT_EQ(ja4(hello), "t10i000000_000000000000_000000000000");
}

}  // namespace
}  // namespace sluice::filters
