#include "source/grpc/stream_call.h"

#include <string>
#include <utility>

#include "google/protobuf/message_lite.h"

namespace sluice::grpc {

StreamCall::StreamCall(const Upstreams& upstreams, event::Dispatcher& dispatcher, const ServiceConfig& service,
                       StreamCallCallbacks& callbacks)
    : service_(service),
      callbacks_(callbacks),
      reader_(service.max_message_bytes),
      exchange_(Exchange::create(upstreams, dispatcher, *this)) {}

StreamCall::~StreamCall() {
  if (gone_ != nullptr) {
    *gone_ = true;
  }
}

void StreamCall::start(absl::string_view path, const access_log::LogContext* parent) {
  service_.fillHeaders(path, parent, exchange_->headers());
  Exchange::Options options;
  options.protocol = http::Protocol::Http2;
  options.timeout = service_.timeout;
  exchange_->start(service_.cluster, options);
}

void StreamCall::send(const google::protobuf::MessageLite& message, bool end_stream) {
  if (exchange_ == nullptr) {
    return;
  }
  net::Buffer data;
  appendMessage(message, data);
  exchange_->send(data, end_stream);
}

void StreamCall::end() {
  if (exchange_ != nullptr) {
    net::Buffer nothing;
    exchange_->send(nothing, true);
  }
}

void StreamCall::onHeaders(http::HeaderMap& headers, bool end_stream) {
  if (const std::optional<Status> status = statusOfHeaders(headers, end_stream); status.has_value()) {
    close(*status);
  }
}

void StreamCall::onData(net::Buffer& data, bool end_stream) {
  reader_.add(data);
  bool gone = false;
  gone_ = &gone;
  std::string message;
  for (;;) {
    const MessageReader::Next next = reader_.next(message);
    if (next == MessageReader::Next::Message) {
      callbacks_.onMessage(message);
      if (gone) {
        return;
      }
      continue;
    }
    gone_ = nullptr;
    if (next == MessageReader::Next::TooLarge) {
      close({code::kResourceExhausted, "a message is larger than max_receive_message_length"});
    } else if (next == MessageReader::Next::Malformed) {
      close({code::kInternal, "the answer is not framed as gRPC"});
    } else if (end_stream) {
      close({code::kUnknown, "the answer has no grpc-status"});
    }
    return;
  }
}

void StreamCall::onTrailers(http::HeaderMap& trailers) { close(statusOfTrailers(trailers)); }

void StreamCall::onFailure(CallFailure failure, absl::string_view text) { close(statusOfFailure(failure, text)); }

void StreamCall::close(const Status& status) {
  const ExchangePtr over = std::move(exchange_);
  callbacks_.onClosed(status);
}

}  // namespace sluice::grpc
