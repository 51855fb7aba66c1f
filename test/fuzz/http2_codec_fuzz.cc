// A server's and a client's HTTP/2 codec read what a peer might send, cut where the input says; their users answer,
// pause, go on and give up meanwhile, as the input says too. Nothing may crash, leak, or stay behind.

#include <cstddef>
#include <cstdint>

#include "source/base/assert.h"
#include "test/fuzz/quick_store.h"
#include "test/http/http2_harness.h"

namespace sluice::http {
namespace {

void use(Http2Recorder& stream, uint8_t what) {
  if (stream.sender == nullptr || stream.log.empty() || absl::StrContains(stream.log, "R ")) {
    return;
  }
  switch (what % 6) {
    case 0:
      sendHeaders(*stream.sender, {{":status", "200"}}, false);
      break;
    case 1:
      sendBody(*stream.sender, std::string(what * 100u, 'b'), (what & 64) != 0);
      break;
    case 2:
      sendTrailers(*stream.sender, {{"t", "1"}});
      break;
    case 3:
      stream.sender->readDisable(true);
      stream.sender->readDisable(false);
      break;
    default:
      break;
  }
}

void feed(const uint8_t* data, size_t size) {
  if (size < 3) {
    return;
  }
  Http2Settings settings;
  settings.allow_connect = (data[0] & 1) != 0;
  settings.stream_error_on_invalid_http_message = (data[0] & 2) != 0;
  settings.underscores = static_cast<UnderscorePolicy>((data[0] >> 2) % 3);
  Http2Harness harness(settings, settings, fuzz::quickStore());
  harness.startBoth();
  const bool to_client = (data[0] & 128) != 0;
  const uint8_t cut = data[1] == 0 ? 255 : data[1];
  const uint8_t action = data[2];
  absl::string_view rest(reinterpret_cast<const char*>(data + 3), size - 3);
  std::vector<std::unique_ptr<Http2Recorder>> asked;
  if (to_client) {
    for (int i = 0; i < 3; ++i) {
      asked.push_back(std::make_unique<Http2Recorder>());
      sendHeaders(harness.client_codec->newStream(*asked.back()), Http2Harness::get(), i != 0);
    }
    harness.pump();
  }
  bool alive = true;
  while (alive && !rest.empty()) {
    const absl::string_view part = rest.substr(0, cut);
    rest.remove_prefix(part.size());
    alive = to_client ? harness.dispatch(*harness.client_codec, part).ok()
                      : harness.dispatch(*harness.server->codec, part).ok();
    if (!to_client && !harness.server->streams.empty()) {
      // A sender that its codec has taken back may not be used: only fresh streams are.
      Http2Recorder& last = *harness.server->streams.back();
      const bool done = absl::StrContains(last.log, ". ") || !last.sender;
      if (!done) {
        harness.dispatcher.callback([&] { use(last, action); });
      }
    }
  }
  harness.dispatcher.advance(std::chrono::seconds(1));
  if (harness.server->codec != nullptr) {
    harness.server->codec->resetAllStreams(ResetReason::ConnectionTermination, "end");
    harness.client_codec->resetAllStreams(ResetReason::ConnectionTermination, "end");
  }
}

}  // namespace
}  // namespace sluice::http

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sluice::http::feed(data, size);
  return 0;
}
