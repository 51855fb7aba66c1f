// Pools with the real codecs, over real sockets: what a backend's bytes do to its connection.

#include "source/cluster/http_codecs.h"

#include <poll.h>

#include <functional>

#include <gtest/gtest.h>

#include "source/cluster/http_upstream.h"
#include "test/cluster/local_clusters_fixture.h"

namespace sluice::cluster {
namespace {

using http::HeaderId;

/** GETs, and notes the answer. */
struct Getter : HttpUpstreamCallbacks, http::StreamReceiver {
  void onPoolReady(const UpstreamStream& ready) override {
    connection_id = ready.connection->id();
    fd = ready.connection->socket().fd();
    sender = ready.sender;
    http::HeaderMap headers(memory);
    headers.add(":method", "GET");
    headers.add(":scheme", "http");
    headers.add(":authority", "be.test");
    headers.add(":path", "/");
    ready.sender->sendHeaders(headers, true);
  }
  void onPoolFailure(PoolFailure why, absl::string_view) override { failure = why; }
  base::Arena& arena() override { return memory; }
  void onHeaders(http::HeaderMap& headers, bool end_stream) override {
    status = std::string(headers.get(":status"));
    if (pause_at_headers) {
      sender->readDisable(true);
    }
    if (end_stream) {
      end();
    }
  }
  void onInterimHeaders(http::HeaderMap&) override {}
  void onData(net::Buffer& data, bool end_stream) override {
    body += data.toString();
    data.clear();
    if (end_stream) {
      end();
    }
  }
  void onTrailers(http::HeaderMap&) override { end(); }
  void onReset(http::ResetReason reason, absl::string_view) override {
    reset = reason;
    upstream->onStreamEnd(reason);
  }
  void onAboveWriteBufferHighWatermark() override {}
  void onBelowWriteBufferLowWatermark() override {}
  void end() {
    ended = true;
    upstream->onStreamEnd();
  }

  bool over() const { return ended || reset.has_value(); }

  base::Arena memory;
  std::unique_ptr<HttpUpstream> upstream;
  uint64_t connection_id = 0;
  int fd = -1;
  http::StreamSender* sender = nullptr;
  bool pause_at_headers = false;
  std::string status;
  std::string body;
  bool ended = false;
  std::optional<http::ResetReason> reset;
  std::optional<PoolFailure> failure;
};

class HttpCodecsTest : public test::LocalClustersFixture {
 protected:
  ~HttpCodecsTest() override {
    clear();
    EXPECT_EQ(0u, breakers_->connections().count());
  }
  void add(HttpProtocolChoice protocol) {
    HttpOptions http;
    http.protocol = protocol;
    http.codecs = std::make_shared<HttpCodecs>(http::Http1Settings(), http::Http2Settings());
    setRecipe(std::move(http));
    LocalClustersFixture::add(makeInfo(), makeSet({std::make_shared<Endpoint>(backend_.address, "")}));
  }
  void begin(Getter& getter) {
    getter.upstream = cluster().newHttpStream(getter, getter, LoadBalancerContext(), {});
    getter.upstream->start();
  }
  bool gets(const net::Socket& peer, absl::string_view end) {
    test::Received received;
    return until([&] {
      test::receiveSome(peer, received);
      return received.bytes.find(std::string(end)) != std::string::npos;
    });
  }
  /** A cluster that speaks HTTP/1, a request to it, and the backend's end of its connection once the request came. */
  net::Socket ask(Getter& getter) {
    add(HttpProtocolChoice::Http1);
    begin(getter);
    net::Socket peer = accept();
    EXPECT_TRUE(gets(peer, "\r\n\r\n"));
    return peer;
  }
  /** The peer's end has come to the socket, and the dispatcher has been told. */
  bool seesEnd(int fd) {
    pollfd ended{fd, POLLRDHUP, 0};
    if (!until([&] { return ::poll(&ended, 1, 0) == 1; })) {
      return false;
    }
    for (int i = 0; i < 3; ++i) {
      turn();
    }
    return true;
  }
};

TEST_F(HttpCodecsTest, Http1ConnectionsAreUsedAgain) {
  Getter first;
  net::Socket peer = ask(first);
  test::sendSome(peer, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi");
  ASSERT_TRUE(until([&] { return first.ended; }));
  EXPECT_EQ("200", first.status);
  EXPECT_EQ("hi", first.body);
  turn();
  Getter second;
  begin(second);
  EXPECT_EQ(first.connection_id, second.connection_id);
  ASSERT_TRUE(gets(peer, "\r\n\r\n"));
  test::sendSome(peer, "HTTP/1.1 204 No Content\r\n\r\n");
  ASSERT_TRUE(until([&] { return second.ended; }));
  EXPECT_EQ(1u, gauge("upstream_cx_active"));
}

TEST_F(HttpCodecsTest, AResponseThatSaysCloseEndsItsConnection) {
  Getter getter;
  net::Socket peer = ask(getter);
  test::sendSome(peer, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
  ASSERT_TRUE(until([&] { return getter.ended && gauge("upstream_cx_active") == 0; }));
  EXPECT_EQ(1u, counter("upstream_cx_close_notify"));
  EXPECT_EQ(1u, counter("upstream_cx_destroy_local"));
  EXPECT_EQ(0u, counter("upstream_cx_destroy_with_active_rq"));
}

TEST_F(HttpCodecsTest, AResponseMayEndWithItsConnection) {
  Getter getter;
  net::Socket peer = ask(getter);
  test::sendSome(peer, "HTTP/1.1 200 OK\r\n\r\nuntil the end");
  peer.close();
  ASSERT_TRUE(until([&] { return getter.over(); }));
  EXPECT_TRUE(getter.ended);
  EXPECT_EQ("until the end", getter.body);
  EXPECT_EQ(0u, gauge("upstream_rq_active"));
}

TEST_F(HttpCodecsTest, AReaderThatPausesGetsAllOfAResponseThatEndsMeanwhile) {
  for (const std::string head : {"HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n"}) {
    Getter getter;
    net::Socket peer = ask(getter);
    test::sendSome(peer, head + "first");
    ASSERT_TRUE(until([&] { return getter.body == "first"; }));
    getter.sender->readDisable(true);
    test::sendSome(peer, "second");
    peer.close();
    ASSERT_TRUE(seesEnd(getter.fd));
    EXPECT_EQ("first", getter.body);
    EXPECT_FALSE(getter.over());
    if (!getter.over()) {
      getter.sender->readDisable(false);
    }
    ASSERT_TRUE(until([&] { return getter.over(); }));
    EXPECT_TRUE(getter.ended);
    EXPECT_EQ("firstsecond", getter.body);
    ASSERT_TRUE(until([&] { return gauge("upstream_cx_active") == 0; }));
  }
  EXPECT_EQ(2u, counter("upstream_cx_destroy_remote"));
}

TEST_F(HttpCodecsTest, WhatWaitsInTheCodecOutlivesTheEndOfInput) {
  for (const std::string head : {"HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"}) {
    Getter getter;
    getter.pause_at_headers = true;
    net::Socket peer = ask(getter);
    test::sendSome(peer, head + "whole");
    peer.close();
    ASSERT_TRUE(seesEnd(getter.fd));
    ASSERT_TRUE(until([&] { return !getter.status.empty(); }));
    EXPECT_EQ("", getter.body);
    ASSERT_FALSE(getter.over());
    getter.sender->readDisable(false);
    ASSERT_TRUE(until([&] { return getter.over(); }));
    EXPECT_TRUE(getter.ended);
    EXPECT_EQ("whole", getter.body);
    ASSERT_TRUE(until([&] { return gauge("upstream_cx_active") == 0; }));
  }
}

TEST_F(HttpCodecsTest, AResponseCutOffWhileItsReaderPausesIsReset) {
  Getter getter;
  getter.pause_at_headers = true;
  net::Socket peer = ask(getter);
  test::sendSome(peer, "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf");
  peer.close();
  ASSERT_TRUE(seesEnd(getter.fd));
  ASSERT_TRUE(until([&] { return !getter.status.empty(); }));
  ASSERT_FALSE(getter.reset.has_value());
  getter.sender->readDisable(false);
  ASSERT_TRUE(until([&] { return getter.over(); }));
  EXPECT_FALSE(getter.ended);
  EXPECT_EQ("half", getter.body);
  ASSERT_TRUE(until([&] { return gauge("upstream_cx_active") == 0; }));
}

TEST_F(HttpCodecsTest, AnEndInsteadOfAResponseResetsTheRequest) {
  Getter getter;
  net::Socket peer = ask(getter);
  peer.close();
  ASSERT_TRUE(until([&] { return getter.over(); }));
  EXPECT_EQ(http::ResetReason::ConnectionTermination, getter.reset);
  EXPECT_EQ(0u, gauge("upstream_cx_active"));
  EXPECT_EQ(1u, counter("upstream_cx_destroy_remote_with_active_rq"));
}

TEST_F(HttpCodecsTest, AReaderThatPausesInACallGoesOnWithWhatCameTogether) {
  Getter getter;
  getter.pause_at_headers = true;
  net::Socket peer = ask(getter);
  test::sendSome(peer, "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nbody");
  ASSERT_TRUE(until([&] { return !getter.status.empty(); }));
  EXPECT_EQ("", getter.body);
  getter.sender->readDisable(false);
  ASSERT_TRUE(until([&] { return getter.ended; }));
  EXPECT_EQ("body", getter.body);
  EXPECT_EQ(1u, gauge("upstream_cx_active"));
}

TEST_F(HttpCodecsTest, WhatNobodyAskedForEndsTheConnection) {
  Getter getter;
  net::Socket peer = ask(getter);
  test::sendSome(peer, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
  ASSERT_TRUE(until([&] { return getter.ended; }));
  EXPECT_EQ(1u, gauge("upstream_cx_active"));
  test::sendSome(peer, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
  ASSERT_TRUE(until([&] { return gauge("upstream_cx_active") == 0; }));
}

TEST_F(HttpCodecsTest, WhatIsNotHttpIsAProtocolError) {
  for (const HttpProtocolChoice protocol : {HttpProtocolChoice::Http1, HttpProtocolChoice::Http2}) {
    add(protocol);
    Getter getter;
    begin(getter);
    net::Socket peer = accept();
    ASSERT_TRUE(gets(peer, protocol == HttpProtocolChoice::Http1 ? "\r\n\r\n" : "PRI * HTTP/2.0"));
    test::sendSome(peer, "\x01\x02 what is this, and why is it here at all?\r\n\r\n");
    ASSERT_TRUE(until([&] { return getter.reset.has_value(); }));
    EXPECT_EQ(http::ResetReason::ProtocolError, *getter.reset);
    ASSERT_TRUE(until([&] { return gauge("upstream_cx_active") == 0; }));
  }
  EXPECT_EQ(2u, counter("upstream_cx_protocol_error"));
}

TEST_F(HttpCodecsTest, Http2RequestsShareAConnectionAndGoOneByOne) {
  add(HttpProtocolChoice::Http2);
  Getter first;
  Getter second;
  begin(first);
  begin(second);
  net::Socket peer = accept();
  ASSERT_TRUE(until([&] { return second.connection_id != 0; }));
  EXPECT_EQ(first.connection_id, second.connection_id);
  first.upstream.reset();
  EXPECT_EQ(1u, gauge("upstream_rq_active"));
  EXPECT_EQ(1u, counter("upstream_rq_tx_reset"));
  peer.close();
  ASSERT_TRUE(until([&] { return second.reset.has_value(); }));
  EXPECT_EQ(http::ResetReason::ConnectionTermination, *second.reset);
}

}  // namespace
}  // namespace sluice::cluster
