// The client's side: requests as they stand on the wire, responses as their receiver hears them.

#include <gtest/gtest.h>

#include "test/http/http1_harness.h"

namespace sluice::http {
namespace {

const Fields kGet = {{":method", "GET"}, {":path", "/"}, {":authority", "a"}, {":scheme", "http"}};

Fields request(absl::string_view method, const Fields& more = {}) {
  Fields fields = {{":method", std::string(method)}, {":path", "/"}, {":authority", "a"}};
  fields.insert(fields.end(), more.begin(), more.end());
  return fields;
}

TEST(Http1Client, Requests) {
  for (const auto& [fields, wire] : std::vector<std::pair<Fields, std::string>>{
           {request("GET", {{"x", "y"}}), "GET / HTTP/1.1\r\nhost: a\r\nx: y\r\n\r\n"},
           {request("DELETE"), "DELETE / HTTP/1.1\r\nhost: a\r\n\r\n"},
           {request("POST"), "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n"},
           {request("OPTIONS"), "OPTIONS / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n"},
           {request("GET", {{"transfer-encoding", "gzip"}}), "GET / HTTP/1.1\r\nhost: a\r\n\r\n"},
           {{{":method", "GET"}, {":path", "/a b\r\nX: y"}}, "GET /a%20b%0D%0AX:%20y HTTP/1.1\r\n\r\n"}}) {
    Http1ClientHarness client;
    client.request(fields);
    EXPECT_EQ(wire, client.written());
  }
  Http1ClientHarness full;
  full.settings.send_fully_qualified_url = true;
  full.request(kGet);
  EXPECT_EQ("GET http://a/ HTTP/1.1\r\nhost: a\r\n\r\n", full.written());
}

TEST(Http1Client, RequestBodies) {
  Http1ClientHarness client;
  client.settings.enable_trailers = true;
  RecordingReceiver& response = client.request(request("POST"), false);
  client.sendData(*response.sender, "hello", false);
  client.sendTrailers(*response.sender, {{"t", "1"}});
  EXPECT_EQ("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nt: 1\r\n\r\n",
            client.written());
  client.receive("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
  EXPECT_TRUE(client.codec().reusable());
  RecordingReceiver& next = client.request(request("POST", {{"content-length", "2"}}), false);
  client.sendData(*next.sender, "ok", true);
  EXPECT_EQ("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nok", client.written());
}

std::string repeated(absl::string_view text, int times) {
  std::string out;
  while (times-- > 0) {
    absl::StrAppend(&out, text);
  }
  return out;
}

struct Case {
  const char* name;
  std::string response;
  /** The peer's end comes after it. */
  bool closed;
  std::string log;
  bool reusable;
  const char* method = "GET";
};

class ResponseTest : public testing::TestWithParam<Case> {};

TEST_P(ResponseTest, IsHeard) {
  const Case& c = GetParam();
  Http1ClientHarness client;
  RecordingReceiver& response = client.request(request(c.method));
  client.receive(c.response);
  if (c.closed) {
    client.receiveEnd();
  }
  EXPECT_EQ(c.log, response.text());
  EXPECT_EQ(c.reusable, client.codec().reusable());
  EXPECT_EQ(absl::StartsWith(response.log.empty() ? "" : response.log.back(), "R "), !client.status.ok());
}

const char kBroken[] = "R protocol_error http1.codec_error\n";
const char kChunkedHead[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
const char kNoLength[] = "R protocol_error http1.content_length_not_allowed\n";
const char kNoEncoding[] = "R protocol_error http1.transfer_encoding_not_allowed\n";

INSTANTIATE_TEST_SUITE_P(
    All, ResponseTest,
    testing::Values(
        Case{"Length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\nhello", false,
             "H :status=200|content-length=5|x=y\nD. hello\n", true},
        Case{"Chunked", std::string(kChunkedHead) + "5\r\nhello\r\n0\r\n\r\n", false,
             "H :status=200|transfer-encoding=chunked\nD. hello\n", true},
        Case{"UntilClose", "HTTP/1.1 200 OK\r\n\r\nhello", true, "H :status=200\nD. hello\n", false},
        Case{"NoReason", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", false, "H. :status=200|content-length=0\n", true},
        Case{"NoReasonButSpace", "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", false,
             "H. :status=200|content-length=0\n", true},
        Case{"SaysClose", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", false,
             "H. :status=200|content-length=0|connection=close\n", false},
        Case{"Version10", "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", false, "H. :status=200|content-length=0\n",
             false},
        Case{"Version10Stays", "HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n", false,
             "H. :status=200|content-length=0|connection=keep-alive\n", true},
        Case{"NoContent", "HTTP/1.1 204 No Content\r\n\r\n", false, "H. :status=204\n", true},
        Case{"NoContentLength0", "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", false, "H. :status=204\n",
             true},
        Case{"NoContentLength", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", false, kNoLength, false},
        Case{"NoContentChunked", "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", false, kNoEncoding,
             false},
        Case{"NotModified", "HTTP/1.1 304 NM\r\nContent-Length: 5\r\n\r\n", false, "H. :status=304|content-length=5\n",
             true},
        Case{"Head", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", false, "H. :status=200|content-length=5\n", true,
             "HEAD"},
        Case{"HeadChunked", kChunkedHead, false, "H. :status=200|transfer-encoding=chunked\n", true, "HEAD"},
        Case{"HeadBare", "HTTP/1.1 200 OK\r\n\r\n", false, "H. :status=200\n", true, "HEAD"},
        Case{"Interim",
             "HTTP/1.1 100 C\r\n\r\nHTTP/1.1 103 EH\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\n"
             "Content-Length: 0\r\n\r\n",
             false, "I :status=100\nI :status=103|link=x\nH. :status=200|content-length=0\n", true},
        Case{"InterimUnknown", "HTTP/1.1 199 C\r\n\r\nHTTP/1.1 204 OK\r\n\r\n", false,
             "I :status=199\nH. :status=204\n", true},
        Case{"InterimLength", "HTTP/1.1 102 P\r\nContent-Length: 2\r\n\r\n", false, kNoLength, false},
        Case{"InterimThenEnd", "HTTP/1.1 100 C\r\n\r\n", true, "I :status=100\n", false},
        Case{"SwitchedUnasked", "HTTP/1.1 101 SP\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nraw", false, kBroken,
             false},
        Case{"OffersUpgrade", "HTTP/1.1 200 OK\r\nUpgrade: h2c\r\nConnection: upgrade\r\nContent-Length: 2\r\n\r\nok",
             false, "H :status=200|upgrade=h2c|connection=upgrade|content-length=2\nD. ok\n", true},
        Case{"LengthAndChunked", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", false,
             "R protocol_error http1.content_length_and_chunked_not_allowed\n", false},
        Case{"Gzip", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", false,
             "R protocol_error http1.invalid_transfer_encoding\n", false},
        Case{"LengthTwice", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n", false, kBroken, false},
        Case{"Garbage", "garbage\r\n\r\n", false, kBroken, false},
        Case{"Status99", "HTTP/1.1 099 X\r\n\r\n", false, kBroken, false},
        Case{"Folded", "HTTP/1.1 200 OK\r\nX: y\r\n z\r\n\r\n", false, kBroken, false},
        Case{"BareLf", "HTTP/1.1 200 OK\nX: y\n\n", false, kBroken, false},
        Case{"TooMany", absl::StrCat("HTTP/1.1 200 OK\r\n", repeated("X: y\r\n", 101), "\r\n"), false,
             "R protocol_error http1.too_many_headers\n", false},
        Case{"BadChunk", std::string(kChunkedHead) + "zz\r\n", false,
             std::string("H :status=200|transfer-encoding=chunked\n") + kBroken, false},
        Case{"EndsInTheHead", "HTTP/1.1 200 OK\r\nX", true, kBroken, false},
        Case{"EndsInTheBody", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", true,
             std::string("H :status=200|content-length=9\nD hello\n") + kBroken, false},
        Case{"EndsInAChunk", std::string(kChunkedHead) + "5\r\nhello\r\n", true,
             std::string("H :status=200|transfer-encoding=chunked\nD hello\n") + kBroken, false},
        Case{"EndsAtOnce", "", true, "", false}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(Http1Client, BytesThatNobodyAskedFor) {
  Http1ClientHarness idle;
  idle.receive("HTTP/1.1 200 OK\r\n\r\n");
  EXPECT_EQ(CodecError::PrematureResponse, idle.status.error);
  Http1ClientHarness twice;
  twice.get();
  twice.receive("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ("H. :status=200|content-length=0\n", twice.responses[0]->text());
  EXPECT_EQ(CodecError::PrematureResponse, twice.status.error);
  EXPECT_FALSE(twice.codec().reusable());
}

TEST(Http1Client, ResponseBeforeTheRequestsEnd) {
  Http1ClientHarness client;
  RecordingReceiver& response = client.request(request("POST"), false);
  client.receive("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  EXPECT_TRUE(response.ended);
  EXPECT_FALSE(client.codec().reusable());
  EXPECT_EQ(1u, client.codec().activeStreams());
  client.sendData(*response.sender, "late", true);
  EXPECT_TRUE(client.codec().reusable());
}

TEST(Http1Client, SwitchingProtocols) {
  Http1ClientHarness client;
  RecordingReceiver& response =
      client.request(request("GET", {{"connection", "Upgrade"}, {"upgrade", "websocket"}}), false);
  EXPECT_EQ("GET / HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n", client.written());
  client.receive("HTTP/1.1 101 SP\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\nraw");
  client.sendData(*response.sender, "abc", false);
  EXPECT_EQ("abc", client.written());
  EXPECT_EQ("H :status=101|upgrade=websocket|connection=upgrade\nD raw\n", response.text());
  client.receiveEnd();
  EXPECT_TRUE(response.ended);
  client.sendData(*response.sender, "", true);
  EXPECT_EQ("", client.written());
  EXPECT_TRUE(client.wire->outgoing_end);
  EXPECT_FALSE(client.codec().reusable());
}

TEST(Http1Client, Connect) {
  Http1ClientHarness client;
  const Fields fields = {{":method", "CONNECT"}, {":authority", "b:443"}};
  RecordingReceiver& response = client.request(fields, false);
  EXPECT_EQ("CONNECT b:443 HTTP/1.1\r\nhost: b:443\r\n\r\n", client.written());
  client.receive("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nraw and more");
  EXPECT_EQ("H :status=200\nD raw and more\n", response.text());
  Http1ClientHarness refused;
  RecordingReceiver& no = refused.request(fields, false);
  refused.receive("HTTP/1.1 403 No\r\nContent-Length: 3\r\n\r\nsry");
  EXPECT_EQ("H :status=403|content-length=3\nD. sry\n", no.text());
  EXPECT_EQ(1, refused.going_away);
}

TEST(Http1Client, TheEndWaitsForABodyThatIsNotReadYet) {
  Http1ClientHarness client;
  RecordingReceiver& response = client.get();
  response.on_headers = [&] { response.sender->readDisable(true); };
  client.receive("HTTP/1.1 200 OK\r\n\r\nhello");
  client.receiveEnd();
  EXPECT_EQ("H :status=200\n", response.text());
  client.dispatcher.callback([&] { response.sender->readDisable(false); });
  client.dispatcher.runUntilIdle();
  EXPECT_EQ("H :status=200\nD. hello\n", response.text());
}

TEST(Http1Client, PreservedCaseGoesRoundTrip) {
  Http1ClientHarness client;
  client.settings.header_case = HeaderCase::Preserve;
  RecordingReceiver& response = client.get();
  base::Arena arena;
  HeaderMap kept(arena);
  kept.add(HeaderId::Status, "200");
  Header& field = kept.addView("x-foo", "1");
  field.original_name = "X-fOO";
  net::Buffer out;
  encodeHttp1Response(kept, 200, false, Http1Framing::None, HeaderCase::Preserve, out);
  EXPECT_EQ("HTTP/1.1 200 OK\r\nX-fOO: 1\r\n\r\n", out.toString());
  client.receive("HTTP/1.1 200 OK\r\nX-fOO: 1\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ("H. :status=200|x-foo=1|content-length=0\n", response.text());
}

TEST(Http1Client, ResetClosesAtOnce) {
  Http1ClientHarness client;
  RecordingReceiver& response = client.get();
  client.dispatcher.callback([&] { response.sender->reset(ResetReason::Local); });
  EXPECT_EQ(net::Connection::State::Closed, client.connection->state());
  EXPECT_FALSE(client.codec().reusable());
}

}  // namespace
}  // namespace sluice::http
