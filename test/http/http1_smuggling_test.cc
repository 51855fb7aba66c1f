// Every form of request smuggling that is known is refused, before anybody hears of the request.

#include <gtest/gtest.h>

#include "test/http/http1_harness.h"

namespace sluice::http {
namespace {

struct Case {
  const char* name;
  std::string request;
  uint32_t status = 400;
  const char* details = "http1.codec_error";
};

const char kChunked[] = "Transfer-Encoding: chunked\r\n";

std::string post(absl::string_view fields, absl::string_view rest = "0\r\n\r\n") {
  return absl::StrCat("POST / HTTP/1.1\r\nHost: a\r\n", fields, "\r\n", rest);
}
std::string field(absl::string_view line) { return absl::StrCat("GET / HTTP/1.1\r\nHost: a\r\n", line, "\r\n\r\n"); }
std::string target(absl::string_view target) { return absl::StrCat("GET ", target, " HTTP/1.1\r\nHost: a\r\n\r\n"); }

class SmugglingTest : public testing::TestWithParam<Case> {};

TEST_P(SmugglingTest, IsRefused) {
  const Case& c = GetParam();
  Http1ServerHarness server(true);
  server.receive(c.request);
  ASSERT_EQ(1u, server.requests.size());
  EXPECT_EQ(absl::StrCat("B ", c.status, " ", c.details, "\n"), server.log());
  EXPECT_EQ(CodecError::Protocol, server.status.error);
  EXPECT_TRUE(server.codec().closesAfterStream());
  EXPECT_EQ(0u, server.codec().activeStreams());
  EXPECT_TRUE(absl::StartsWith(server.written(), absl::StrCat("HTTP/1.1 ", c.status, " ")));
  // Nothing that follows is taken for a request.
  server.receive("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(1u, server.requests.size());
}

const char kEncoding[] = "http1.invalid_transfer_encoding";
const char kBoth[] = "http1.content_length_and_chunked_not_allowed";
const char kUrl[] = "http1.invalid_url";
const char kCharacters[] = "http1.invalid_characters";
const char kAuthority[] = "http.invalid_authority";

INSTANTIATE_TEST_SUITE_P(
    Forms, SmugglingTest,
    testing::Values(
        Case{"LengthTwice", post("Content-Length: 3\r\nContent-Length: 3\r\n", "abc")},
        Case{"LengthsDiffer", post("Content-Length: 3\r\nContent-Length: 4\r\n", "abc")},
        Case{"LengthList", post("Content-Length: 3, 3\r\n", "abc")},
        Case{"LengthNegative", post("Content-Length: -3\r\n", "abc")},
        Case{"LengthPlus", post("Content-Length: +3\r\n", "abc")},
        Case{"LengthHex", post("Content-Length: 0x3\r\n", "abc")},
        Case{"LengthEmpty", post("Content-Length:\r\n", "abc")},
        Case{"LengthInTwo", post("Content-Length: 3 3\r\n", "abc")},
        Case{"LengthOverflow", post("Content-Length: 99999999999999999999\r\n", "abc")},
        Case{"LengthThenChunked", post("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n"), 400, kBoth},
        Case{"ChunkedThenLength", post("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n"), 400, kBoth},
        Case{"EncodingGzip", post("Transfer-Encoding: gzip\r\n"), 501, kEncoding},
        Case{"EncodingGzipChunked", post("Transfer-Encoding: gzip, chunked\r\n"), 501, kEncoding},
        Case{"EncodingChunkedGzip", post("Transfer-Encoding: chunked, gzip\r\n"), 501, kEncoding},
        Case{"EncodingIdentity", post("Transfer-Encoding: identity\r\n"), 501, kEncoding},
        Case{"EncodingIdentityChunked", post("Transfer-Encoding: identity, chunked\r\n"), 501, kEncoding},
        Case{"EncodingTwice", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), 501, kEncoding},
        Case{"EncodingAnotherAfter", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n"), 501, kEncoding},
        Case{"EncodingAnotherBefore", post("Transfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n"), 501, kEncoding},
        Case{"EncodingChunkedChunked", post("Transfer-Encoding: chunked, chunked\r\n"), 501, kEncoding},
        Case{"EncodingXchunked", post("Transfer-Encoding: xchunked\r\n"), 501, kEncoding},
        Case{"EncodingQuoted", post("Transfer-Encoding: \"chunked\"\r\n"), 501, kEncoding},
        Case{"EncodingParameter", post("Transfer-Encoding: chunked;q=1\r\n"), 501, kEncoding},
        Case{"EncodingComma", post("Transfer-Encoding: chunked,\r\n"), 501, kEncoding},
        Case{"EncodingCommaFirst", post("Transfer-Encoding: ,chunked\r\n"), 501, kEncoding},
        Case{"EncodingEmpty", post("Transfer-Encoding: \r\n"), 501, kEncoding},
        Case{"EncodingVerticalTab", post("Transfer-Encoding: \vchunked\r\n"), 400, kCharacters},
        Case{"EncodingSpaceBeforeColon", post("Transfer-Encoding : chunked\r\n")},
        Case{"EncodingSpaceFirst", post(" Transfer-Encoding: chunked\r\n")},
        Case{"EncodingFolded", post("Transfer-Encoding:\r\n chunked\r\n"), 400, kCharacters},
        Case{"Folded", field("X: a\r\n b")}, Case{"FoldedWithTab", field("X: a\r\n\tb")},
        Case{"FoldedFirst", "GET / HTTP/1.1\r\n X: y\r\nHost: a\r\n\r\n"},
        Case{"BareLf", "GET / HTTP/1.1\nHost: a\n\n"}, Case{"BareLfInFields", field("X: a\nY: b"), 400},
        Case{"BareCrInFields", field("X: a\rY: b"), 400},
        Case{"Nul", field(absl::string_view("X: a\0b", 6)), 400, kCharacters},
        Case{"Control", field("X: a\001b"), 400, kCharacters}, Case{"Delete", field("X: a\177b"), 400, kCharacters},
        Case{"NameWithBrace", field("X{y: b")}, Case{"NameWithHighByte", field("X\xff: b")},
        Case{"NameEmpty", field(": b")}, Case{"NamePseudo", field(":path: /b")}, Case{"NoColon", field("Xyz")},
        Case{"SpaceBeforeColon", field("X : b")}, Case{"MethodUnknown", "FOO / HTTP/1.1\r\nHost: a\r\n\r\n"},
        Case{"MethodLowerCase", "get / HTTP/1.1\r\nHost: a\r\n\r\n"},
        Case{"MethodWithBrace", "G(T / HTTP/1.1\r\nHost: a\r\n\r\n"},
        Case{"SpaceFirst", " GET / HTTP/1.1\r\nHost: a\r\n\r\n"}, Case{"Tabs", "GET\t/\tHTTP/1.1\r\nHost: a\r\n\r\n"},
        Case{"ProtocolLowerCase", "GET / http/1.1\r\nHost: a\r\n\r\n"},
        Case{"Preface2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
        Case{"Tls", std::string("\x16\x03\x01\x02\x00\x01\x00", 7)},
        Case{"Version10", "GET / HTTP/1.0\r\nHost: a\r\n\r\n", 426, "low_version"},
        Case{"Version12", "GET / HTTP/1.2\r\nHost: a\r\n\r\n", 426, "low_version"},
        Case{"Version2", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", 426, "low_version"}, Case{"TargetSpace", target("/a b")},
        Case{"TargetControl", target("/a\001b")}, Case{"TargetRelative", target("abc")},
        Case{"TargetAsterisk", target("*"), 400, kUrl},
        Case{"TargetFtp", target("ftp://b/"), 400, "http1.invalid_scheme"},
        Case{"TargetNoHost", target("http:///x"), 400, kUrl},
        Case{"TargetBadPort", target("http://b:99999/"), 400, kUrl},
        Case{"ConnectWithoutPort", "CONNECT b HTTP/1.1\r\nHost: b\r\n\r\n", 400, kUrl},
        Case{"ConnectPath", "CONNECT /b HTTP/1.1\r\nHost: b\r\n\r\n", 400, kUrl},
        Case{"ConnectBody", "CONNECT b:1 HTTP/1.1\r\nContent-Length: 3\r\n\r\n", 400, "http1.body_disallowed"},
        Case{"ConnectChunked", "CONNECT b:1 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 501, kEncoding},
        Case{"HostTwice", field("Host: b"), 400, kAuthority},
        Case{"HostWithSpace", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400, kAuthority},
        Case{"HostWithSlash", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400, kAuthority},
        Case{"ConnectionNamesHost", field("Connection: close, host"), 400, "http1.connection_header_rejected"},
        Case{"ConnectionNamesPath", field("Connection: :path"), 400, "http1.connection_header_rejected"},
        Case{"ConnectionNamesForwarded", field("Connection: X-Forwarded-For"), 400,
             "http1.connection_header_rejected"}),
    [](const auto& info) { return std::string(info.param.name); });

class ChunkTest : public testing::TestWithParam<Case> {};

TEST_P(ChunkTest, IsRefusedInTheBody) {
  const Case& c = GetParam();
  Http1ServerHarness server(true);
  server.receive(post(kChunked, c.request));
  ASSERT_EQ(1u, server.requests.size());
  const std::vector<std::string>& log = server.request().log;
  ASSERT_GE(log.size(), 2u);
  EXPECT_EQ("H :authority=a|:path=/|:method=POST|transfer-encoding=chunked", log.front());
  EXPECT_EQ(absl::StrCat("B ", c.status, " ", c.details), log.back());
  EXPECT_FALSE(server.request().ended);
  EXPECT_EQ(CodecError::Protocol, server.status.error);
}

INSTANTIATE_TEST_SUITE_P(
    Forms, ChunkTest,
    testing::Values(Case{"SizeNegative", "-3\r\nabc\r\n0\r\n\r\n"}, Case{"SizePrefixed", "0x3\r\nabc\r\n0\r\n\r\n"},
                    Case{"SizeOverflow", "10000000000000003\r\nabc\r\n0\r\n\r\n"},
                    Case{"SizeMissing", "\r\nabc\r\n0\r\n\r\n"}, Case{"SizeThenSpace", "3 \r\nabc\r\n0\r\n\r\n"},
                    Case{"SpaceThenSize", " 3\r\nabc\r\n0\r\n\r\n"}, Case{"TooLong", "3\r\nabcdef\r\n0\r\n\r\n"},
                    Case{"BareLfAfterSize", "3\nabc\r\n0\r\n\r\n"}, Case{"BareLfAfterData", "3\r\nabc\n0\r\n\r\n"},
                    Case{"BareLfAtTheEnd", "3\r\nabc\r\n0\n\n"}, Case{"BareCr", "3\rabc\r\n0\r\n\r\n"},
                    Case{"ExtensionEndsWithLf", "3;a\nabc\r\n0\r\n\r\n"},
                    Case{"ExtensionHoldsCr", "3;a\rb\r\nabc\r\n0\r\n\r\n"},
                    Case{"ExtensionsWithoutEnd", "3;" + std::string(200 * 1024, 'a') + "\r\nabc\r\n0\r\n\r\n"},
                    Case{"TrailerName", "3\r\nabc\r\n0\r\nX{: y\r\n\r\n"},
                    Case{"TrailerFolded", "3\r\nabc\r\n0\r\nX: y\r\n z\r\n\r\n"},
                    Case{"TrailerControl", "3\r\nabc\r\n0\r\nX: \001\r\n\r\n", 400, kCharacters},
                    Case{"TrailersTooLarge", "0\r\nX: " + std::string(70 * 1024, 'a') + "\r\n\r\n", 431,
                         "http1.headers_too_large"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(Http1Smuggling, WhatIsHarmlessIsTaken) {
  for (const std::string& request :
       {post("Content-Length: 3 \r\n", "abc"), post("Transfer-Encoding:\tChunKed\t \r\n", "3\r\nabc\r\n0\r\n\r\n"),
        post(kChunked, "3;a=b;c=\"d;\"\r\nabc\r\n0\r\n\r\n"), "\r\n\r\n" + post("Content-Length: 003\r\n", "abc")}) {
    Http1ServerHarness server;
    server.receive(request);
    ASSERT_EQ(1u, server.requests.size()) << request;
    EXPECT_EQ("abc", server.request().body) << server.log();
    EXPECT_TRUE(server.request().ended);
  }
}

TEST(Http1Smuggling, LengthBesideChunkedIsDroppedWhenAllowed) {
  Http1ServerHarness server;
  server.settings.allow_chunked_length = true;
  server.receive(post("Content-Length: 30\r\nTransfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\n\r\n"));
  EXPECT_EQ("H :authority=a|:path=/|:method=POST|transfer-encoding=chunked\nD. abc\n", server.log());
  EXPECT_TRUE(server.codec().closesAfterStream());
}

}  // namespace
}  // namespace sluice::http
