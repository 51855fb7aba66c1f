#include "source/grpc/unary_call.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "google/protobuf/message_lite.h"

#include "source/base/random.h"

namespace sluice::grpc {

using http::HeaderId;

UnaryCall::UnaryCall(const Upstreams& upstreams, event::Dispatcher& dispatcher, const ServiceConfig& service,
                     UnaryCallCallbacks& callbacks)
    : upstreams_(upstreams),
      dispatcher_(dispatcher),
      service_(service),
      callbacks_(callbacks),
      retries_left_(service.retry.max_retries),
      interval_(service.retry.base),
      reader_(service.max_message_bytes) {}

void UnaryCall::start(absl::string_view path, const google::protobuf::MessageLite& request,
                      const access_log::LogContext* parent) {
  path_ = path;
  if (service_.timeout.has_value()) {
    due_ = dispatcher_.now() + *service_.timeout;
  }
  net::Buffer body;
  appendMessage(request, body);
  if (retries_left_ > 0) {
    request_ = body.toString();
  }
  exchange_ = Exchange::create(upstreams_, dispatcher_, *this);
  service_.fillHeaders(path_, parent, exchange_->headers());
  if (retries_left_ > 0) {
    exchange_->headers().forEach([this](const http::Header& header) {
      request_headers_.emplace_back(std::string(header.name), std::string(header.value));
    });
  }
  Exchange::Options options;
  options.protocol = http::Protocol::Http2;
  options.timeout = service_.timeout;
  options.end_stream = true;
  exchange_->send(body, true);
  exchange_->start(service_.cluster, options);
}

void UnaryCall::onBackedOff() {
  exchange_ = Exchange::create(upstreams_, dispatcher_, *this);
  for (const auto& [name, value] : request_headers_) {
    exchange_->headers().add(name, value);
  }
  net::Buffer body;
  body.append(request_);
  Exchange::Options options;
  options.protocol = http::Protocol::Http2;
  options.end_stream = true;
  if (service_.timeout.has_value()) {
    options.timeout = std::max(std::chrono::milliseconds(1),
                               std::chrono::duration_cast<std::chrono::milliseconds>(due_ - dispatcher_.now()));
  }
  exchange_->send(body, true);
  exchange_->start(service_.cluster, options);
}

void UnaryCall::onHeaders(http::HeaderMap& headers, bool end_stream) {
  if (!absl::SimpleAtoi(headers.get(HeaderId::Status), &http_status_)) {
    http_status_ = 0;
  }
  if (std::optional<Status> status = statusOfHeaders(headers, end_stream); status.has_value()) {
    if (status->code == code::kOk) {
      *status = {code::kInternal, "the answer has no message"};
    }
    const RetrySettings& retry = service_.retry;
    const bool again =
        (retry.on_5xx && http_status_ >= 500) || (retry.on_gateway_error && http_status_ >= 502 && http_status_ <= 504);
    complete(std::move(*status), again);
  }
}

void UnaryCall::onData(net::Buffer& data, bool end_stream) {
  reader_.add(data);
  std::string message;
  for (;;) {
    switch (reader_.next(message)) {
      case MessageReader::Next::Message:
        if (has_message_) {
          complete({code::kInternal, "the answer has more than one message"}, false);
          return;
        }
        has_message_ = true;
        message_ = std::move(message);
        continue;
      case MessageReader::Next::Wait:
        break;
      case MessageReader::Next::TooLarge:
        complete({code::kResourceExhausted, "the answer is larger than max_receive_message_length"}, false);
        return;
      case MessageReader::Next::Malformed:
        complete({code::kInternal, "the answer is not framed as gRPC"}, false);
        return;
    }
    break;
  }
  if (end_stream) {
    complete({code::kUnknown, "the answer has no grpc-status"}, false);
  }
}

void UnaryCall::onTrailers(http::HeaderMap& trailers) {
  Status status = statusOfTrailers(trailers);
  if (status.code == code::kOk && !has_message_) {
    status = {code::kInternal, "the answer has no message"};
  }
  complete(std::move(status), false);
}

void UnaryCall::onFailure(CallFailure failure, absl::string_view text) {
  complete(statusOfFailure(failure, text), retriable(failure));
}

bool UnaryCall::retriable(CallFailure failure) const {
  const RetrySettings& retry = service_.retry;
  switch (failure) {
    case CallFailure::ConnectFailure:
      return retry.on_connect_failure;
    case CallFailure::Reset:
      return retry.on_reset;
    case CallFailure::RefusedStream:
      return retry.on_refused_stream || retry.on_reset;
    case CallFailure::NoHealthyUpstream:
    case CallFailure::NoCluster:
    case CallFailure::Overflow:
    case CallFailure::Timeout:
    case CallFailure::TooLarge:
      break;
  }
  return false;
}

void UnaryCall::complete(Status status, bool retriable) {
  const ExchangePtr over = std::move(exchange_);
  retriable = retriable || (status.code < 32 && (service_.retry.on_grpc_codes >> status.code & 1) != 0);
  if (status.code != code::kOk && retriable && retries_left_ > 0) {
    const std::chrono::milliseconds pause(base::threadRandom().below(static_cast<uint64_t>(interval_.count()) + 1));
    if (dispatcher_.now() + pause < due_) {
      --retries_left_;
      interval_ = std::min(interval_ * 2, service_.retry.max);
      reader_ = MessageReader(service_.max_message_bytes);
      has_message_ = false;
      http_status_ = 0;
      dispatcher_.deadlines().set(back_off_, pause);
      return;
    }
  }
  if (status.code == code::kOk) {
    const std::string message = std::move(message_);
    callbacks_.onSuccess(message);
  } else {
    callbacks_.onFailure(status);
  }
}

}  // namespace sluice::grpc
