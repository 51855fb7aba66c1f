#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"

#include "source/event/dispatcher.h"
#include "source/http/header_map.h"
#include "source/http/stream_info.h"
#include "source/net/buffer.h"
#include "source/net/connection.h"

namespace sluice::http {

struct Route;
struct VirtualHost;

// HTTP filters see a stream's messages pass: decoder filters the request, in the chain's order; encoder filters the
// response, in reverse order. All calls come on the stream's worker.

enum class HeadersStatus : uint8_t {
  Continue,
  /**
   * No later filter sees the headers until continueDecoding() (continueEncoding()); this filter still gets the body as it
   * comes, and its onData() status says what becomes of it.
   */
  StopIteration,
  /** As StopIteration, and the body is buffered without asking this filter; beyond the limit the stream is refused. */
  StopAllIterationAndBuffer,
  /** As that, but beyond the limit reading stops until the filter continues. */
  StopAllIterationAndWatermark,
};

enum class DataStatus : uint8_t {
  /** On to the next filter; headers that were stopped go first. */
  Continue,
  /** Kept by the filter manager for the next filter; beyond the limit 413 (requests) or 500 (responses). */
  StopIterationAndBuffer,
  /** As that, but beyond the limit reading stops until the filter continues. */
  StopIterationAndWatermark,
  /** The filter took what it wants: the rest is dropped. */
  StopIterationNoBuffer,
};

enum class TrailersStatus : uint8_t { Continue, StopIteration };

/** Settings of one filter for one route, virtual host or weighted cluster; immutable, made on main. */
class PerRouteConfig {
 public:
  virtual ~PerRouteConfig() = default;
};

/** What answers a request instead of its upstream. */
struct LocalReply {
  uint32_t status = 500;
  absl::string_view body;
  /** As %RESPONSE_CODE_DETAILS% prints it; static or in the stream's arena. */
  absl::string_view details;
  /** For gRPC requests, whose answer is trailers-only with HTTP 200; made from `status` when unset. */
  std::optional<uint32_t> grpc_status;
  /** Adds or changes headers before filters see them; may be null. */
  std::function<void(HeaderMap&)> modify_headers;
};

/** What both kinds of filter may ask of their stream. */
class StreamFilterCallbacks {
 public:
  virtual ~StreamFilterCallbacks() = default;
  virtual event::Dispatcher& dispatcher() = 0;
  virtual base::Arena& arena() = 0;
  virtual StreamInfo& streamInfo() = 0;
  /** The downstream connection; null for streams that Sluice makes of itself (mirrors, gRPC). */
  virtual net::Connection* connection() = 0;
  /** The route, found at the first call and kept until clearRouteCache(); null when none matches. */
  virtual const Route* route() = 0;
  virtual void clearRouteCache() = 0;
  /** Routes by `route` from now on (internal redirects of filters, Wasm); its table is pinned by who gives it. */
  virtual void setRoute(const Route* route) = 0;
  /**
   * This filter's settings of the route that is most specific (weighted cluster, route, virtual host, route table); null
   * when there are none.
   */
  virtual const PerRouteConfig* perRouteConfig() = 0;
  /** Calls visit for each of this filter's settings from the least specific on. */
  virtual void forEachPerRouteConfig(absl::FunctionRef<void(const PerRouteConfig&)> visit) = 0;
  /**
   * Answers the request from here: the response passes all encoder filters, as in Envoy; called while a decoder filter is
   * asked something, it goes out once that call has returned. Nothing more is decoded. When a response is already on its
   * way through the encoder filters this one passes them by; when its headers have gone, the stream is reset instead.
   */
  virtual void sendLocalReply(const LocalReply& reply) = 0;
  /** Ends the stream in both directions without an answer. */
  virtual void resetStream(ResetReason reason, absl::string_view details) = 0;
  /** Counts as activity for the stream's idle timeout. */
  virtual void resetIdleTimer() = 0;
};

class DecoderFilterCallbacks : public StreamFilterCallbacks {
 public:
  /** After a stop: on with the next filter, with headers, the buffered body and trailers that it has not seen. */
  virtual void continueDecoding() = 0;
  /** What is buffered for this filter; null when nothing is. */
  virtual net::Buffer* decodingBuffer() = 0;
  /** Adds to the buffered body (from decodeTrailers(), or while stopped). */
  virtual void addDecodedData(net::Buffer& data, bool streaming) = 0;
  /** Gives the later filters data now, from a callback of another time. */
  virtual void injectDecodedData(net::Buffer& data, bool end_stream) = 0;
  /** Makes trailers where the request has none; from decodeData() with the end. */
  virtual HeaderMap& addDecodedTrailers() = 0;
  virtual HeaderMap* requestHeaders() = 0;
  virtual HeaderMap* requestTrailers() = 0;
  virtual bool requestComplete() = 0;

  // The response, from the terminal filter (the router): passes all encoder filters.
  virtual void encodeInterimHeaders(HeaderMap& headers) = 0;
  /** The map lives in arena(). `details` is static or in the arena. */
  virtual void encodeHeaders(HeaderMap& headers, bool end_stream, absl::string_view details) = 0;
  virtual void encodeData(net::Buffer& data, bool end_stream) = 0;
  virtual void encodeTrailers(HeaderMap& trailers) = 0;

  // Flow control, for the terminal filter. Counted.
  virtual void onUpstreamAboveWriteBufferHighWatermark() = 0;
  virtual void onUpstreamBelowWriteBufferLowWatermark() = 0;
  /** Told of the downstream's write buffer; `observer` is told at once if it is above its mark now. */
  class WatermarkObserver {
   public:
    virtual ~WatermarkObserver() = default;
    virtual void onDownstreamAboveHighWatermark() = 0;
    virtual void onDownstreamBelowLowWatermark() = 0;
  };
  virtual void addWatermarkObserver(WatermarkObserver& observer) = 0;
  virtual void removeWatermarkObserver(WatermarkObserver& observer) = 0;

  /** How much of a body may be buffered; filters may raise or lower it. */
  virtual void setBufferLimit(uint32_t bytes) = 0;
  virtual uint32_t bufferLimit() = 0;

  /**
   * Begins the stream anew from the first filter on, with the request's headers as they are now and its body if that is
   * buffered whole (internal redirects). False when it cannot (response begun, body not whole).
   */
  virtual bool recreateStream() = 0;
};

class EncoderFilterCallbacks : public StreamFilterCallbacks {
 public:
  virtual void continueEncoding() = 0;
  virtual net::Buffer* encodingBuffer() = 0;
  virtual void addEncodedData(net::Buffer& data, bool streaming) = 0;
  virtual void injectEncodedData(net::Buffer& data, bool end_stream) = 0;
  virtual HeaderMap& addEncodedTrailers() = 0;
  virtual HeaderMap* responseHeaders() = 0;
  virtual HeaderMap* responseTrailers() = 0;
  virtual void setBufferLimit(uint32_t bytes) = 0;
  virtual uint32_t bufferLimit() = 0;
};

/** What every filter of a stream has. Lives in the stream's arena, which destroys it; onDestroy() comes before. */
class StreamFilter {
 public:
  virtual ~StreamFilter() = default;
  /** The stream is over or reset: cancel what is under way. No callback may be used after it. */
  virtual void onDestroy() {}
  /** The stream is complete, before its access logs are written. */
  virtual void onStreamComplete() {}
};

class DecoderFilter : public virtual StreamFilter {
 public:
  virtual void setDecoderCallbacks(DecoderFilterCallbacks& callbacks) = 0;
  virtual HeadersStatus decodeHeaders(HeaderMap& headers, bool end_stream) = 0;
  virtual DataStatus decodeData(net::Buffer& data, bool end_stream) = 0;
  virtual TrailersStatus decodeTrailers(HeaderMap& trailers) = 0;
};

class EncoderFilter : public virtual StreamFilter {
 public:
  virtual void setEncoderCallbacks(EncoderFilterCallbacks& callbacks) = 0;
  virtual HeadersStatus encodeInterimHeaders(HeaderMap& headers) {
    static_cast<void>(headers);
    return HeadersStatus::Continue;
  }
  virtual HeadersStatus encodeHeaders(HeaderMap& headers, bool end_stream) = 0;
  virtual DataStatus encodeData(net::Buffer& data, bool end_stream) = 0;
  virtual TrailersStatus encodeTrailers(HeaderMap& trailers) = 0;
};

/** Where a filter's configuration puts its filters for a new stream; make them in arena(). */
class FilterChainBuilder {
 public:
  virtual ~FilterChainBuilder() = default;
  virtual base::Arena& arena() = 0;
  virtual event::Dispatcher& dispatcher() = 0;
  virtual void addDecoderFilter(DecoderFilter& filter) = 0;
  virtual void addEncoderFilter(EncoderFilter& filter) = 0;
  /** One object that is both. */
  template <class Filter>
  void addFilter(Filter& filter) {
    addDecoderFilter(filter);
    addEncoderFilter(filter);
  }
};

/** One HTTP filter's configuration: made on main, immutable, shared by all workers; dies on main. */
class HttpFilterConfig {
 public:
  virtual ~HttpFilterConfig() = default;
  /** Adds this filter to a new stream; this configuration outlives the stream. Worker thread. */
  virtual void addTo(FilterChainBuilder& chain) const = 0;
  /** The router: it must be the last, and none but the last may be. */
  virtual bool isTerminal() const { return false; }
};

}  // namespace sluice::http
