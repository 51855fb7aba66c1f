#include "source/config/formats.h"

#include <string>

#include "gtest/gtest.h"

namespace sluice::config {
namespace {

TEST(Formats, Hostname) {
  EXPECT_TRUE(isHostname("a.example.com"));
  EXPECT_TRUE(isHostname("example.com."));
  EXPECT_TRUE(isHostname("1-2.x"));
  for (const char* bad : {"", ".", "a..b", "-a", "a-", "a_b", "a b", "\xC3\xA9"}) {
    EXPECT_FALSE(isHostname(bad)) << bad;
  }
  EXPECT_TRUE(isHostname(std::string(63, 'a')));
  EXPECT_FALSE(isHostname(std::string(64, 'a')));
}

TEST(Formats, IpAddresses) {
  EXPECT_TRUE(isIpv4("127.0.0.1"));
  EXPECT_FALSE(isIpv4("127.0.0.256"));
  EXPECT_FALSE(isIpv4("::1"));
  EXPECT_FALSE(isIpv4(absl::string_view("127.0.0.1\0x", 11)));
  EXPECT_TRUE(isIpv6("::1"));
  EXPECT_TRUE(isIpv6("::ffff:1.2.3.4"));
  EXPECT_FALSE(isIpv6("1.2.3.4"));
  EXPECT_FALSE(isIpv6("[::1]"));
}

TEST(Formats, Email) {
  EXPECT_TRUE(isEmail("some.one+tag@example.com"));
  for (const char* bad : {"", "@x", "a@", "a.@x", "a..b@x", "a b@x", "a@b_c"}) {
    EXPECT_FALSE(isEmail(bad)) << bad;
  }
}

TEST(Formats, Uris) {
  EXPECT_TRUE(isUri("https://example.com/a?b=%20#c"));
  EXPECT_TRUE(isUri("spiffe://cluster.local/ns/x"));
  EXPECT_FALSE(isUri("/only/a/path"));
  EXPECT_FALSE(isUri("1http://x"));
  EXPECT_TRUE(isUriReference("/only/a/path"));
  EXPECT_TRUE(isUriReference("a/b:c"));
  EXPECT_TRUE(isUriReference(""));
  EXPECT_FALSE(isUriReference(":x"));
  EXPECT_FALSE(isUriReference("/%zz"));
  EXPECT_FALSE(isUriReference("/a b"));
}

TEST(Formats, Uuid) {
  EXPECT_TRUE(isUuid("00112233-4455-6677-8899-aaBBccDDeeFF"));
  EXPECT_FALSE(isUuid("00112233-4455-6677-8899-aaBBccDDeeF"));
  EXPECT_FALSE(isUuid("00112233x4455-6677-8899-aaBBccDDeeFF"));
}

TEST(Formats, HttpHeaders) {
  EXPECT_TRUE(isHttpHeaderName("x-a", true));
  EXPECT_TRUE(isHttpHeaderName(":path", true));
  EXPECT_FALSE(isHttpHeaderName("", true));
  EXPECT_FALSE(isHttpHeaderName(":", true));
  EXPECT_FALSE(isHttpHeaderName("x a", true));
  EXPECT_TRUE(isHttpHeaderName("", false));
  EXPECT_TRUE(isHttpHeaderName("x a", false));
  EXPECT_FALSE(isHttpHeaderName("x\na", false));
  EXPECT_TRUE(isHttpHeaderValue("a\tb \xC3\xA9", true));
  EXPECT_TRUE(isHttpHeaderValue("", true));
  EXPECT_FALSE(isHttpHeaderValue("a\x01", true));
  EXPECT_TRUE(isHttpHeaderValue("a\x01", false));
  EXPECT_FALSE(isHttpHeaderValue("a\r", false));
}

}  // namespace
}  // namespace sluice::config
