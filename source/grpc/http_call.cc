#include "source/grpc/http_call.h"

#include <utility>

#include "absl/strings/numbers.h"

namespace sluice::grpc {

using http::HeaderId;

HttpCall::HttpCall(const Upstreams& upstreams, event::Dispatcher& dispatcher, HttpCallCallbacks& callbacks)
    : callbacks_(callbacks), exchange_(Exchange::create(upstreams, dispatcher, *this)) {}

void HttpCall::start(const Options& options, net::Buffer& body) {
  max_response_bytes_ = options.max_response_bytes;
  http::HeaderMap& request = headers();
  if (!request.has(HeaderId::Scheme)) {
    request.set(HeaderId::Scheme, "http");
  }
  if (options.envoy_headers) {
    request.set(HeaderId::EnvoyInternalRequest, "true");
    if (options.timeout.count() > 0) {
      request.setNumber(HeaderId::EnvoyExpectedRequestTimeoutMs, static_cast<uint64_t>(options.timeout.count()));
    }
  }
  // Without a length a request with a body would be chunked, and one without, for POST, of no length at all.
  const absl::string_view method = request.get(HeaderId::Method);
  if (!body.empty() || (method != "GET" && method != "HEAD")) {
    request.setNumber(HeaderId::ContentLength, body.length());
  }
  Exchange::Options exchange_options;
  exchange_options.end_stream = body.empty();
  if (options.timeout.count() > 0) {
    exchange_options.timeout = options.timeout;
  }
  if (body.empty()) {
    exchange_->start(options.cluster, exchange_options);
    return;
  }
  // What is sent before the pool is ready waits, so that nothing is left to do once start() may have ended the call.
  exchange_->send(body, true);
  exchange_options.end_stream = true;
  exchange_->start(options.cluster, exchange_options);
}

void HttpCall::onHeaders(http::HeaderMap& headers, bool end_stream) {
  response_ = &headers;
  if (end_stream) {
    complete();
  }
}

void HttpCall::onData(net::Buffer& data, bool end_stream) {
  if (body_.length() + data.length() > max_response_bytes_) {
    const ExchangePtr over = std::move(exchange_);
    callbacks_.onFailure(CallFailure::TooLarge, failureText(CallFailure::TooLarge));
    return;
  }
  body_.move(data);
  if (end_stream) {
    complete();
  }
}

void HttpCall::onTrailers(http::HeaderMap&) { complete(); }

void HttpCall::onFailure(CallFailure failure, absl::string_view text) {
  const ExchangePtr over = std::move(exchange_);
  callbacks_.onFailure(failure, text);
}

void HttpCall::complete() {
  const ExchangePtr over = std::move(exchange_);
  net::Buffer body = std::move(body_);
  uint32_t status = 0;
  if (!absl::SimpleAtoi(response_->get(HeaderId::Status), &status)) {
    status = 0;
  }
  callbacks_.onResponse({status, *response_, body});
}

}  // namespace sluice::grpc
