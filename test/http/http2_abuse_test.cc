// Floods and malformed messages, by raw frames to a server.

#include "gtest/gtest.h"

#include "test/http/http2_harness.h"

namespace sluice::http {
namespace {

constexpr uint8_t kData = 0, kHeaders = 1, kPriority = 2, kReset = 3, kSettings = 4, kPing = 6, kWindow = 8,
                  kContinuation = 9;
constexpr uint8_t kEndStream = 1, kEndHeaders = 4, kPadded = 8;
constexpr uint32_t kProtocolError = 1, kStreamClosed = 5, kEnhanceYourCalm = 11;

class Http2AbuseTest : public testing::Test, public Http2Harness {
 protected:
  CodecStatus send(absl::string_view bytes) {
    if (server == nullptr) {
      startServer();
      EXPECT_TRUE(dispatch(*server->codec, preface()).ok());
      frames();
    }
    return dispatch(*server->codec, bytes);
  }
  static std::string head(uint32_t id, const Fields& fields, bool end = true) {
    return frame(kHeaders, kEndHeaders | (end ? kEndStream : 0), id, block(fields));
  }
  static std::string repeat(int times, const std::string& bytes) {
    std::string out;
    for (int i = 0; i < times; ++i) {
      out += bytes;
    }
    return out;
  }
  static std::string goAway(uint32_t code) { return absl::StrCat("GOAWAY ", code, "\n"); }
};

TEST_F(Http2AbuseTest, EmptyFrames) {
  EXPECT_TRUE(send(head(1, get(), false)).ok());
  EXPECT_TRUE(send(frame(kData, 0, 1, "")).ok());
  EXPECT_TRUE(send(frame(kData, 0, 1, "x")).ok());
  EXPECT_TRUE(send(frame(kData, 0, 1, "")).ok());
  const CodecStatus status = send(frame(kData, 0, 1, ""));
  EXPECT_EQ(status.error, CodecError::InboundFlood);
  EXPECT_STREQ(status.details, "http2.inbound_empty_frames_flood");
  EXPECT_EQ(counter("inbound_empty_frames_flood"), 1u);
  EXPECT_EQ(told(), goAway(kEnhanceYourCalm));
}

TEST_F(Http2AbuseTest, TheBodyOfAMessageThatEndsTooSoonIsNotAnotherStreams) {
  EXPECT_TRUE(send(head(1, get({{"content-length", "100"}}), false) + head(3, get(), false)).ok());
  EXPECT_TRUE(send(frame(kData, kEndStream, 1, std::string(50, 's')) + frame(kData, kEndStream, 3, "")).ok());
  EXPECT_EQ(told(), absl::StrCat("RST 1 ", kProtocolError, "\n"));
  EXPECT_TRUE(absl::StrContains(server->streams[0]->log, "R protocol_error")) << server->streams[0]->log;
  EXPECT_EQ(server->streams[1]->body, "");
  EXPECT_TRUE(absl::EndsWith(server->streams[1]->log, "D. \n")) << server->streams[1]->log;
}

TEST_F(Http2AbuseTest, PaddingDoesNotHideThatAFrameIsEmpty) {
  const std::string padded = frame(kData, kPadded, 1, std::string("\3\0\0\0", 4));
  send(head(1, get(), false));
  EXPECT_EQ(send(padded + padded).error, CodecError::InboundFlood);
}

TEST_F(Http2AbuseTest, PriorityFrames) {
  const std::string priority = frame(kPriority, 0, 1, std::string("\0\0\0\0\1", 5));
  EXPECT_TRUE(send(repeat(100, priority)).ok());
  EXPECT_STREQ(send(priority).details, "http2.inbound_priority_frames_flood");
}

TEST_F(Http2AbuseTest, WindowUpdates) {
  const std::string update = frame(kWindow, 0, 0, std::string("\0\0\0\1", 4));
  EXPECT_TRUE(send(repeat(5, update)).ok());
  EXPECT_STREQ(send(update).details, "http2.inbound_window_update_frames_flood");
}

TEST_F(Http2AbuseTest, PingsInOneRead) {
  EXPECT_TRUE(send(repeat(1000, frame(kPing, 0, 0, "12345678"))).ok());
  const CodecStatus status = send(repeat(1001, frame(kPing, 0, 0, "12345678")));
  EXPECT_EQ(status.error, CodecError::OutboundFlood);
  EXPECT_STREQ(status.details, "http2.outbound_control_frames_flood");
  EXPECT_EQ(counter("outbound_control_flood"), 1u);
}

TEST_F(Http2AbuseTest, AnswersThatThePeerDoesNotRead) {
  send("");
  server->end.wire->takes = 0;
  CodecStatus status;
  for (int i = 0; i < 101 && status.ok(); ++i) {
    status = send(repeat(10, frame(kSettings, 0, 0, "")));
  }
  EXPECT_STREQ(status.details, "http2.outbound_control_frames_flood");
}

TEST_F(Http2AbuseTest, MostFramesThatThePeerDoesNotRead) {
  server_settings.max_outbound_frames = 50;
  send("");
  server->end.wire->takes = 0;
  CodecStatus status;
  for (uint32_t i = 0; i < 60 && status.ok(); ++i) {
    status = send(head(2 * i + 1, get()));
    if (status.ok()) {
      dispatcher.callback([&] { sendHeaders(*server->streams.back()->sender, {{":status", "200"}}, true); });
    }
  }
  EXPECT_STREQ(status.details, "http2.outbound_frames_flood");
  EXPECT_EQ(counter("outbound_flood"), 1u);
}

TEST_F(Http2AbuseTest, ResetsThatAreRapid) {
  CodecStatus status;
  uint32_t id = 1;
  for (; id < 2000 && status.ok(); id += 2) {
    status = send(head(id, get()) + frame(kReset, 0, id, std::string("\0\0\0\10", 4)));
  }
  EXPECT_STREQ(status.details, "http2.too_many_premature_resets");
  EXPECT_EQ(id / 2, 250u);
}

TEST_F(Http2AbuseTest, ResetsThatAreSlowAreLeftAlone) {
  CodecStatus status;
  for (uint32_t id = 1; id < 2000 && status.ok(); id += 2) {
    status = send(head(id, get()));
    dispatcher.advance(std::chrono::seconds(1));
    status = send(frame(kReset, 0, id, std::string("\0\0\0\10", 4)));
  }
  EXPECT_TRUE(status.ok()) << status.details;
}

TEST_F(Http2AbuseTest, Continuations) {
  CodecStatus status = send(frame(kHeaders, kEndStream, 1, block(get())));
  for (int i = 0; i < 20 && status.ok(); ++i) {
    status = send(frame(kContinuation, 0, 1, block({{"a", "b"}})));
  }
  EXPECT_STREQ(status.details, "http2.too_many_continuations");
}

TEST_F(Http2AbuseTest, TooManyHeadersAreAnsweredAndTheConnectionLives) {
  Fields fields = get();
  for (int i = 0; i < 120; ++i) {
    fields.emplace_back(absl::StrCat("x", i), "b");
  }
  send("");
  server->on_stream = [](Http2Recorder& stream) {
    stream.on_bad = [&stream] { sendHeaders(*stream.sender, {{":status", "431"}}, true); };
  };
  EXPECT_TRUE(send(head(1, fields, false)).ok());
  EXPECT_EQ(server->streams[0]->log, "B 431 http2.too_many_headers\n");
  EXPECT_EQ(told(), "HEADERS 1\nRST 1 0\n");
  EXPECT_EQ(server->codec->activeStreams(), 0u);
  EXPECT_TRUE(send(head(3, get())).ok());
  EXPECT_EQ(counter("header_overflow"), 1u);
}

TEST_F(Http2AbuseTest, HeadersThatAreLargeBeyondAnswering) {
  std::string bytes = frame(kHeaders, kEndStream, 1, block(get()));
  server_settings.max_headers_kb = 1;
  for (int i = 0; i < 5; ++i) {
    std::string part;
    for (int j = 0; j < 20; ++j) {
      part += block({{"x", std::string(100, 'y')}});
    }
    bytes += frame(kContinuation, i == 4 ? kEndHeaders : 0, 1, part);
  }
  EXPECT_TRUE(send(bytes).ok());
  EXPECT_EQ(server->streams[0]->log, "R protocol_error http2.header_list_size_too_large\n");
  EXPECT_EQ(told(), "RST 1 2\n");
}

TEST_F(Http2AbuseTest, UnderscoresAsConfigured) {
  server_settings.underscores = UnderscorePolicy::DropHeader;
  send(head(1, get({{"a_b", "1"}, {"c", "2"}})));
  EXPECT_EQ(server->streams[0]->log, "H. :method=GET|:scheme=http|:authority=a|:path=/|c=2\n");
  server_settings.underscores = UnderscorePolicy::RejectRequest;
  send(head(3, get({{"a_b", "1"}})));
  EXPECT_EQ(server->streams[1]->log, "R protocol_error http2.unexpected_underscore\n");
  EXPECT_EQ(counter("dropped_headers_with_underscores"), 1u);
  EXPECT_EQ(counter("requests_rejected_with_underscores_in_headers"), 1u);
}

TEST_F(Http2AbuseTest, TheAuthorityIsTheHost) {
  send(head(1, {{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {"host", "h"}}));
  EXPECT_EQ(server->streams[0]->log, "H. :method=GET|:scheme=http|:path=/|:authority=h\n");
  send(head(3, get({{"host", "other"}})));
  EXPECT_EQ(server->streams[1]->log, "H. :method=GET|:scheme=http|:authority=a|:path=/\n");
}

struct Malformed {
  const char* name;
  Fields fields;
};

class Http2MalformedTest : public Http2AbuseTest, public testing::WithParamInterface<Malformed> {};

TEST_P(Http2MalformedTest, EndsTheConnection) {
  const CodecStatus status = send(head(1, GetParam().fields));
  EXPECT_EQ(status.error, CodecError::Protocol);
  EXPECT_TRUE(absl::StartsWith(status.details, "http2.")) << status.details;
  EXPECT_EQ(server->streams.at(0)->log, "") << "nothing of it is passed on";
  EXPECT_TRUE(absl::StrContains(told(), goAway(kProtocolError)));
  EXPECT_EQ(counter("rx_messaging_error"), 1u);
}

TEST_P(Http2MalformedTest, EndsItsStreamWhereThatIsConfigured) {
  server_settings.stream_error_on_invalid_http_message = true;
  EXPECT_TRUE(send(head(1, GetParam().fields)).ok());
  EXPECT_TRUE(absl::StartsWith(server->streams.at(0)->log, "R protocol_error http2.")) << server->streams.at(0)->log;
  EXPECT_EQ(told(), "RST 1 1\n");
  EXPECT_TRUE(send(head(3, get())).ok());
  EXPECT_EQ(server->streams.at(1)->log, "H. :method=GET|:scheme=http|:authority=a|:path=/\n");
}

INSTANTIATE_TEST_SUITE_P(
    All, Http2MalformedTest,
    testing::Values(Malformed{"Connection", Http2Harness::get({{"connection", "close"}})},
                    Malformed{"TransferEncoding", Http2Harness::get({{"transfer-encoding", "chunked"}})},
                    Malformed{"Te", Http2Harness::get({{"te", "gzip"}})},
                    Malformed{"UpperCase", Http2Harness::get({{"Foo", "x"}})},
                    Malformed{"LineFeedInValue", Http2Harness::get({{"foo", "a\r\nb: c"}})},
                    Malformed{"NulInValue", Http2Harness::get({{"foo", std::string("a\0b", 3)}})},
                    Malformed{"SpaceInName", Http2Harness::get({{"a b", "x"}})},
                    Malformed{"SpaceInPath",
                              {{":method", "GET"}, {":scheme", "http"}, {":authority", "a"}, {":path", "/ HTTP/1.1"}}},
                    Malformed{"NoPath", {{":method", "GET"}, {":scheme", "http"}, {":authority", "a"}}},
                    Malformed{
                        "PseudoAfterField",
                        {{":method", "GET"}, {":scheme", "http"}, {"x", "y"}, {":authority", "a"}, {":path", "/"}}},
                    Malformed{"UnknownPseudo", Http2Harness::get({{":foo", "x"}})},
                    Malformed{"TwoPaths", Http2Harness::get({{":path", "/b"}})},
                    Malformed{"TwoLengths", Http2Harness::get({{"content-length", "1"}, {"content-length", "2"}})},
                    Malformed{"LengthWithoutBody", Http2Harness::get({{"content-length", "1"}})}),
    [](const testing::TestParamInfo<Malformed>& info) { return info.param.name; });

TEST_F(Http2AbuseTest, BodiesLargerThanSaidEndTheirStream) {
  send(head(1, get({{"content-length", "3"}}), false));
  send(frame(kData, kEndStream, 1, "four"));
  EXPECT_TRUE(absl::StrContains(server->streams[0]->log, "R protocol_error")) << server->streams[0]->log;
  EXPECT_EQ(told(), "RST 1 1\n");
}

TEST_F(Http2AbuseTest, FramesForAStreamThatThePeerEnded) {
  send(head(1, get()) + frame(kReset, 0, 1, std::string("\0\0\0\10", 4)));
  EXPECT_FALSE(send(head(1, get())).ok());
  EXPECT_TRUE(absl::StrContains(told(), goAway(kStreamClosed)));
}

TEST_F(Http2AbuseTest, FramesForAStreamThatWeResetAreIgnored) {
  send(head(1, get(), false));
  dispatcher.callback([&] { server->streams[0]->sender->reset(ResetReason::Local); });
  EXPECT_TRUE(send(frame(kData, kEndStream, 1, "late")).ok());
  EXPECT_TRUE(send(head(3, get())).ok());
}

TEST_F(Http2AbuseTest, AStreamIdThatWasPassedOver) {
  send(head(5, get()));
  EXPECT_FALSE(send(head(3, get())).ok());
  EXPECT_TRUE(absl::StrContains(told(), goAway(kProtocolError)));
}

TEST_F(Http2AbuseTest, BytesThatAreNoHttp2) {
  startServer();
  EXPECT_EQ(dispatch(*server->codec, "GET / HTTP/1.1\r\nhost: a\r\n\r\n").error, CodecError::Protocol);
}

}  // namespace
}  // namespace sluice::http
