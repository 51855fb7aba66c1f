#pragma once

#include "absl/strings/string_view.h"

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

/** What comes back on a stream. The call may be deleted in any of these. */
class StreamCallCallbacks {
 public:
  virtual ~StreamCallCallbacks() = default;
  /** One message's bytes; they live during the call. */
  virtual void onMessage(absl::string_view message) = 0;
  /** The stream is over, from the other side or by a failure; the last call. */
  virtual void onClosed(const Status& status) = 0;
  /** writable() was false and is true again. */
  virtual void onWritable() {}
};

/**
 * A gRPC call whose sides send messages as they come: client, server and bidirectional streams. Made, used and destroyed
 * on one thread that has clusters; destroying it resets the stream, also inside its own callbacks. Whoever wants it to
 * last makes another when it is over.
 */
class StreamCall final : private ExchangeObserver {
 public:
  /** What it is given outlives it. */
  StreamCall(const Upstreams& upstreams, event::Dispatcher& dispatcher, const ServiceConfig& service,
             StreamCallCallbacks& callbacks);
  StreamCall(const StreamCall&) = delete;
  ~StreamCall() override;

  /** Once; onClosed() may come inside this. */
  void start(absl::string_view path, const access_log::LogContext* parent = nullptr);
  /** What is sent before the pool has a connection waits. Dropped once the stream is over. */
  void send(const google::protobuf::MessageLite& message, bool end_stream = false);
  /** The client's half ends. */
  void end();
  bool open() const { return exchange_ != nullptr; }
  /** False while the other side takes less than is sent: what is sent is buffered all the same. */
  bool writable() const { return exchange_ != nullptr && exchange_->writable(); }

 private:
  void onHeaders(http::HeaderMap& headers, bool end_stream) override;
  void onData(net::Buffer& data, bool end_stream) override;
  void onTrailers(http::HeaderMap& trailers) override;
  void onFailure(CallFailure failure, absl::string_view text) override;
  void onWritable() override { callbacks_.onWritable(); }
  void close(const Status& status);

  const ServiceConfig& service_;
  StreamCallCallbacks& callbacks_;
  MessageReader reader_;
  /** Null once the stream is over. */
  ExchangePtr exchange_;
  /** Set to true by the destructor, for a loop whose callbacks may delete this. */
  bool* gone_ = nullptr;
};

}  // namespace sluice::grpc
