#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

#include "source/base/arena.h"
#include "source/event/deadline.h"
#include "source/event/deferred_delete.h"
#include "source/event/dispatcher.h"
#include "source/grpc/upstreams.h"
#include "source/http/codec.h"
#include "source/http/header_map.h"
#include "source/net/buffer.h"

namespace sluice::grpc {

/** Why a call has no answer. */
enum class CallFailure : uint8_t {
  NoCluster,
  NoHealthyUpstream,
  Overflow,
  ConnectFailure,
  /** The stream or its connection ended before the answer did. */
  Reset,
  /** The upstream did nothing with it. */
  RefusedStream,
  Timeout,
  /** The answer is larger than may be kept. */
  TooLarge,
};

/** As messages and access logs say it: "no healthy upstream". */
absl::string_view failureText(CallFailure failure);

class Exchange;

/** Ends an exchange whatever its state, from any callback, its own included. */
struct AbandonExchange {
  void operator()(Exchange* exchange) const;
};
using ExchangePtr = std::unique_ptr<Exchange, AbandonExchange>;

/** What the user of an exchange hears, until it failed, its answer ended, or it was abandoned. */
class ExchangeObserver {
 public:
  virtual ~ExchangeObserver() = default;
  virtual void onHeaders(http::HeaderMap& headers, bool end_stream) = 0;
  virtual void onData(net::Buffer& data, bool end_stream) = 0;
  virtual void onTrailers(http::HeaderMap& trailers) = 0;
  /** The last call. `text` lives during the call. */
  virtual void onFailure(CallFailure failure, absl::string_view text) = 0;
  /** What send() has buffered fell below its mark after writable() was false. */
  virtual void onWritable() {}
};

/**
 * One request that Sluice makes of itself over the pools of a cluster, and its answer as it comes: what http_call and the
 * gRPC calls are made of. Bytes that are sent before the pool has a connection wait here. One worker; its user holds it
 * by an ExchangePtr, and may let go of it in any callback.
 *
 *   Idle --start()--> Waiting --pool ready--> Open --answer's end, failure, abandon--> Done
 *                        '---------no connection, failure, abandon------------------>--'
 */
class Exchange final : public event::DeferredDeletable,
                       private http::StreamReceiver,
                       private cluster::HttpUpstreamCallbacks {
 public:
  /** Bytes that wait to be sent before writable() says no. */
  static constexpr uint64_t kBufferLimit = 1024 * 1024;

  static ExchangePtr create(const Upstreams& upstreams, event::Dispatcher& dispatcher, ExchangeObserver& observer);
  ~Exchange() override;

  /** Where headers are made; lives until the exchange goes. */
  base::Arena& arena() override { return arena_; }
  /** The request's; to be filled before start(). */
  http::HeaderMap& headers() { return headers_; }

  struct Options {
    http::Protocol protocol = http::Protocol::Http11;
    /** Until the answer's end; none when unset. */
    std::optional<std::chrono::milliseconds> timeout;
    bool end_stream = false;
  };
  /** Once. The observer may hear of a failure inside this. */
  void start(absl::string_view cluster, const Options& options);
  /** Takes all of `data`. After the request's end, or the exchange's, it is dropped. */
  void send(net::Buffer& data, bool end_stream);
  /** False while more than kBufferLimit is waiting to be sent, or the upstream takes no more. */
  bool writable() const { return !above_mark_ && waiting_.length() < kBufferLimit; }

 private:
  friend struct AbandonExchange;

  Exchange(const Upstreams& upstreams, event::Dispatcher& dispatcher, ExchangeObserver& observer);

  // http::StreamReceiver
  void onHeaders(http::HeaderMap& headers, bool end_stream) override;
  void onInterimHeaders(http::HeaderMap&) override {}
  void onData(net::Buffer& data, bool end_stream) override;
  void onTrailers(http::HeaderMap& trailers) override;
  void onReset(http::ResetReason reason, absl::string_view details) override;
  void onAboveWriteBufferHighWatermark() override { above_mark_ = true; }
  void onBelowWriteBufferLowWatermark() override;

  // cluster::HttpUpstreamCallbacks
  void onPoolReady(const cluster::UpstreamStream& stream) override;
  void onPoolFailure(cluster::PoolFailure failure, absl::string_view details) override;

  void abandon();
  void onTimeout();
  /** The answer has come: counts it, and gives the stream back, or gives it up if the request has not ended. */
  void finish();
  void fail(CallFailure failure, absl::string_view text);
  void count(uint32_t status);

  const Upstreams& upstreams_;
  event::Dispatcher& dispatcher_;
  /** Null once nobody listens any more. */
  ExchangeObserver* observer_;
  base::Arena arena_;
  http::HeaderMap headers_{arena_};
  net::Buffer waiting_;
  cluster::LocalInfo info_;
  std::unique_ptr<cluster::HttpUpstream> upstream_;
  /** Null unless the stream is open. */
  http::StreamSender* sender_ = nullptr;
  base::MonotonicTime started_;
  uint32_t status_ = 0;
  bool request_ended_ = false;
  bool above_mark_ = false;
  bool done_ = false;
  event::MemberDeadline<Exchange, &Exchange::onTimeout> timeout_{*this};
};

}  // namespace sluice::grpc
