#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/container/inlined_vector.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

#include "source/http/filter.h"
#include "source/http/filter_entry.h"

namespace sluice::http {

/** The stream that a FilterManager works for: its route, and its client. */
class FilterManagerOwner {
 public:
  virtual ~FilterManagerOwner() = default;
  virtual const Route* route() = 0;
  virtual void clearRouteCache() = 0;
  virtual void setRoute(const Route* route) = 0;
  /** A local reply comes before the chain was made: FilterManager::addFilters() is to be called now. */
  virtual void makeFilterChain() = 0;

  // The response after its last filter. What the maps say may still be changed.
  virtual void sendInterimHeaders(HeaderMap& headers) = 0;
  virtual void sendHeaders(HeaderMap& headers, bool end_stream) = 0;
  virtual void sendData(net::Buffer& data, bool end_stream) = 0;
  virtual void sendTrailers(HeaderMap& trailers) = 0;
  /** The response's end was sent. */
  virtual void onResponseEnd() = 0;
  /** A filter gives the stream up, for any reason: the client's codec has not heard of it. */
  virtual void resetFromFilter(ResetReason reason, absl::string_view details) = 0;

  /** Counted: the filters can take no more of the request. */
  virtual void pauseRequest(bool pause) = 0;
  /** A buffered body passed its limit; what answers it is done by the manager. */
  virtual void onBodyTooLarge(bool request) = 0;
  virtual void resetIdleTimer() = 0;
  /** local_reply_config; may change everything but keeps the map in the stream's arena. */
  virtual void rewriteLocalReply(HeaderMap& headers, uint32_t& status, std::string& body,
                                 absl::string_view& content_type) = 0;
  /** Begins anew with this request body; see DecoderFilterCallbacks::recreateStream(). */
  virtual void recreate(net::Buffer& body) = 0;
};

/**
 * Runs the filter chain of one stream: the request through the decoder filters in order, the response through the encoder
 * filters in reverse order, with all that filters may do on the way: stop, buffer, continue, inject, answer locally.
 * In the stream's arena; worker thread. Owned by the stream, which may be reset inside any call: nothing is destroyed
 * before the stack has unwound, and after destroyFilters() every call does nothing.
 *
 * The code: filter_manager.cc (the chain and its life), filter_entry.cc (what a filter's answer means), and one file each
 * for decoding, encoding and local replies.
 */
class FilterManager final : private FilterChainBuilder {
 public:
  /** `connection` is null for streams without a client. */
  FilterManager(FilterManagerOwner& owner, base::Arena& arena, event::Dispatcher& dispatcher, StreamInfo& info,
                net::Connection* connection, uint32_t buffer_limit);
  ~FilterManager() override;
  FilterManager(const FilterManager&) = delete;

  /** Makes the filters that the route does not switch off. Once. `filters` outlive the stream. */
  void addFilters(absl::Span<const NamedFilter> filters);
  bool hasFilters() const { return chain_made_; }

  // The request.
  void decodeHeaders(HeaderMap& headers, bool end_stream);
  void decodeData(net::Buffer& data, bool end_stream);
  void decodeTrailers(HeaderMap& trailers);
  /** For local replies and access logs before decodeHeaders(). */
  void setRequestHeaders(HeaderMap& headers) { request_headers_ = &headers; }
  HeaderMap* requestHeaders() const { return request_headers_; }
  HeaderMap* requestTrailers() const { return request_trailers_; }
  /** The whole request has come in (and may still wait for filters). */
  void noteRequestComplete() { request_complete_ = true; }
  bool requestComplete() const { return request_complete_; }

  /** From outside the chain: timeouts, requests that are refused before the chain. Passes all encoder filters. */
  void sendLocalReply(const LocalReply& reply);

  bool responseStarted() const { return response_headers_ != nullptr; }
  bool responseHeadersSent() const { return response_headers_sent_; }
  bool responseComplete() const { return response_complete_; }
  HeaderMap* responseHeaders() const { return response_headers_; }
  HeaderMap* responseTrailers() const { return response_trailers_; }

  void onDownstreamAboveHighWatermark();
  void onDownstreamBelowLowWatermark();
  uint32_t highWatermarks() const { return high_watermarks_; }
  /** Of bodies that wait for filters. */
  void setBufferLimit(uint32_t bytes);
  uint32_t bufferLimit() const { return buffer_limit_; }

  /** The stream is complete: before its access logs. */
  void notifyComplete();
  /** Tells all filters that the stream is over; none of them is called any more. */
  void destroyFilters();
  bool destroyed() const { return destroyed_; }

 private:
  class DecoderEntry;
  class EncoderEntry;
  friend class FilterEntry;
  /** Bits of calling_. */
  static constexpr uint8_t kDecodingHeaders = 1;
  static constexpr uint8_t kDecodingData = 2;
  static constexpr uint8_t kDecodingTrailers = 4;
  static constexpr uint8_t kLastDecodingData = 8;
  static constexpr uint8_t kDecoding = kDecodingHeaders | kDecodingData | kDecodingTrailers;
  static constexpr uint8_t kEncodingInterim = 16;
  static constexpr uint8_t kEncodingHeaders = 32;
  static constexpr uint8_t kEncodingData = 64;
  static constexpr uint8_t kEncodingTrailers = 128;

  struct PreparedReply;
  struct Call;

  // FilterChainBuilder
  base::Arena& arena() override { return arena_; }
  event::Dispatcher& dispatcher() override { return dispatcher_; }
  void addDecoderFilter(DecoderFilter& filter) override;
  void addEncoderFilter(EncoderFilter& filter) override;
  bool switchedOff(const NamedFilter& filter);

  // Decoding.
  bool decodingStopped() const { return destroyed_ || decoding_aborted_ || response_complete_; }
  void decodeHeadersFrom(DecoderEntry* after, HeaderMap& headers, bool end_stream);
  void decodeDataFrom(DecoderEntry* after, net::Buffer& data, bool end_stream, IterateFrom from);
  void decodeTrailersFrom(DecoderEntry* after, HeaderMap& trailers, IterateFrom from);
  DecoderEntry* firstDecoder(DecoderEntry* after, IterateFrom from) const;
  void addDecodedData(DecoderEntry& entry, net::Buffer& data, bool streaming);
  HeaderMap& addDecodedTrailers();
  void checkRequestBuffer();
  bool recreateStream();

  // Encoding.
  bool encodingStopped() const { return destroyed_ || encoding_aborted_ || response_complete_; }
  void startResponse(HeaderMap& headers, bool end_stream, absl::string_view details);
  void encodeInterimFrom(EncoderEntry* after, HeaderMap& headers);
  void encodeHeadersFrom(EncoderEntry* after, HeaderMap& headers, bool end_stream);
  void encodeDataFrom(EncoderEntry* after, net::Buffer& data, bool end_stream, IterateFrom from);
  void encodeTrailersFrom(EncoderEntry* after, HeaderMap& trailers, IterateFrom from);
  EncoderEntry* firstEncoder(EncoderEntry* after, IterateFrom from) const;
  void addEncodedData(EncoderEntry& entry, net::Buffer& data, bool streaming);
  HeaderMap& addEncodedTrailers();
  void checkResponseBuffer();
  void endResponseIf(bool end_stream);

  // Local replies.
  void replyThroughFilters(PreparedReply& reply);
  void replyDirectly(PreparedReply& reply);
  HeaderMap& makeReplyHeaders(PreparedReply& reply, bool& end_stream);
  /** A filter answered from inside its decoding call: the reply goes out now that the call has returned. */
  void sendPreparedReply();
  void resetStream(ResetReason reason, absl::string_view details);

  void pauseRequest(bool pause);

  FilterManagerOwner& owner_;
  base::Arena& arena_;
  event::Dispatcher& dispatcher_;
  StreamInfo& info_;
  net::Connection* const connection_;
  /** The filter that is being made. */
  const NamedFilter* current_ = nullptr;

  DecoderEntry* first_decoder_ = nullptr;
  DecoderEntry* last_decoder_ = nullptr;
  /** The encoder filter that was added last is the first to see the response. */
  EncoderEntry* first_encoder_ = nullptr;
  /** Each object once, in order of adding, for onDestroy(). */
  struct OwnedFilter {
    StreamFilter* filter;
    OwnedFilter* next;
  };
  OwnedFilter* filters_ = nullptr;
  OwnedFilter* last_filter_ = nullptr;
  void remember(StreamFilter& filter);

  HeaderMap* request_headers_ = nullptr;
  HeaderMap* request_trailers_ = nullptr;
  HeaderMap* interim_headers_ = nullptr;
  HeaderMap* response_headers_ = nullptr;
  HeaderMap* response_trailers_ = nullptr;
  PreparedReply* prepared_reply_ = nullptr;

  net::Buffer request_buffer_;
  net::Buffer response_buffer_;
  absl::InlinedVector<DecoderFilterCallbacks::WatermarkObserver*, 2> observers_;
  uint32_t buffer_limit_;
  uint32_t high_watermarks_ = 0;
  uint8_t calling_ = 0;

  bool chain_made_ = false;
  bool request_complete_ = false;
  /** The end of the request has been given to the first filter. */
  bool decode_end_seen_ = false;
  bool encode_end_seen_ = false;
  bool response_headers_sent_ = false;
  bool response_complete_ = false;
  bool decoding_aborted_ = false;
  bool encoding_aborted_ = false;
  /** A local reply is on its way: it stands, whatever the terminal filter, which is not told, still sends. */
  bool replied_ = false;
  bool destroyed_ = false;
  bool request_above_ = false;
  bool response_above_ = false;
  bool request_paused_ = false;
  bool response_paused_ = false;
  /** A buffer that holds nothing may still stand for the end of a body. */
  bool has_request_buffer_ = false;
  bool has_response_buffer_ = false;
  bool decoders_stream_ = false;
  bool encoders_stream_ = false;
};

}  // namespace sluice::http
