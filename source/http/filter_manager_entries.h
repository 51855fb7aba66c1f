#pragma once

#include "source/http/filter_manager.h"

namespace sluice::http {

/** What a decoder filter holds of its stream. As FilterEntry. */
class FilterManager::DecoderEntry final : public DecoderFilterCallbacks, public FilterEntry {
 public:
  DecoderEntry(FilterManager& manager, const NamedFilter& named, DecoderFilter& filter)
      : FilterEntry(manager, named), filter(filter) {}

  DecoderFilter& filter;
  DecoderEntry* next = nullptr;

  // StreamFilterCallbacks
  event::Dispatcher& dispatcher() override { return manager_.dispatcher_; }
  base::Arena& arena() override { return manager_.arena_; }
  StreamInfo& streamInfo() override { return manager_.info_; }
  net::Connection* connection() override { return manager_.connection_; }
  const Route* route() override { return manager_.owner_.route(); }
  void clearRouteCache() override { manager_.owner_.clearRouteCache(); }
  void setRoute(const Route* route) override { manager_.owner_.setRoute(route); }
  const PerRouteConfig* perRouteConfig() override;
  void forEachPerRouteConfig(absl::FunctionRef<void(const PerRouteConfig&)> visit) override;
  void sendLocalReply(const LocalReply& reply) override { manager_.sendLocalReply(reply); }
  void resetStream(ResetReason reason, absl::string_view details) override { manager_.resetStream(reason, details); }
  void resetIdleTimer() override { manager_.owner_.resetIdleTimer(); }

  // DecoderFilterCallbacks
  void continueDecoding() override { resume(); }
  net::Buffer* decodingBuffer() override { return manager_.has_request_buffer_ ? &manager_.request_buffer_ : nullptr; }
  void addDecodedData(net::Buffer& data, bool streaming) override { manager_.addDecodedData(*this, data, streaming); }
  void injectDecodedData(net::Buffer& data, bool end_stream) override;
  HeaderMap& addDecodedTrailers() override { return manager_.addDecodedTrailers(); }
  HeaderMap* requestHeaders() override { return manager_.request_headers_; }
  HeaderMap* requestTrailers() override { return manager_.request_trailers_; }
  bool requestComplete() override { return manager_.request_complete_; }
  void encodeInterimHeaders(HeaderMap& headers) override { manager_.encodeInterimFrom(nullptr, headers); }
  void encodeHeaders(HeaderMap& headers, bool end_stream, absl::string_view details) override {
    if (!manager_.replied_) {
      manager_.startResponse(headers, end_stream, details);
    }
  }
  void encodeData(net::Buffer& data, bool end_stream) override {
    if (!manager_.replied_) {
      manager_.encodeDataFrom(nullptr, data, end_stream, IterateFrom::Next);
    }
  }
  void encodeTrailers(HeaderMap& trailers) override;
  void onUpstreamAboveWriteBufferHighWatermark() override { manager_.pauseRequest(true); }
  void onUpstreamBelowWriteBufferLowWatermark() override { manager_.pauseRequest(false); }
  void addWatermarkObserver(WatermarkObserver& observer) override;
  void removeWatermarkObserver(WatermarkObserver& observer) override;
  void setBufferLimit(uint32_t bytes) override { manager_.setBufferLimit(bytes); }
  uint32_t bufferLimit() override { return manager_.buffer_limit_; }
  bool recreateStream() override { return manager_.recreateStream(); }

 private:
  // FilterEntry
  bool canContinue() const override { return !manager_.decodingStopped(); }
  bool messageComplete() const override { return manager_.decode_end_seen_; }
  bool hasTrailers() const override { return manager_.request_trailers_ != nullptr; }
  net::Buffer& buffered() override { return manager_.request_buffer_; }
  bool& hasBuffered() override { return manager_.has_request_buffer_; }
  void checkBuffered() override { manager_.checkRequestBuffer(); }
  void continueInterim() override {}
  void continueHeaders(bool end_stream) override {
    manager_.decodeHeadersFrom(this, *manager_.request_headers_, end_stream);
  }
  void continueData(bool end_stream) override;
  void continueTrailers() override {
    manager_.decodeTrailersFrom(this, *manager_.request_trailers_, IterateFrom::CurrentIfStoppedAll);
  }
};

/** What an encoder filter holds of its stream. As FilterEntry. */
class FilterManager::EncoderEntry final : public EncoderFilterCallbacks, public FilterEntry {
 public:
  EncoderEntry(FilterManager& manager, const NamedFilter& named, EncoderFilter& filter)
      : FilterEntry(manager, named), filter(filter) {}

  EncoderFilter& filter;
  EncoderEntry* next = nullptr;

  // StreamFilterCallbacks
  event::Dispatcher& dispatcher() override { return manager_.dispatcher_; }
  base::Arena& arena() override { return manager_.arena_; }
  StreamInfo& streamInfo() override { return manager_.info_; }
  net::Connection* connection() override { return manager_.connection_; }
  const Route* route() override { return manager_.owner_.route(); }
  void clearRouteCache() override { manager_.owner_.clearRouteCache(); }
  void setRoute(const Route* route) override { manager_.owner_.setRoute(route); }
  const PerRouteConfig* perRouteConfig() override;
  void forEachPerRouteConfig(absl::FunctionRef<void(const PerRouteConfig&)> visit) override;
  void sendLocalReply(const LocalReply& reply) override { manager_.sendLocalReply(reply); }
  void resetStream(ResetReason reason, absl::string_view details) override { manager_.resetStream(reason, details); }
  void resetIdleTimer() override { manager_.owner_.resetIdleTimer(); }

  // EncoderFilterCallbacks
  void continueEncoding() override { resume(); }
  net::Buffer* encodingBuffer() override {
    return manager_.has_response_buffer_ ? &manager_.response_buffer_ : nullptr;
  }
  void addEncodedData(net::Buffer& data, bool streaming) override { manager_.addEncodedData(*this, data, streaming); }
  void injectEncodedData(net::Buffer& data, bool end_stream) override;
  HeaderMap& addEncodedTrailers() override { return manager_.addEncodedTrailers(); }
  HeaderMap* responseHeaders() override { return manager_.response_headers_; }
  HeaderMap* responseTrailers() override { return manager_.response_trailers_; }
  void setBufferLimit(uint32_t bytes) override { manager_.setBufferLimit(bytes); }
  uint32_t bufferLimit() override { return manager_.buffer_limit_; }

 private:
  // FilterEntry
  bool canContinue() const override { return !manager_.encodingStopped(); }
  bool messageComplete() const override { return manager_.encode_end_seen_; }
  bool hasTrailers() const override { return manager_.response_trailers_ != nullptr; }
  net::Buffer& buffered() override { return manager_.response_buffer_; }
  bool& hasBuffered() override { return manager_.has_response_buffer_; }
  void checkBuffered() override { manager_.checkResponseBuffer(); }
  void continueInterim() override { manager_.encodeInterimFrom(this, *manager_.interim_headers_); }
  void continueHeaders(bool end_stream) override {
    manager_.encodeHeadersFrom(this, *manager_.response_headers_, end_stream);
  }
  void continueData(bool end_stream) override;
  void continueTrailers() override {
    manager_.encodeTrailersFrom(this, *manager_.response_trailers_, IterateFrom::CurrentIfStoppedAll);
  }

  friend class FilterManager;
};

/** Says which of a filter's calls is under way, while it is. */
struct FilterManager::Call {
  Call(FilterManager& manager, uint8_t bits) : manager(manager), before(manager.calling_) { manager.calling_ |= bits; }
  ~Call() { manager.calling_ = before; }
  FilterManager& manager;
  const uint8_t before;
};

}  // namespace sluice::http
