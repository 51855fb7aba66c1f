// Windows and watermarks: what a slow side makes the other feel, and no third.

#include "gtest/gtest.h"

#include "test/http/http2_harness.h"

namespace sluice::http {
namespace {

Http2Settings smallWindows() {
  Http2Settings settings;
  settings.initial_stream_window = 65535;
  settings.initial_connection_window = 1024 * 1024;
  return settings;
}

class Http2FlowControlTest : public testing::Test, public Http2Harness {
 protected:
  Http2FlowControlTest() : Http2Harness(smallWindows(), smallWindows()) { startBoth(); }

  StreamSender& request(Http2Recorder& receiver) {
    StreamSender& sender = client_codec->newStream(receiver);
    sendHeaders(sender, get(), false);
    pump();
    return sender;
  }
};

TEST_F(Http2FlowControlTest, AStreamThatIsNotReadStopsItsSenderAlone) {
  Http2Recorder slow;
  Http2Recorder quick;
  StreamSender& slow_sender = request(slow);
  StreamSender& quick_sender = request(quick);
  Http2Recorder& stopped = *server->streams[0];
  stopped.sender->readDisable(true);
  const std::string body(300000, 's');
  sendBody(slow_sender, body, true);
  sendBody(quick_sender, body, true);
  pump();
  EXPECT_EQ(stopped.body, "");
  EXPECT_EQ(slow_sender.bufferedBytes(), body.size() - 65535);
  EXPECT_EQ(server->streams[1]->body, body);
  dispatcher.callback([&] { stopped.sender->readDisable(false); });
  pump();
  EXPECT_EQ(stopped.body, body);
}

TEST_F(Http2FlowControlTest, TrailersWaitBehindTheirBody) {
  Http2Recorder receiver;
  StreamSender& sender = request(receiver);
  Http2Recorder& stopped = *server->streams[0];
  stopped.sender->readDisable(true);
  stopped.log.clear();
  sendBody(sender, "body", false);
  sendTrailers(sender, {{"t", "1"}});
  pump();
  EXPECT_EQ(stopped.log, "");
  dispatcher.callback([&] { stopped.sender->readDisable(false); });
  EXPECT_EQ(stopped.log, "D body\nT. t=1\n");
}

TEST_F(Http2FlowControlTest, BuffersTellTheirMarksInPairs) {
  Http2Recorder receiver;
  StreamSender& sender = request(receiver);
  client->connection->setBufferLimit(100000);
  Http2Recorder& reader = *server->streams[0];
  reader.sender->readDisable(true);
  sendBody(sender, std::string(200000, 'x'), false);
  EXPECT_EQ(receiver.above, 1);
  pump();
  EXPECT_EQ(receiver.below, 0);
  client_codec->onConnectionAboveHighWatermark();
  EXPECT_EQ(receiver.above, 1);
  client_codec->onConnectionBelowLowWatermark();
  EXPECT_EQ(receiver.below, 0);
  dispatcher.callback([&] { reader.sender->readDisable(false); });
  pump();
  EXPECT_EQ(receiver.above, 1);
  EXPECT_EQ(receiver.below, 1);
}

TEST_F(Http2FlowControlTest, AFullConnectionIsGivenNoMoreFrames) {
  Http2Recorder receiver;
  StreamSender& sender = request(receiver);
  client_codec->onConnectionAboveHighWatermark();
  EXPECT_EQ(receiver.above, 1);
  sendBody(sender, "more", true);
  pump();
  EXPECT_EQ(server->streams[0]->body, "");
  EXPECT_TRUE(client_codec->wantsToWrite());
  client_codec->onConnectionBelowLowWatermark();
  pump();
  EXPECT_EQ(server->streams[0]->body, "more");
  EXPECT_EQ(receiver.below, 1);
}

TEST_F(Http2FlowControlTest, WhatThePeerNeverTakesIsGivenUp) {
  Http2Recorder receiver;
  StreamSender& sender = request(receiver);
  sendBody(sender, "", true);
  pump();
  Http2Recorder& served = *server->streams[0];
  sender.readDisable(true);
  served.sender->setFlushTimeout(std::chrono::seconds(30));
  sendHeaders(*served.sender, {{":status", "200"}}, false);
  sendBody(*served.sender, std::string(300000, 'x'), true);
  pump();
  EXPECT_EQ(server->codec->activeStreams(), 1u);
  dispatcher.advance(std::chrono::seconds(30));
  EXPECT_EQ(server->codec->activeStreams(), 0u);
  EXPECT_EQ(counter("tx_flush_timeout"), 1u);
  EXPECT_EQ(store.gaugeValue("http2.pending_send_bytes"), 0u);
}

}  // namespace
}  // namespace sluice::http
