// However the network cuts a stream of bytes, the same is heard and the same is answered.

#include <gtest/gtest.h>

#include "test/http/http1_harness.h"

namespace sluice::http {
namespace {

const char* const kRequests[] = {
    "GET /path?query HTTP/1.1\r\nHost: example.com\r\nX-A:  b c \t\r\nEmpty:\r\n\r\n",
    "\r\nPOST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;e=f\r\nabc\r\n10\r\n0123456789abcdef\r\n"
    "0\r\nX-T: y\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloPUT /2 HTTP/1.1\r\nHost: a\r\nContent-Length: "
    "0\r\n\r\n",
    "GET http://b/x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nraw bytes",
    "CONNECT b:443 HTTP/1.1\r\nHost: a\r\n\r\nraw bytes",
    "GET / HTTP/1.1\r\nHost: a\r\nX: a\001b\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
    "GET / HTTP/1.0\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\nG(T / HTTP/1.1\r\n\r\n",
};

const char* const kResponses[] = {
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A:  b \r\n\r\nhello",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 EH\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
    "\r\n5\r\nhello\r\n6\r\n world\r\n0\r\nX-T: y\r\n\r\n",
    "HTTP/1.1 200 OK\r\n\r\nuntil the end",
    "HTTP/1.1 204\r\n\r\n",
    "HTTP/1.0 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nmore",
};

/** What is heard and answered, and how it ends, when `text` comes in pieces that end at `cuts`. */
std::string serve(absl::string_view text, const std::vector<size_t>& cuts) {
  Http1ServerHarness server(true);
  server.settings.enable_trailers = true;
  size_t from = 0;
  for (const size_t cut : cuts) {
    server.receive(text.substr(from, cut - from));
    from = cut;
  }
  server.receive(text.substr(from));
  return absl::StrCat(server.log(), server.written(), server.status.details, server.codec().closesAfterStream(),
                      server.requests.empty() ? 0 : server.request().sender->headerWireBytesReceived());
}

std::string ask(absl::string_view text, const std::vector<size_t>& cuts) {
  Http1ClientHarness client;
  client.settings.enable_trailers = true;
  RecordingReceiver& response = client.get();
  size_t from = 0;
  for (const size_t cut : cuts) {
    client.receive(text.substr(from, cut - from));
    from = cut;
  }
  client.receive(text.substr(from));
  client.receiveEnd();
  return absl::StrCat(response.text(), client.status.details, client.codec().reusable());
}

template <class Run>
void expectSameHoweverCut(absl::string_view text, Run run) {
  const std::string whole = run(text, std::vector<size_t>());
  std::vector<size_t> everywhere;
  for (size_t cut = 1; cut < text.size(); ++cut) {
    EXPECT_EQ(whole, run(text, std::vector<size_t>{cut})) << "cut at " << cut << " of:\n" << text;
    everywhere.push_back(cut);
  }
  EXPECT_EQ(whole, run(text, everywhere)) << "byte by byte:\n" << text;
}

TEST(Http1Split, RequestsAreHeardAlike) {
  for (const char* request : kRequests) {
    expectSameHoweverCut(request, serve);
  }
}

TEST(Http1Split, ResponsesAreHeardAlike) {
  for (const char* response : kResponses) {
    expectSameHoweverCut(response, ask);
  }
}

TEST(Http1Split, LongFieldsComeInManyPieces) {
  const std::string request = absl::StrCat("GET /", std::string(20000, 'p'), " HTTP/1.1\r\nHost: a\r\n",
                                           std::string(300, 'N'), ": ", std::string(20000, 'v'), "\r\n\r\n");
  std::vector<size_t> cuts;
  for (size_t cut = 7; cut < request.size(); cut += 7) {
    cuts.push_back(cut);
  }
  EXPECT_EQ(serve(request, {}), serve(request, cuts));
}

}  // namespace
}  // namespace sluice::http
