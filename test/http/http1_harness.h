#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "source/http/http1_codec.h"
#include "source/net/connection.h"
#include "test/support/fake_dispatcher.h"
#include "test/support/loopback_transport.h"
#include "test/support/sockets.h"

namespace sluice::http {

inline std::string fieldsOf(const HeaderMap& headers) {
  std::string out;
  headers.forEach(
      [&](const Header& field) { absl::StrAppend(&out, out.empty() ? "" : "|", field.name, "=", field.value); });
  return out;
}

/** Fields for sending, as pairs. */
using Fields = std::vector<std::pair<std::string, std::string>>;

/**
 * Writes down what it hears, one entry each: "H fields", "I fields" (interim), "D bytes" (joined), "T fields", "R reason",
 * "B status details"; '.' after the letter tells the message's end.
 */
class RecordingReceiver : public RequestReceiver {
 public:
  base::Arena& arena() override { return arena_; }
  void onHeaders(HeaderMap& headers, bool end_stream) override {
    log.push_back(absl::StrCat(end_stream ? "H. " : "H ", fieldsOf(headers)));
    ended = end_stream;
    if (on_headers) {
      on_headers();
    }
    note(end_stream);
  }
  void onInterimHeaders(HeaderMap& headers) override { log.push_back(absl::StrCat("I ", fieldsOf(headers))); }
  void onData(net::Buffer& data, bool end_stream) override {
    const std::string bytes = data.toString();
    body += bytes;
    if (!log.empty() && absl::StartsWith(log.back(), "D ")) {
      log.back() += bytes;
    } else {
      log.push_back("D " + bytes);
    }
    if (end_stream) {
      log.back().insert(1, ".");
    }
    if (on_data) {
      on_data();
    }
    note(end_stream);
  }
  void onTrailers(HeaderMap& trailers) override {
    log.push_back(absl::StrCat("T. ", fieldsOf(trailers)));
    note(true);
  }
  void onReset(ResetReason reason, absl::string_view details) override {
    log.push_back(absl::StrCat("R ", resetReasonName(reason), " ", details));
  }
  void onBadRequest(uint32_t status, absl::string_view details) override {
    log.push_back(absl::StrCat("B ", status, " ", details));
    if (on_bad) {
      on_bad(status);
    }
  }
  void onAboveWriteBufferHighWatermark() override { ++above; }
  void onBelowWriteBufferLowWatermark() override { ++below; }

  std::string text() const {
    std::string out;
    for (const std::string& entry : log) {
      absl::StrAppend(&out, entry, "\n");
    }
    return out;
  }

  std::vector<std::string> log;
  std::string body;
  bool ended = false;
  int above = 0;
  int below = 0;
  StreamSender* sender = nullptr;
  std::function<void()> on_headers;
  std::function<void()> on_data;
  std::function<void()> on_end;
  std::function<void(uint32_t)> on_bad;

 private:
  void note(bool end_stream) {
    if (end_stream) {
      ended = true;
      if (on_end) {
        on_end();
      }
    }
  }
  base::Arena arena_;
};

/** A connection over strings, and what both sides' harnesses do with it. */
class Http1Harness {
 public:
  Http1Harness() {
    auto [ours, theirs] = test::unixPair();
    peer_ = std::move(theirs);
    connection = net::Connection::server(dispatcher, std::move(ours), std::make_unique<test::LoopbackTransport>(wire),
                                         net::StreamInfo());
  }

  void send(StreamSender& sender, const Fields& fields, bool end) {
    base::Arena arena;
    HeaderMap headers(arena);
    fill(headers, fields);
    dispatcher.callback([&] { sender.sendHeaders(headers, end); });
  }
  void sendData(StreamSender& sender, absl::string_view bytes, bool end) {
    dispatcher.callback([&] {
      net::Buffer data;
      data.append(bytes);
      sender.sendData(data, end);
    });
  }
  void sendTrailers(StreamSender& sender, const Fields& fields) {
    base::Arena arena;
    HeaderMap headers(arena);
    fill(headers, fields);
    dispatcher.callback([&] { sender.sendTrailers(headers); });
  }
  /** What was written since the last call. */
  std::string written() {
    dispatcher.runUntilIdle();
    return std::exchange(wire->outgoing, std::string());
  }
  static void fill(HeaderMap& headers, const Fields& fields) {
    for (const auto& [name, value] : fields) {
      headers.add(name, value);
    }
  }

  test::FakeDispatcher dispatcher;
  std::shared_ptr<test::Loopback> wire = std::make_shared<test::Loopback>();
  std::unique_ptr<net::Connection> connection;
  Http1Settings settings;
  Http1Stats stats;
  CodecStatus status;

 private:
  net::Socket peer_;
};

/** A server's codec; each request's receiver is kept. `answers`: each request that has come whole gets an empty 200. */
class Http1ServerHarness : public Http1Harness, public ServerCodecCallbacks {
 public:
  explicit Http1ServerHarness(bool answers = false) : answers_(answers) {}
  Http1ServerCodec& codec() {
    if (codec_ == nullptr) {
      codec_ = std::make_unique<Http1ServerCodec>(*connection, *this, settings, stats);
    }
    return *codec_;
  }
  void receive(absl::string_view bytes) {
    codec();
    dispatcher.callback([&] {
      net::Buffer data;
      data.append(bytes);
      dispatch(data);
    });
    dispatcher.runUntilIdle();
  }
  RecordingReceiver& request(size_t at = 0) { return *requests.at(at); }
  void respond(const Fields& fields, bool end, size_t at = 0) { send(*request(at).sender, fields, end); }
  std::string log() const {
    std::string out;
    for (const auto& request : requests) {
      out += request->text();
    }
    return out;
  }

  // ServerCodecCallbacks
  RequestReceiver& onNewStream(StreamSender& sender) override {
    requests.push_back(std::make_unique<RecordingReceiver>());
    RecordingReceiver& request = *requests.back();
    request.sender = &sender;
    if (answers_) {
      request.on_end = [&request, this] {
        base::Arena arena;
        HeaderMap headers(arena);
        fill(headers, {{":status", "200"}});
        request.sender->sendHeaders(headers, true);
      };
      request.on_bad = [&request, this](uint32_t status) {
        base::Arena arena;
        HeaderMap headers(arena);
        headers.addNumber(HeaderId::Status, status);
        headers.add(HeaderId::Connection, "close");
        request.sender->sendHeaders(headers, true);
      };
    }
    return request;
  }
  void onGoAway(bool) override {}
  void onReadyForInput() override {
    ++ready;
    net::Buffer none;
    dispatch(none);
  }

  std::vector<std::unique_ptr<RecordingReceiver>> requests;
  int ready = 0;

 private:
  void dispatch(net::Buffer& data) {
    const CodecStatus now = codec_->dispatch(data);
    if (!now.ok()) {
      status = now;
    }
    SLUICE_CHECK(data.empty(), "a codec leaves input");
  }
  const bool answers_;
  std::unique_ptr<Http1ServerCodec> codec_;
};

/** A client's codec with one request at a time. */
class Http1ClientHarness : public Http1Harness, public CodecCallbacks {
 public:
  Http1ClientCodec& codec() {
    if (codec_ == nullptr) {
      codec_ = std::make_unique<Http1ClientCodec>(*connection, *this, settings, stats);
    }
    return *codec_;
  }
  /** Begins a request; sends it whole unless `end` says otherwise. */
  RecordingReceiver& request(const Fields& fields, bool end = true) {
    responses.push_back(std::make_unique<RecordingReceiver>());
    RecordingReceiver& response = *responses.back();
    response.sender = &codec().newStream(response);
    send(*response.sender, fields, end);
    return response;
  }
  RecordingReceiver& get() {
    return request({{":method", "GET"}, {":path", "/"}, {":authority", "a"}, {":scheme", "http"}});
  }
  void receive(absl::string_view bytes) {
    codec();
    dispatcher.callback([&] {
      net::Buffer data;
      data.append(bytes);
      dispatch(data);
    });
    dispatcher.runUntilIdle();
  }
  void receiveEnd() {
    dispatcher.callback([&] {
      const CodecStatus now = codec().onEndOfInput();
      if (!now.ok()) {
        status = now;
      }
    });
  }

  // CodecCallbacks
  void onGoAway(bool) override { ++going_away; }
  void onReadyForInput() override {
    net::Buffer none;
    dispatch(none);
  }

  std::vector<std::unique_ptr<RecordingReceiver>> responses;
  int going_away = 0;

 private:
  void dispatch(net::Buffer& data) {
    const CodecStatus now = codec_->dispatch(data);
    if (!now.ok()) {
      status = now;
    }
  }
  std::unique_ptr<Http1ClientCodec> codec_;
};

}  // namespace sluice::http
