// What HTTP/1's codec costs for a request: a typical one read, and its like written; per request, without the sockets.

#include "benchmark/benchmark.h"

#include "test/http/http1_harness.h"

namespace sluice::http {
namespace {

const char kRequest[] =
    "GET /api/v1/items?id=42 HTTP/1.1\r\nHost: service.example.com\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n"
    "Accept-Encoding: gzip, br\r\nX-Request-Id: 6f1c1f4e-93a4-4d6c-9a3f-6f8a2a0c7a11\r\n"
    "X-Forwarded-Proto: https\r\nCookie: session=0123456789abcdef0123456789abcdef\r\nX-Tenant: blue\r\n\r\n";
const char kResponse[] =
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 64\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\n"
    "Server: backend\r\n\r\n0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/** Keeps what it hears, as a proxy would until it sends it on. */
class Keeper : public RequestReceiver {
 public:
  base::Arena& arena() override { return arena_; }
  void onHeaders(HeaderMap& map, bool) override { headers = &map; }
  void onInterimHeaders(HeaderMap&) override {}
  void onData(net::Buffer& data, bool) override { body.move(data); }
  void onTrailers(HeaderMap&) override {}
  void onReset(ResetReason, absl::string_view) override {}
  void onBadRequest(uint32_t, absl::string_view) override {}
  void onAboveWriteBufferHighWatermark() override {}
  void onBelowWriteBufferLowWatermark() override {}
  void reset() {
    headers = nullptr;
    body.clear();
    arena_.reset();
  }
  HeaderMap* headers = nullptr;
  net::Buffer body;

 private:
  base::Arena arena_;
};

struct Server : Http1Harness, ServerCodecCallbacks {
  RequestReceiver& onNewStream(StreamSender& stream) override {
    sender = &stream;
    return receiver;
  }
  void onGoAway(bool) override {}
  Keeper receiver;
  StreamSender* sender = nullptr;
  Http1ServerCodec codec{*connection, *this, settings, stats};
};

struct Client : Http1Harness, CodecCallbacks {
  void onGoAway(bool) override {}
  Keeper receiver;
  Http1ClientCodec codec{*connection, *this, settings, stats};
};

/** Both codecs of a proxy: request in and out, response in and out. */
void ProxiedExchange(benchmark::State& state) {
  Server server;
  Client client;
  net::Buffer in;
  for (auto _ : state) {
    in.append(kRequest);
    static_cast<void>(server.codec.dispatch(in));
    StreamSender& request = client.codec.newStream(client.receiver);
    request.sendHeaders(*server.receiver.headers, true);
    in.append(kResponse);
    static_cast<void>(client.codec.dispatch(in));
    server.sender->sendHeaders(*client.receiver.headers, false);
    server.sender->sendData(client.receiver.body, true);
    server.receiver.reset();
    client.receiver.reset();
    state.PauseTiming();
    server.written();
    client.written();
    state.ResumeTiming();
  }
}
BENCHMARK(ProxiedExchange);

void ParseRequest(benchmark::State& state) {
  Http1Settings settings;
  Http1Stats stats;
  Http1Parser parser(Http1Parser::Kind::Request, settings, stats);
  base::Arena arena;
  net::Buffer in;
  net::Buffer body;
  for (auto _ : state) {
    in.append(kRequest);
    parser.start(arena);
    benchmark::DoNotOptimize(parser.parse(in, body));
    arena.reset();
  }
}
BENCHMARK(ParseRequest);

void EncodeRequest(benchmark::State& state) {
  Http1Settings settings;
  Http1Stats stats;
  Http1Parser parser(Http1Parser::Kind::Request, settings, stats);
  base::Arena arena;
  net::Buffer in;
  net::Buffer out;
  in.append(kRequest);
  parser.start(arena);
  parser.parse(in, out);
  for (auto _ : state) {
    benchmark::DoNotOptimize(encodeHttp1Request(parser.headers(), Http1Framing::AsGiven, settings, out));
    out.clear();
  }
}
BENCHMARK(EncodeRequest);

}  // namespace
}  // namespace sluice::http

BENCHMARK_MAIN();
