// What HTTP/2's codecs cost for a request and its answer: a client's and a server's over strings, so that the time is
// that of both, of nghttp2 in both, and of a copy each way.

#include "benchmark/benchmark.h"

#include "test/http/http2_harness.h"

namespace sluice::http {
namespace {

class QuietReceiver : public RequestReceiver {
 public:
  base::Arena& arena() override { return arena_; }
  void onHeaders(HeaderMap&, bool) override {}
  void onInterimHeaders(HeaderMap&) override {}
  void onData(net::Buffer&, bool) override {}
  void onTrailers(HeaderMap&) override {}
  void onReset(ResetReason, absl::string_view) override {}
  void onBadRequest(uint32_t, absl::string_view) override {}
  void onAboveWriteBufferHighWatermark() override {}
  void onBelowWriteBufferLowWatermark() override {}
  void renew() { arena_.reset(); }

 private:
  base::Arena arena_;
};

class AnsweringServer : public ServerCodecCallbacks {
 public:
  RequestReceiver& onNewStream(StreamSender& sender) override {
    this->sender = &sender;
    receiver.renew();
    return receiver;
  }
  void onGoAway(bool) override {}

  QuietReceiver receiver;
  StreamSender* sender = nullptr;
};

void RequestAndAnswer(benchmark::State& state) {
  test::FakeDispatcher dispatcher;
  const Http2Settings settings;
  const Http2Stats stats;
  Http2End client_end(dispatcher);
  Http2End server_end(dispatcher);
  AnsweringServer server;
  Http2ClientCodec client(*client_end.connection, client_end, settings, stats);
  Http2ServerCodec serving(*server_end.connection, server, settings, stats);
  const auto carry = [&](test::Loopback& from, Codec& to) {
    dispatcher.runOnce();
    net::Buffer data;
    data.append(from.outgoing);
    from.outgoing.clear();
    dispatcher.callback([&] { to.dispatch(data); });
  };
  base::Arena arena;
  HeaderMap request(arena);
  for (const auto& [name, value] : Http2Harness::get({{"user-agent", "bench/1"}, {"accept", "*/*"}})) {
    request.add(name, value);
  }
  HeaderMap answer(arena);
  for (const auto& [name, value] : Fields{{":status", "200"}, {"content-type", "text/plain"}, {"server", "sluice"}}) {
    answer.add(name, value);
  }
  const std::string body(state.range(0), 'b');
  QuietReceiver receiver;
  for (auto _ : state) {
    receiver.renew();
    dispatcher.callback([&] { client.newStream(receiver).sendHeaders(request, true); });
    carry(*client_end.wire, serving);
    dispatcher.callback([&] {
      server.sender->sendHeaders(answer, false);
      net::Buffer data;
      data.append(body);
      server.sender->sendData(data, true);
    });
    carry(*server_end.wire, client);
  }
}
BENCHMARK(RequestAndAnswer)->Arg(64)->Arg(10240);

}  // namespace
}  // namespace sluice::http

BENCHMARK_MAIN();
