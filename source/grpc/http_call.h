#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "absl/strings/string_view.h"

#include "source/event/dispatcher.h"
#include "source/grpc/exchange.h"
#include "source/grpc/upstreams.h"
#include "source/http/header_map.h"
#include "source/net/buffer.h"

namespace sluice::grpc {

/** An answer as a whole; lives during the call that gives it. */
struct HttpResponse {
  uint32_t status;
  const http::HeaderMap& headers;
  net::Buffer& body;
};

/** One of these, once; the call may be deleted in it. */
class HttpCallCallbacks {
 public:
  virtual ~HttpCallCallbacks() = default;
  virtual void onResponse(const HttpResponse& response) = 0;
  /** `text` lives during the call. */
  virtual void onFailure(CallFailure failure, absl::string_view text) = 0;
};

/**
 * One HTTP request to a cluster, and its whole answer: authorization services, key sets. Made, used and destroyed on one
 * thread that has clusters; destroying it cancels what is under way, also inside its own callbacks.
 */
class HttpCall final : private ExchangeObserver {
 public:
  HttpCall(const Upstreams& upstreams, event::Dispatcher& dispatcher, HttpCallCallbacks& callbacks);
  HttpCall(const HttpCall&) = delete;

  /** The request's; :method, :path and :authority are to be filled in before start(). */
  http::HeaderMap& headers() { return exchange_->headers(); }

  struct Options {
    absl::string_view cluster;
    /** Until the answer's end; zero: none. */
    std::chrono::milliseconds timeout{0};
    /** A larger body is a failure. */
    uint64_t max_response_bytes = 1024 * 1024;
    /** Adds x-envoy-internal and x-envoy-expected-rq-timeout-ms, as Envoy's own requests have them. */
    bool envoy_headers = true;
  };
  /** Once. Takes `body`; a callback may come inside this. */
  void start(const Options& options, net::Buffer& body);

 private:
  void onHeaders(http::HeaderMap& headers, bool end_stream) override;
  void onData(net::Buffer& data, bool end_stream) override;
  void onTrailers(http::HeaderMap& trailers) override;
  void onFailure(CallFailure failure, absl::string_view text) override;
  void complete();

  HttpCallCallbacks& callbacks_;
  uint64_t max_response_bytes_ = 0;
  http::HeaderMap* response_ = nullptr;
  net::Buffer body_;
  ExchangePtr exchange_;
};

}  // namespace sluice::grpc
