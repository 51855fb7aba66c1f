#pragma once

#include <chrono>
#include <string>

#include "absl/strings/string_view.h"

#include "source/event/deadline.h"
#include "source/event/dispatcher.h"
#include "source/grpc/exchange.h"
#include "source/grpc/message_frames.h"
#include "source/grpc/service_config.h"
#include "source/grpc/status.h"
#include "source/grpc/upstreams.h"

namespace google::protobuf {
class MessageLite;
}

namespace sluice::grpc {

/** One of these, once; the call may be deleted in it. */
class UnaryCallCallbacks {
 public:
  virtual ~UnaryCallCallbacks() = default;
  /** The answer's bytes; they live during the call. */
  virtual void onSuccess(absl::string_view message) = 0;
  virtual void onFailure(const Status& status) = 0;
};

/**
 * One request message to a gRPC service, and one back. Made, used and destroyed on one thread that has clusters;
 * destroying it cancels what is under way, also inside its own callbacks. It is made again where the service's
 * retry_policy says so; the timeout is of all attempts together.
 */
class UnaryCall final : private ExchangeObserver {
 public:
  /** What it is given outlives it. */
  UnaryCall(const Upstreams& upstreams, event::Dispatcher& dispatcher, const ServiceConfig& service,
            UnaryCallCallbacks& callbacks);
  UnaryCall(const UnaryCall&) = delete;

  /** Once; a callback may come inside this. `path` is static; `parent` as ServiceConfig::fillHeaders() takes it. */
  void start(absl::string_view path, const google::protobuf::MessageLite& request,
             const access_log::LogContext* parent = nullptr);

 private:
  void onHeaders(http::HeaderMap& headers, bool end_stream) override;
  void onData(net::Buffer& data, bool end_stream) override;
  void onTrailers(http::HeaderMap& trailers) override;
  void onFailure(CallFailure failure, absl::string_view text) override;

  void onBackedOff();
  /** The attempt is over. */
  void complete(Status status, bool retriable);
  bool retriable(CallFailure failure) const;

  const Upstreams& upstreams_;
  event::Dispatcher& dispatcher_;
  const ServiceConfig& service_;
  UnaryCallCallbacks& callbacks_;
  absl::string_view path_;
  base::MonotonicTime due_ = base::MonotonicTime::max();
  uint32_t retries_left_;
  std::chrono::milliseconds interval_;
  /** Kept for another attempt, framed; with the headers of the first, which a parent may have outlived. */
  std::string request_;
  std::vector<std::pair<std::string, std::string>> request_headers_;
  MessageReader reader_;
  std::string message_;
  bool has_message_ = false;
  uint32_t http_status_ = 0;
  ExchangePtr exchange_;
  event::MemberDeadline<UnaryCall, &UnaryCall::onBackedOff> back_off_{*this};
};

}  // namespace sluice::grpc
