// Any bytes at all, at either side of HTTP/1, however they are cut; and what a server takes for one request is one request
// still when a client's codec has sent it on. The first byte chooses the side and its settings, the second the cuts.

#include <cstddef>
#include <cstdint>

#include "source/base/assert.h"
#include "test/http/http1_harness.h"

namespace sluice::http {
namespace {

void choose(Http1Settings& settings, uint8_t bits) {
  settings.accept_http_10 = (bits & 2) != 0;
  settings.enable_trailers = (bits & 4) != 0;
  settings.allow_chunked_length = (bits & 8) != 0;
  settings.stream_error_on_invalid_http_message = (bits & 16) != 0;
  settings.header_case = (bits & 32) != 0 ? HeaderCase::Preserve : HeaderCase::Lower;
  settings.underscores = (bits & 64) != 0 ? UnderscoreAction::Drop : UnderscoreAction::Allow;
}

template <class Receive>
void receiveInPieces(absl::string_view bytes, size_t piece, Receive receive) {
  while (!bytes.empty()) {
    receive(bytes.substr(0, piece));
    bytes.remove_prefix(std::min(piece, bytes.size()));
  }
}

/** Sends on what was heard, and reads it again. */
void sendOn(const Fields& fields, const std::string& body) {
  Http1ClientHarness client;
  const bool empty = body.empty();
  RecordingReceiver& response = client.request(fields, empty);
  if (!empty) {
    client.sendData(*response.sender, body, true);
  }
  Http1ServerHarness server(true);
  server.settings.max_headers_count = 1000;
  server.settings.max_headers_kb = 1000;
  server.receive(client.written());
  SLUICE_CHECK(server.requests.size() == 1, "one request was sent on, and not one came");
  SLUICE_CHECK(server.request().ended && server.request().body == body, "a request changed when it was sent on");
}

class Request : public RecordingReceiver {
 public:
  void onHeaders(HeaderMap& headers, bool end_stream) override {
    headers.forEach([&](const Header& field) {
      if (field.id != HeaderId::Upgrade && field.id != HeaderId::Connection) {
        fields.emplace_back(std::string(field.name), std::string(field.value));
      }
    });
    raw = headers.get(HeaderId::Method) == "CONNECT" || headers.has(HeaderId::Upgrade);
    RecordingReceiver::onHeaders(headers, end_stream);
  }
  Fields fields;
  bool raw = false;
};

class Server : public Http1Harness, public ServerCodecCallbacks {
 public:
  void run(absl::string_view bytes, size_t piece) {
    codec_ = std::make_unique<Http1ServerCodec>(*connection, *this, settings, stats);
    receiveInPieces(bytes, piece, [this](absl::string_view part) {
      dispatcher.callback([&] {
        net::Buffer data;
        data.append(part);
        dispatch(data);
      });
      dispatcher.runUntilIdle();
    });
    for (const auto& request : requests_) {
      if (request->ended && !request->raw) {
        sendOn(request->fields, request->body);
      }
    }
    codec_->resetAllStreams(ResetReason::ConnectionTermination, "end");
  }
  RequestReceiver& onNewStream(StreamSender& sender) override {
    requests_.push_back(std::make_unique<Request>());
    Request& request = *requests_.back();
    const auto answer = [&sender](uint32_t status) {
      base::Arena arena;
      HeaderMap headers(arena);
      headers.addNumber(HeaderId::Status, status);
      sender.sendHeaders(headers, true);
    };
    request.on_end = [answer] { answer(200); };
    request.on_bad = answer;
    return request;
  }
  void onGoAway(bool) override {}
  void onReadyForInput() override {
    net::Buffer none;
    dispatch(none);
  }

 private:
  void dispatch(net::Buffer& data) {
    static_cast<void>(codec_->dispatch(data));
    SLUICE_CHECK(data.empty(), "a codec leaves input");
  }
  std::vector<std::unique_ptr<Request>> requests_;
  std::unique_ptr<Http1ServerCodec> codec_;
};

void runClient(absl::string_view bytes, size_t piece, uint8_t bits) {
  Http1ClientHarness client;
  choose(client.settings, bits);
  Fields fields = {{":method", (bits & 128) != 0 ? "HEAD" : "GET"}, {":path", "/"}, {":authority", "a"}};
  if ((bits & 64) != 0) {
    fields.push_back({"connection", "upgrade"});
    fields.push_back({"upgrade", "websocket"});
  }
  client.request(fields);
  receiveInPieces(bytes, piece, [&](absl::string_view part) { client.receive(part); });
  client.receiveEnd();
  client.codec().resetAllStreams(ResetReason::ConnectionTermination, "end");
}

}  // namespace
}  // namespace sluice::http

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sluice::http;
  if (size < 2) {
    return 0;
  }
  const absl::string_view bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
  const size_t piece = data[1] == 0 ? bytes.size() : data[1];
  if ((data[0] & 1) == 0) {
    Server server;
    choose(server.settings, data[0]);
    server.run(bytes, piece);
  } else {
    runClient(bytes, piece, data[0]);
  }
  return 0;
}
