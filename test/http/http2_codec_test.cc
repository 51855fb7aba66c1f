// Messages, their ends and their resets, from a client's codec to a server's and back.

#include "gtest/gtest.h"

#include "source/http/http2_allocator.h"
#include "test/http/http2_harness.h"

namespace sluice::http {
namespace {

class Http2CodecTest : public testing::Test, public Http2Harness {
 protected:
  StreamSender& request(Http2Recorder& receiver, const Fields& fields, bool end) {
    StreamSender* sender = nullptr;
    dispatcher.callback([&] {
      sender = &client_codec->newStream(receiver);
      sendHeaders(*sender, fields, end);
    });
    return *sender;
  }
  Http2Recorder& served(size_t index = 0) { return *server->streams.at(index); }
};

TEST_F(Http2CodecTest, CarriesARequestAndItsAnswerWithTrailers) {
  startBoth();
  EXPECT_EQ(client->events, "");
  Http2Recorder receiver;
  StreamSender& sender = request(receiver, get({{"x-one", "1"}}), false);
  sendBody(sender, "hello", false);
  sendTrailers(sender, {{"x-end", "e"}});
  pump();
  EXPECT_EQ(served().log, "H :method=GET|:scheme=http|:authority=a|:path=/|x-one=1\nD hello\nT. x-end=e\n");
  sendHeaders(*served().sender, {{":status", "200"}, {"y", "2"}}, false);
  sendBody(*served().sender, "world", false);
  sendTrailers(*served().sender, {{"grpc-status", "0"}});
  pump();
  EXPECT_EQ(receiver.log, "H :status=200|y=2\nD world\nT. grpc-status=0\n");
  EXPECT_EQ(client_codec->activeStreams(), 0u);
  EXPECT_EQ(server->codec->activeStreams(), 0u);
  EXPECT_FALSE(server->codec->wantsToWrite());
  // Those that a server receives.
  EXPECT_EQ(counter("trailers"), 1u);
  EXPECT_EQ(store.gaugeValue("http2.streams_active"), 0u);
  EXPECT_EQ(store.gaugeValue("http2.pending_send_bytes"), 0u);
}

TEST_F(Http2CodecTest, TrailersMayFollowTheHeadAtOnce) {
  startBoth();
  Http2Recorder receiver;
  request(receiver, get(), true);
  pump();
  sendHeaders(*served().sender, {{":status", "200"}}, false);
  sendTrailers(*served().sender, {{"grpc-status", "5"}});
  pump();
  EXPECT_EQ(receiver.log, "H :status=200\nT. grpc-status=5\n");
}

TEST_F(Http2CodecTest, InterimHeadersPrecedeTheAnswer) {
  startBoth();
  Http2Recorder receiver;
  request(receiver, get(), true);
  pump();
  base::Arena arena;
  HeaderMap interim(arena);
  interim.add(":status", "103");
  interim.add("link", "x");
  served().sender->sendInterimHeaders(interim);
  sendHeaders(*served().sender, {{":status", "204"}}, true);
  pump();
  EXPECT_EQ(receiver.log, "I :status=103|link=x\nH. :status=204\n");
}

TEST_F(Http2CodecTest, ConnectionsOwnFieldsStayBehindAndSensitiveOnesStaySo) {
  startBoth();
  Http2Recorder receiver;
  base::Arena arena;
  HeaderMap headers(arena);
  headers.add("connection", "close");
  headers.add("keep-alive", "1");
  headers.add("transfer-encoding", "chunked");
  headers.add("te", "trailers");
  headers.add("host", "b");
  headers.addView("secret", "s").sensitive = true;
  for (const auto& [name, value] : get()) {
    headers.add(name, value);
  }
  client_codec->newStream(receiver).sendHeaders(headers, true);
  pump();
  EXPECT_EQ(served().log, "H. :method=GET|:scheme=http|:authority=a|:path=/|te=trailers|secret=s!\n");
}

TEST_F(Http2CodecTest, CookieCrumbsAreJoined) {
  startBoth();
  Http2Recorder receiver;
  request(receiver, get({{"cookie", "a=1"}, {"cookie", "b=2"}, {"z", "1"}}), true);
  pump();
  EXPECT_EQ(served().log, "H. :method=GET|:scheme=http|:authority=a|:path=/|z=1|cookie=a=1; b=2\n");
}

TEST_F(Http2CodecTest, UpgradesAreTranslatedBothWays) {
  server_settings.allow_connect = true;
  startBoth();
  Http2Recorder receiver;
  StreamSender& sender =
      request(receiver, get({{"connection", "Upgrade"}, {"upgrade", "websocket"}, {"content-length", "0"}}), false);
  pump();
  EXPECT_EQ(served().log, "H :method=GET|:scheme=http|:authority=a|:path=/|upgrade=websocket|connection=upgrade\n");
  sendHeaders(*served().sender, {{":status", "101"}, {"upgrade", "websocket"}, {"connection", "upgrade"}}, false);
  sendBody(sender, "ping", false);
  pump();
  EXPECT_EQ(receiver.log, "H :status=101|upgrade=websocket|connection=upgrade\n");
  EXPECT_EQ(served().body, "ping");
}

TEST_F(Http2CodecTest, ExtendedConnectIsRefusedUnlessAllowed) {
  startBoth();
  Http2Recorder receiver;
  request(receiver, get({{"connection", "upgrade"}, {"upgrade", "websocket"}}), false);
  pump();
  EXPECT_EQ(last_server_status.error, CodecError::Protocol);
}

TEST_F(Http2CodecTest, PlainConnectHasNoPath) {
  startBoth();
  Http2Recorder receiver;
  request(receiver, {{":method", "CONNECT"}, {":scheme", "http"}, {":authority", "a:80"}, {":path", "/"}}, false);
  pump();
  EXPECT_EQ(served().log, "H :method=CONNECT|:authority=a:80\n");
}

TEST_F(Http2CodecTest, ResetsTellTheirReason) {
  startBoth();
  Http2Recorder first;
  Http2Recorder second;
  StreamSender& sender = request(first, get(), false);
  request(second, get(), false);
  pump();
  sender.reset(ResetReason::Local);
  served(1).sender->reset(ResetReason::LocalRefused);
  pump();
  EXPECT_EQ(first.log, "");
  EXPECT_EQ(served(0).log, "H :method=GET|:scheme=http|:authority=a|:path=/\nR remote_reset http2.remote_reset\n");
  EXPECT_EQ(second.log, "R remote_refused_stream_reset http2.remote_refuse\n");
  EXPECT_EQ(counter("rx_reset"), 2u);
  EXPECT_EQ(counter("tx_reset"), 2u);
  EXPECT_EQ(client_codec->activeStreams() + server->codec->activeStreams(), 0u);
}

TEST_F(Http2CodecTest, AnEarlyAnswerArrivesWholeBeforeItsReset) {
  startBoth();
  Http2Recorder receiver;
  request(receiver, get(), false);
  pump();
  const std::string body(200000, 'b');
  sendHeaders(*served().sender, {{":status", "413"}}, false);
  sendBody(*served().sender, body, true);
  served().sender->reset(ResetReason::LocalNoError);
  pump();
  EXPECT_EQ(receiver.body, body);
  EXPECT_TRUE(absl::StrContains(receiver.log, "R remote_reset")) << receiver.log;
  EXPECT_EQ(server->codec->activeStreams(), 0u);
}

TEST_F(Http2CodecTest, GoAwayRefusesWhatItDoesNotCover) {
  startBoth();
  Http2Recorder first;
  request(first, get(), true);
  pump();
  server->codec->shutdownNotice();
  pump();
  EXPECT_EQ(client->events, "goaway ");
  server->codec->goAway();
  Http2Recorder late;
  request(late, get(), true);
  pump();
  EXPECT_EQ(late.log, "R remote_refused_stream_reset http2.remote_refuse\n");
  EXPECT_EQ(server->streams.size(), 1u);
  sendHeaders(*served().sender, {{":status", "200"}}, true);
  pump();
  EXPECT_EQ(first.log, "H. :status=200\n");
  EXPECT_GE(counter("goaway_sent"), 2u);
}

TEST_F(Http2CodecTest, TheClientHearsHowManyStreamsItMayOpen) {
  server_settings.max_concurrent_streams = 7;
  startBoth();
  EXPECT_EQ(client->events, "max=7 ");
}

TEST_F(Http2CodecTest, KeepaliveEndsAConnectionThatDoesNotAnswer) {
  client_settings.keepalive_interval = std::chrono::seconds(10);
  client_settings.keepalive_timeout = std::chrono::seconds(2);
  client_settings.keepalive_jitter_percent = 0;
  startBoth();
  dispatcher.advance(std::chrono::seconds(10));
  pump();
  dispatcher.advance(std::chrono::seconds(5));
  EXPECT_EQ(client->events, "");
  dispatcher.advance(std::chrono::seconds(5));
  dispatcher.advance(std::chrono::seconds(2));
  EXPECT_EQ(client->events, "keepalive-timeout ");
  EXPECT_EQ(counter("keepalive_timeout"), 1u);
}

TEST_F(Http2CodecTest, EndingAllStreamsTellsEachReceiver) {
  startBoth();
  Http2Recorder receiver;
  request(receiver, get(), false);
  pump();
  server->codec->resetAllStreams(ResetReason::ConnectionTermination, "gone");
  EXPECT_TRUE(absl::StrContains(served().log, "R connection_termination gone")) << served().log;
}

TEST_F(Http2CodecTest, ASteadyStreamOfRequestsAsksNothingOfTheHeap) {
  startBoth();
  const auto exchange = [&] {
    Http2Recorder receiver;
    request(receiver, get({{"x-one", "1"}}), true);
    pump();
    sendHeaders(*served().sender, {{":status", "200"}, {"content-type", "text/plain"}}, false);
    sendBody(*served().sender, "hi", true);
    pump();
    EXPECT_EQ(receiver.body, "hi");
    server->streams.clear();
  };
  for (int i = 0; i < 8; ++i) {
    exchange();
  }
  const size_t before = http2MemoryMisses();
  for (int i = 0; i < 100; ++i) {
    exchange();
  }
  EXPECT_EQ(http2MemoryMisses(), before);
}

}  // namespace
}  // namespace sluice::http
