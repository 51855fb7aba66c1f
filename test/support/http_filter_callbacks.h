#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

#include "source/http/filter.h"
#include "source/http/route.h"
#include "test/support/fake_dispatcher.h"

namespace sluice::test {

/** What a filter did to its stream, and what it is told when it asks. */
struct FakeHttpStream {
  explicit FakeHttpStream(FakeDispatcher& d) : dispatcher(d) {
    info.start_time = d.systemNow();
    info.start_monotonic = d.now();
  }

  FakeDispatcher& dispatcher;
  base::Arena arena;
  http::StreamInfo info;
  net::Connection* connection = nullptr;
  const http::Route* route = nullptr;
  /** From the least specific on. */
  std::vector<std::shared_ptr<const http::PerRouteConfig>> per_route;

  http::HeaderMap* request_headers = nullptr;
  http::HeaderMap* response_headers = nullptr;
  http::HeaderMap* request_trailers = nullptr;
  http::HeaderMap* response_trailers = nullptr;
  net::Buffer request_body;
  net::Buffer response_body;
  uint32_t buffer_limit = 1024 * 1024;

  /** The local reply: "418 text (details)", and with its gRPC status and headers where it has some. */
  std::string reply;
  std::vector<std::string> reply_headers;
  int continued_decoding = 0;
  int continued_encoding = 0;
  int cleared_routes = 0;
  /** What was injected or added, and whether it was the end. */
  std::string injected;
  std::vector<size_t> injections;
  bool injected_end = false;
  std::string reset;

  /** "name: value" of each field. */
  static std::vector<std::string> fields(const http::HeaderMap& headers) {
    std::vector<std::string> out;
    headers.forEach([&](const http::Header& h) { out.push_back(absl::StrCat(h.name, ": ", h.value)); });
    return out;
  }
  http::HeaderMap& makeHeaders(const std::vector<std::pair<std::string, std::string>>& fields) {
    auto* map = arena.make<http::HeaderMap>(arena);
    for (const auto& [name, value] : fields) {
      map->add(name, value);
    }
    return *map;
  }
  void take(net::Buffer& data, bool end_stream) {
    injections.push_back(data.length());
    absl::StrAppend(&injected, data.toString());
    data.clear();
    injected_end = injected_end || end_stream;
  }
};

/** What both directions share; Base is the interface of the one that is faked. */
template <class Base>
class FakeStreamCallbacks : public Base {
 public:
  explicit FakeStreamCallbacks(FakeHttpStream& stream) : stream_(stream) {}

  event::Dispatcher& dispatcher() override { return stream_.dispatcher; }
  base::Arena& arena() override { return stream_.arena; }
  http::StreamInfo& streamInfo() override { return stream_.info; }
  net::Connection* connection() override { return stream_.connection; }
  const http::Route* route() override { return stream_.route; }
  void clearRouteCache() override { ++stream_.cleared_routes; }
  void setRoute(const http::Route* route) override { stream_.route = route; }
  const http::PerRouteConfig* perRouteConfig() override {
    return stream_.per_route.empty() ? nullptr : stream_.per_route.back().get();
  }
  void forEachPerRouteConfig(absl::FunctionRef<void(const http::PerRouteConfig&)> visit) override {
    for (const auto& config : stream_.per_route) {
      visit(*config);
    }
  }
  void sendLocalReply(const http::LocalReply& reply) override {
    stream_.reply = absl::StrCat(reply.status, " ", reply.body, " (", reply.details, ")");
    if (reply.grpc_status.has_value()) {
      absl::StrAppend(&stream_.reply, " grpc ", *reply.grpc_status);
    }
    if (reply.modify_headers != nullptr) {
      auto& headers = stream_.makeHeaders({});
      reply.modify_headers(headers);
      stream_.reply_headers = FakeHttpStream::fields(headers);
    }
  }
  void resetStream(http::ResetReason, absl::string_view details) override { stream_.reset = std::string(details); }
  void resetIdleTimer() override {}
  void setBufferLimit(uint32_t bytes) override { stream_.buffer_limit = bytes; }
  uint32_t bufferLimit() override { return stream_.buffer_limit; }

 protected:
  FakeHttpStream& stream_;
};

class FakeDecoderCallbacks : public FakeStreamCallbacks<http::DecoderFilterCallbacks> {
 public:
  using FakeStreamCallbacks::FakeStreamCallbacks;
  void continueDecoding() override { ++stream_.continued_decoding; }
  net::Buffer* decodingBuffer() override { return &stream_.request_body; }
  void addDecodedData(net::Buffer& data, bool) override { stream_.request_body.move(data); }
  void injectDecodedData(net::Buffer& data, bool end_stream) override { stream_.take(data, end_stream); }
  http::HeaderMap& addDecodedTrailers() override { return *(stream_.request_trailers = &stream_.makeHeaders({})); }
  http::HeaderMap* requestHeaders() override { return stream_.request_headers; }
  http::HeaderMap* requestTrailers() override { return stream_.request_trailers; }
  bool requestComplete() override { return false; }
  void encodeInterimHeaders(http::HeaderMap&) override {}
  void encodeHeaders(http::HeaderMap& headers, bool end_stream, absl::string_view details) override {
    stream_.reply = absl::StrCat(headers.get(http::HeaderId::Status), end_stream ? "" : "...", " (", details, ")");
    stream_.reply_headers = FakeHttpStream::fields(headers);
  }
  void encodeData(net::Buffer& data, bool end_stream) override { stream_.take(data, end_stream); }
  void encodeTrailers(http::HeaderMap& trailers) override { stream_.response_trailers = &trailers; }
  void onUpstreamAboveWriteBufferHighWatermark() override {}
  void onUpstreamBelowWriteBufferLowWatermark() override {}
  void addWatermarkObserver(WatermarkObserver&) override {}
  void removeWatermarkObserver(WatermarkObserver&) override {}
  bool recreateStream() override { return false; }
};

class FakeEncoderCallbacks : public FakeStreamCallbacks<http::EncoderFilterCallbacks> {
 public:
  using FakeStreamCallbacks::FakeStreamCallbacks;
  void continueEncoding() override { ++stream_.continued_encoding; }
  net::Buffer* encodingBuffer() override { return &stream_.response_body; }
  void addEncodedData(net::Buffer& data, bool) override {
    absl::StrAppend(&stream_.injected, data.toString());
    stream_.response_body.move(data);
  }
  void injectEncodedData(net::Buffer& data, bool end_stream) override { stream_.take(data, end_stream); }
  http::HeaderMap& addEncodedTrailers() override { return *(stream_.response_trailers = &stream_.makeHeaders({})); }
  http::HeaderMap* responseHeaders() override { return stream_.response_headers; }
  http::HeaderMap* responseTrailers() override { return stream_.response_trailers; }
};

/** A stream with the filters that one configuration puts into it, of which there is at most one each way. */
class FakeFilterStream : public FakeHttpStream, private http::FilterChainBuilder {
 public:
  explicit FakeFilterStream(FakeDispatcher& dispatcher) : FakeHttpStream(dispatcher) {}
  ~FakeFilterStream() { destroy(); }
  /** Makes the filters. What the stream has for its route and connection is said before. */
  void start(const http::HttpFilterConfig& config) { config.addTo(*this); }
  /** As at the stream's end. */
  void destroy() {
    if (decoder != nullptr) {
      decoder->onDestroy();
    }
    if (encoder != nullptr &&
        dynamic_cast<http::StreamFilter*>(encoder) != dynamic_cast<http::StreamFilter*>(decoder)) {
      encoder->onDestroy();
    }
    decoder = nullptr;
    encoder = nullptr;
  }

  http::HeadersStatus request(const std::vector<std::pair<std::string, std::string>>& fields, bool end_stream = true) {
    request_headers = &makeHeaders(fields);
    info.request_headers = request_headers;
    return decoder->decodeHeaders(*request_headers, end_stream);
  }
  http::DataStatus requestData(absl::string_view text, bool end_stream, std::string* passed = nullptr) {
    return pass(*decoder, &http::DecoderFilter::decodeData, request_body, text, end_stream, passed);
  }
  http::HeadersStatus response(const std::vector<std::pair<std::string, std::string>>& fields,
                               bool end_stream = false) {
    response_headers = &makeHeaders(fields);
    info.response_headers = response_headers;
    return encoder->encodeHeaders(*response_headers, end_stream);
  }
  /** What the filter keeps is in response_body as the filter manager would have it; `passed` is what it lets go on. */
  http::DataStatus responseData(absl::string_view text, bool end_stream, std::string* passed = nullptr) {
    return pass(*encoder, &http::EncoderFilter::encodeData, response_body, text, end_stream, passed);
  }
  http::TrailersStatus trailers(const std::vector<std::pair<std::string, std::string>>& fields) {
    response_trailers = &makeHeaders(fields);
    return encoder->encodeTrailers(*response_trailers);
  }

  http::DecoderFilter* decoder = nullptr;
  http::EncoderFilter* encoder = nullptr;

 private:
  template <class Filter, class Call>
  http::DataStatus pass(Filter& filter, Call call, net::Buffer& kept, absl::string_view text, bool end_stream,
                        std::string* passed) {
    net::Buffer data;
    data.append(text);
    const http::DataStatus status = (filter.*call)(data, end_stream);
    if (status == http::DataStatus::StopIterationAndBuffer || status == http::DataStatus::StopIterationAndWatermark) {
      kept.move(data);
    } else if (status == http::DataStatus::Continue && passed != nullptr) {
      absl::StrAppend(passed, data.toString());
    }
    return status;
  }

  base::Arena& arena() override { return FakeHttpStream::arena; }
  event::Dispatcher& dispatcher() override { return FakeHttpStream::dispatcher; }
  void addDecoderFilter(http::DecoderFilter& filter) override {
    decoder = &filter;
    filter.setDecoderCallbacks(decoder_callbacks_);
  }
  void addEncoderFilter(http::EncoderFilter& filter) override {
    encoder = &filter;
    filter.setEncoderCallbacks(encoder_callbacks_);
  }

  FakeDecoderCallbacks decoder_callbacks_{*this};
  FakeEncoderCallbacks encoder_callbacks_{*this};
};

}  // namespace sluice::test
