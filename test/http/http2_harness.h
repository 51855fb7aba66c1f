#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "source/http/http2_codec.h"
#include "source/net/connection.h"
#include "source/stats/store.h"
#include "test/support/fake_dispatcher.h"
#include "test/support/loopback_transport.h"
#include "test/support/sockets.h"

namespace sluice::http {

using Fields = std::vector<std::pair<std::string, std::string>>;

/**
 * Writes down what it hears, a line each: "H fields", "I fields" (interim), "D bytes" (joined), "T fields", "R reason
 * details", "B status details"; '.' after the letter tells the message's end.
 */
class Http2Recorder : public RequestReceiver {
 public:
  base::Arena& arena() override { return arena_; }
  void onHeaders(HeaderMap& headers, bool end) override {
    absl::StrAppend(&log, end ? "H. " : "H ", fieldsOf(headers), "\n");
    ended(end);
  }
  void onInterimHeaders(HeaderMap& headers) override { absl::StrAppend(&log, "I ", fieldsOf(headers), "\n"); }
  void onData(net::Buffer& data, bool end) override {
    body += data.toString();
    absl::StrAppend(&log, end ? "D. " : "D ", data.length() > 64 ? absl::StrCat(data.length()) : data.toString(), "\n");
    ended(end);
  }
  void onTrailers(HeaderMap& trailers) override {
    absl::StrAppend(&log, "T. ", fieldsOf(trailers), "\n");
    ended(true);
  }
  void onReset(ResetReason reason, absl::string_view details) override {
    absl::StrAppend(&log, "R ", resetReasonName(reason), " ", details, "\n");
  }
  void onBadRequest(uint32_t status, absl::string_view details) override {
    absl::StrAppend(&log, "B ", status, " ", details, "\n");
    if (on_bad) {
      on_bad();
    }
  }
  void onAboveWriteBufferHighWatermark() override { ++above; }
  void onBelowWriteBufferLowWatermark() override { ++below; }

  static std::string fieldsOf(const HeaderMap& headers) {
    std::string out;
    headers.forEach([&](const Header& field) {
      absl::StrAppend(&out, out.empty() ? "" : "|", field.name, "=", field.value, field.sensitive ? "!" : "");
    });
    return out;
  }

  std::string log;
  std::string body;
  int above = 0;
  int below = 0;
  StreamSender* sender = nullptr;
  std::function<void()> on_end;
  std::function<void()> on_bad;

 private:
  void ended(bool end) {
    if (end && on_end) {
      on_end();
    }
  }
  base::Arena arena_;
};

inline void sendHeaders(StreamSender& sender, const Fields& fields, bool end) {
  base::Arena arena;
  HeaderMap headers(arena);
  for (const auto& [name, value] : fields) {
    headers.add(name, value);
  }
  sender.sendHeaders(headers, end);
}

inline void sendBody(StreamSender& sender, absl::string_view bytes, bool end) {
  net::Buffer data;
  data.append(bytes);
  sender.sendData(data, end);
}

inline void sendTrailers(StreamSender& sender, const Fields& fields) {
  base::Arena arena;
  HeaderMap trailers(arena);
  for (const auto& [name, value] : fields) {
    trailers.add(name, value);
  }
  sender.sendTrailers(trailers);
}

/** A connection over strings. */
struct Http2End : CodecCallbacks {
  explicit Http2End(test::FakeDispatcher& dispatcher) {
    auto [ours, theirs] = test::unixPair();
    peer = std::move(theirs);
    connection = net::Connection::server(dispatcher, std::move(ours), std::make_unique<test::LoopbackTransport>(wire),
                                         net::StreamInfo());
  }
  void onGoAway(bool no_error) override { absl::StrAppend(&events, no_error ? "goaway " : "goaway! "); }
  void onMaxConcurrentStreams(uint32_t streams) override { absl::StrAppend(&events, "max=", streams, " "); }
  void onKeepaliveTimeout() override { absl::StrAppend(&events, "keepalive-timeout "); }

  std::shared_ptr<test::Loopback> wire = std::make_shared<test::Loopback>();
  net::Socket peer;
  std::unique_ptr<net::Connection> connection;
  std::string events;
};

/** A server's codec; the test plays the client with bytes, or through Http2Pair. */
struct Http2ServerEnd : ServerCodecCallbacks {
  Http2ServerEnd(test::FakeDispatcher& dispatcher, const Http2Settings& settings, const Http2Stats& stats)
      : end(dispatcher), codec(std::make_unique<Http2ServerCodec>(*end.connection, *this, settings, stats)) {}
  RequestReceiver& onNewStream(StreamSender& sender) override {
    streams.push_back(std::make_unique<Http2Recorder>());
    Http2Recorder* recorder = streams.back().get();
    recorder->sender = &sender;
    if (on_stream) {
      on_stream(*recorder);
    }
    return *recorder;
  }
  void onGoAway(bool no_error) override { end.onGoAway(no_error); }
  void onKeepaliveTimeout() override { end.onKeepaliveTimeout(); }

  Http2End end;
  std::function<void(Http2Recorder&)> on_stream;
  std::vector<std::unique_ptr<Http2Recorder>> streams;
  std::unique_ptr<Http2ServerCodec> codec;
};

class Http2Harness {
 public:
  explicit Http2Harness(Http2Settings settings = {}, Http2Settings client_settings = {},
                        stats::StoreOptions store_options = {})
      : store(std::move(store_options)),
        server_settings(std::move(settings)),
        client_settings(std::move(client_settings)) {
    stats = Http2Stats::make(*store.root());
  }
  virtual ~Http2Harness() {
    server.reset();
    client_codec.reset();
    client.reset();
  }

  void startServer() { server = std::make_unique<Http2ServerEnd>(dispatcher, server_settings, stats); }
  void startBoth() {
    startServer();
    client = std::make_unique<Http2End>(dispatcher);
    client_codec = std::make_unique<Http2ClientCodec>(*client->connection, *client, client_settings, stats);
    pump();
  }

  template <class Codec>
  CodecStatus dispatch(Codec& codec, absl::string_view bytes) {
    CodecStatus status;
    dispatcher.callback([&] {
      net::Buffer data;
      data.append(bytes);
      status = codec.dispatch(data);
    });
    dispatcher.runUntilIdle();
    return status;
  }
  /** Carries bytes both ways until none are left. */
  void pump() {
    dispatcher.runUntilIdle();
    while (!client->wire->outgoing.empty() || !server->end.wire->outgoing.empty()) {
      last_server_status = dispatch(*server->codec, std::exchange(client->wire->outgoing, std::string()));
      dispatch(*client_codec, std::exchange(server->end.wire->outgoing, std::string()));
    }
  }
  uint64_t counter(absl::string_view name) const { return store.counterValue(absl::StrCat("http2.", name)); }

  // The test as a client of bytes.

  static std::string frame(uint8_t type, uint8_t flags, uint32_t id, absl::string_view payload) {
    std::string out;
    for (const int shift : {16, 8, 0}) {
      out.push_back(static_cast<char>(payload.size() >> shift));
    }
    out.push_back(static_cast<char>(type));
    out.push_back(static_cast<char>(flags));
    for (const int shift : {24, 16, 8, 0}) {
      out.push_back(static_cast<char>(id >> shift));
    }
    return absl::StrCat(out, payload);
  }
  /** Literals without indexing; texts shorter than 127 bytes. */
  static std::string block(const Fields& fields) {
    std::string out;
    for (const auto& [name, value] : fields) {
      absl::StrAppend(&out, std::string(1, '\0'), std::string(1, static_cast<char>(name.size())), name,
                      std::string(1, static_cast<char>(value.size())), value);
    }
    return out;
  }
  static Fields get(Fields more = {}) {
    Fields all = {{":method", "GET"}, {":scheme", "http"}, {":authority", "a"}, {":path", "/"}};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  static std::string preface() { return absl::StrCat("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", frame(4, 0, 0, "")); }

  struct Frame {
    uint8_t type;
    uint8_t flags;
    uint32_t id;
    std::string payload;
    uint32_t code(size_t at = 0) const {
      uint32_t value = 0;
      for (size_t i = at; i < at + 4; ++i) {
        value = value << 8 | static_cast<uint8_t>(payload.at(i));
      }
      return value;
    }
  };
  /** What the server wrote since the last call. */
  std::vector<Frame> frames() {
    const std::string bytes = std::exchange(server->end.wire->outgoing, std::string());
    std::vector<Frame> out;
    for (size_t at = 0; at + 9 <= bytes.size();) {
      const auto byte = [&](size_t i) { return static_cast<uint8_t>(bytes[at + i]); };
      const size_t size = byte(0) << 16 | byte(1) << 8 | byte(2);
      const uint32_t id = static_cast<uint32_t>(byte(5)) << 24 | byte(6) << 16 | byte(7) << 8 | byte(8);
      out.push_back({byte(3), byte(4), id, bytes.substr(at + 9, size)});
      at += 9 + size;
    }
    return out;
  }
  /** "GOAWAY code", "RST id code" and "HEADERS id", one each. */
  std::string told() {
    std::string out;
    for (const Frame& frame : frames()) {
      if (frame.type == 7) {
        absl::StrAppend(&out, "GOAWAY ", frame.code(4), "\n");
      } else if (frame.type == 3) {
        absl::StrAppend(&out, "RST ", frame.id, " ", frame.code(), "\n");
      } else if (frame.type == 1) {
        absl::StrAppend(&out, "HEADERS ", frame.id, "\n");
      }
    }
    return out;
  }

  stats::Store store;
  test::FakeDispatcher dispatcher;
  Http2Settings server_settings;
  Http2Settings client_settings;
  Http2Stats stats;
  std::unique_ptr<Http2ServerEnd> server;
  std::unique_ptr<Http2End> client;
  std::unique_ptr<Http2ClientCodec> client_codec;
  CodecStatus last_server_status;
};

}  // namespace sluice::http
