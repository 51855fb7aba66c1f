// Pools with the real codecs, over real sockets: what a backend's bytes do to its connection.

#include "source/cluster/http_codecs.h"

#include <poll.h>

#include <functional>

#include <gtest/gtest.h>

#include "source/cluster/http_upstream.h"
#include "source/cluster/local_clusters.h"
#include "source/event/libevent_dispatcher.h"
#include "source/net/raw_transport_socket.h"
#include "source/stats/store.h"
#include "test/support/sockets.h"

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

class HttpCodecsTest : public testing::Test {
 protected:
  ~HttpCodecsTest() override {
    clusters_.reset();
    dispatcher_.clearDeferredDeletes();
    EXPECT_EQ(0u, breakers_->connections().count());
  }
  void add(HttpProtocolChoice protocol) {
    auto info = std::make_unique<ClusterInfo>(dispatcher_, scope_);
    info->name = info->observability_name = name_;
    auto recipe = std::make_shared<ConnectionRecipe>();
    recipe->transport = std::make_shared<net::RawTransportSocketFactory>();
    recipe->http.protocol = protocol;
    recipe->http.codecs = std::make_shared<HttpCodecs>(http::Http1Settings(), http::Http2Settings());
    info->recipe = recipe;
    info->breakers = breakers_;
    breakers_->setThresholds({}, {}, *scope_);
    std::vector<EndpointSet::Entry> entries(1);
    entries[0].endpoint = std::make_shared<Endpoint>(backend_.address, "");
    clusters_->apply({{name_, std::move(info),
                       std::make_shared<EndpointSet>(std::move(entries), std::vector<Locality>(1), HealthRules())}});
  }
  void begin(Getter& getter) {
    getter.upstream = clusters_->find("be")->newHttpStream(getter, getter, LoadBalancerContext(), {});
    getter.upstream->start();
  }
  bool until(const std::function<bool()>& done) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!done()) {
      if (std::chrono::steady_clock::now() > end) {
        return false;
      }
      dispatcher_.run(event::Dispatcher::RunType::NonBlock);
    }
    return true;
  }
  net::Socket accept() {
    net::Socket peer;
    net::Address remote;
    EXPECT_TRUE(until([&] { return net::acceptConnection(backend_.socket.fd(), peer, remote) == 0; }));
    return peer;
  }
  bool gets(const net::Socket& peer, absl::string_view end) {
    test::Received received;
    return until([&] {
      test::receiveSome(peer, received);
      return received.bytes.find(std::string(end)) != std::string::npos;
    });
  }
  /** The peer's end has come to the socket, and the dispatcher has been told. */
  bool seesEnd(int fd) {
    pollfd ended{fd, POLLRDHUP, 0};
    if (!until([&] { return ::poll(&ended, 1, 0) == 1; })) {
      return false;
    }
    for (int i = 0; i < 3; ++i) {
      dispatcher_.run(event::Dispatcher::RunType::NonBlock);
    }
    return true;
  }
  uint64_t counter(absl::string_view name) const { return store_.counterValue(absl::StrCat("cluster.be.", name)); }
  uint64_t gauge(absl::string_view name) const { return store_.gaugeValue(absl::StrCat("cluster.be.", name)); }

  event::LibeventDispatcher dispatcher_{"worker_0"};
  stats::Store store_;
  stats::ScopePtr scope_ = store_.createScope("cluster.be");
  std::shared_ptr<CircuitBreakers> breakers_ = std::make_shared<CircuitBreakers>(*scope_);
  const std::shared_ptr<const std::string> name_ = std::make_shared<const std::string>("be");
  test::ListeningSocket backend_ = test::listenOnLoopback();
  std::unique_ptr<LocalClusters> clusters_ = std::make_unique<LocalClusters>(dispatcher_);
};

TEST_F(HttpCodecsTest, Http1ConnectionsAreUsedAgain) {
  add(HttpProtocolChoice::Http1);
  Getter first;
  begin(first);
  net::Socket peer = accept();
  ASSERT_TRUE(gets(peer, "\r\n\r\n"));
  test::sendSome(peer, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi");
  ASSERT_TRUE(until([&] { return first.ended; }));
  EXPECT_EQ("200", first.status);
  EXPECT_EQ("hi", first.body);
  dispatcher_.run(event::Dispatcher::RunType::NonBlock);
  Getter second;
  begin(second);
  EXPECT_EQ(first.connection_id, second.connection_id);
  ASSERT_TRUE(gets(peer, "\r\n\r\n"));
  test::sendSome(peer, "HTTP/1.1 204 No Content\r\n\r\n");
  ASSERT_TRUE(until([&] { return second.ended; }));
  EXPECT_EQ(1u, gauge("upstream_cx_active"));
}

TEST_F(HttpCodecsTest, AResponseThatSaysCloseEndsItsConnection) {
  add(HttpProtocolChoice::Http1);
  Getter getter;
  begin(getter);
  net::Socket peer = accept();
  ASSERT_TRUE(gets(peer, "\r\n\r\n"));
  test::sendSome(peer, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
  ASSERT_TRUE(until([&] { return getter.ended && gauge("upstream_cx_active") == 0; }));
  EXPECT_EQ(1u, counter("upstream_cx_close_notify"));
  EXPECT_EQ(1u, counter("upstream_cx_destroy_local"));
  EXPECT_EQ(0u, counter("upstream_cx_destroy_with_active_rq"));
}

TEST_F(HttpCodecsTest, AResponseMayEndWithItsConnection) {
  add(HttpProtocolChoice::Http1);
  Getter getter;
  begin(getter);
  net::Socket peer = accept();
  ASSERT_TRUE(gets(peer, "\r\n\r\n"));
  test::sendSome(peer, "HTTP/1.1 200 OK\r\n\r\nuntil the end");
  peer.close();
  ASSERT_TRUE(until([&] { return getter.ended || getter.reset.has_value(); }));
  EXPECT_TRUE(getter.ended);
  EXPECT_EQ("until the end", getter.body);
  EXPECT_EQ(0u, gauge("upstream_rq_active"));
}

TEST_F(HttpCodecsTest, AReaderThatPausesGetsAllOfAResponseThatEndsMeanwhile) {
  for (const std::string head : {"HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n"}) {
    add(HttpProtocolChoice::Http1);
    Getter getter;
    begin(getter);
    net::Socket peer = accept();
    ASSERT_TRUE(gets(peer, "\r\n\r\n"));
    test::sendSome(peer, head + "first");
    ASSERT_TRUE(until([&] { return getter.body == "first"; }));
    getter.sender->readDisable(true);
    test::sendSome(peer, "second");
    peer.close();
    ASSERT_TRUE(seesEnd(getter.fd));
    EXPECT_EQ("first", getter.body);
    EXPECT_FALSE(getter.ended || getter.reset.has_value());
    if (!getter.ended && !getter.reset.has_value()) {
      getter.sender->readDisable(false);
    }
    ASSERT_TRUE(until([&] { return getter.ended || getter.reset.has_value(); }));
    EXPECT_TRUE(getter.ended);
    EXPECT_EQ("firstsecond", getter.body);
    ASSERT_TRUE(until([&] { return gauge("upstream_cx_active") == 0; }));
  }
  EXPECT_EQ(2u, counter("upstream_cx_destroy_remote"));
}

TEST_F(HttpCodecsTest, WhatWaitsInTheCodecOutlivesTheEndOfInput) {
  for (const std::string head : {"HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"}) {
    add(HttpProtocolChoice::Http1);
    Getter getter;
    getter.pause_at_headers = true;
    begin(getter);
    net::Socket peer = accept();
    ASSERT_TRUE(gets(peer, "\r\n\r\n"));
    test::sendSome(peer, head + "whole");
    peer.close();
    ASSERT_TRUE(seesEnd(getter.fd));
    ASSERT_TRUE(until([&] { return !getter.status.empty(); }));
    EXPECT_EQ("", getter.body);
    ASSERT_FALSE(getter.ended || getter.reset.has_value());
    getter.sender->readDisable(false);
    ASSERT_TRUE(until([&] { return getter.ended || getter.reset.has_value(); }));
    EXPECT_TRUE(getter.ended);
    EXPECT_EQ("whole", getter.body);
    ASSERT_TRUE(until([&] { return gauge("upstream_cx_active") == 0; }));
  }
}

TEST_F(HttpCodecsTest, AResponseCutOffWhileItsReaderPausesIsReset) {
  add(HttpProtocolChoice::Http1);
  Getter getter;
  getter.pause_at_headers = true;
  begin(getter);
  net::Socket peer = accept();
  ASSERT_TRUE(gets(peer, "\r\n\r\n"));
  test::sendSome(peer, "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf");
  peer.close();
  ASSERT_TRUE(seesEnd(getter.fd));
  ASSERT_TRUE(until([&] { return !getter.status.empty(); }));
  ASSERT_FALSE(getter.reset.has_value());
  getter.sender->readDisable(false);
  ASSERT_TRUE(until([&] { return getter.ended || getter.reset.has_value(); }));
  EXPECT_FALSE(getter.ended);
  EXPECT_EQ("half", getter.body);
  ASSERT_TRUE(until([&] { return gauge("upstream_cx_active") == 0; }));
}

TEST_F(HttpCodecsTest, AnEndInsteadOfAResponseResetsTheRequest) {
  add(HttpProtocolChoice::Http1);
  Getter getter;
  begin(getter);
  net::Socket peer = accept();
  ASSERT_TRUE(gets(peer, "\r\n\r\n"));
  peer.close();
  ASSERT_TRUE(until([&] { return getter.ended || getter.reset.has_value(); }));
  EXPECT_EQ(http::ResetReason::ConnectionTermination, getter.reset);
  EXPECT_EQ(0u, gauge("upstream_cx_active"));
  EXPECT_EQ(1u, counter("upstream_cx_destroy_remote_with_active_rq"));
}

TEST_F(HttpCodecsTest, AReaderThatPausesInACallGoesOnWithWhatCameTogether) {
  add(HttpProtocolChoice::Http1);
  Getter getter;
  getter.pause_at_headers = true;
  begin(getter);
  net::Socket peer = accept();
  ASSERT_TRUE(gets(peer, "\r\n\r\n"));
  test::sendSome(peer, "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nbody");
  ASSERT_TRUE(until([&] { return !getter.status.empty(); }));
  EXPECT_EQ("", getter.body);
  getter.sender->readDisable(false);
  ASSERT_TRUE(until([&] { return getter.ended; }));
  EXPECT_EQ("body", getter.body);
  EXPECT_EQ(1u, gauge("upstream_cx_active"));
}

TEST_F(HttpCodecsTest, WhatNobodyAskedForEndsTheConnection) {
  add(HttpProtocolChoice::Http1);
  Getter getter;
  begin(getter);
  net::Socket peer = accept();
  ASSERT_TRUE(gets(peer, "\r\n\r\n"));
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
