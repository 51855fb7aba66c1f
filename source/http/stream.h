#pragma once

#include <cstdint>
#include <memory>

#include "source/base/arena.h"
#include "source/event/deadline.h"
#include "source/event/deferred_delete.h"
#include "source/event/task_list.h"
#include "source/http/codec.h"
#include "source/http/connection_manager.h"
#include "source/http/filter_manager.h"
#include "source/http/route.h"
#include "source/http/route_provider.h"

namespace sluice::http {

/**
 * One request and its answer on a downstream connection: between the codec and the filter chain. It sanitises what comes
 * in, finds the route, keeps the time, finishes what goes out, and writes the access logs. From the thread's pool; all
 * else of the stream, its filters included, is in its arena. Owned by itself while in its ConnectionManager's list; ends by
 * deferred deletion. Worker thread.
 *
 * The code: stream.cc (life, route, timeouts, logs), stream_request.cc and stream_response.cc.
 */
class Stream final : public RequestReceiver,
                     public event::DeferredDeletable,
                     public FilterManagerOwner,
                     private event::IntrusiveTask {
 public:
  Stream(ConnectionManager& manager, const ConnectionManagerConfig& config, StreamSender& sender);
  ~Stream() override;

  static void* operator new(size_t size);
  static void operator delete(void* memory);

  // RequestReceiver
  base::Arena& arena() override { return arena_; }
  void onHeaders(HeaderMap& headers, bool end_stream) override;
  void onInterimHeaders(HeaderMap& headers) override;
  void onData(net::Buffer& data, bool end_stream) override;
  void onTrailers(HeaderMap& trailers) override;
  void onReset(ResetReason reason, absl::string_view details) override;
  void onAboveWriteBufferHighWatermark() override;
  void onBelowWriteBufferLowWatermark() override;
  void onBadRequest(uint32_t status, absl::string_view details) override;

  /** The connection is closing: mimics a reset. */
  void abort(uint64_t response_flag, absl::string_view details);

 private:
  friend class ConnectionManager;
  enum class Timeout : uint8_t { Headers, Request, Idle, Duration, Log, Count };

  class StreamDeadline final : public event::Deadline {
   public:
    void init(Stream& stream, Timeout timeout) {
      stream_ = &stream;
      timeout_ = timeout;
    }

   private:
    void onDeadline() override { stream_->onTimeout(timeout_); }
    Stream* stream_ = nullptr;
    Timeout timeout_ = Timeout::Idle;
  };

  // FilterManagerOwner
  const Route* route() override;
  void clearRouteCache() override;
  void setRoute(const Route* route) override;
  void makeFilterChain() override;
  void sendInterimHeaders(HeaderMap& headers) override;
  void sendHeaders(HeaderMap& headers, bool end_stream) override;
  void sendData(net::Buffer& data, bool end_stream) override;
  void sendTrailers(HeaderMap& trailers) override;
  void onResponseEnd() override;
  void pauseRequest(bool pause) override;
  void onBodyTooLarge(bool request) override;
  void resetIdleTimer() override;
  void rewriteLocalReply(HeaderMap& headers, uint32_t& status, std::string& body,
                         absl::string_view& content_type) override;
  void recreate(net::Buffer& body) override;
  void resetFromFilter(ResetReason reason, absl::string_view details) override;

  // event::IntrusiveTask: begins anew, after recreate().
  void run() override;

  // Life: stream.cc.
  void begin();
  void initInfo();
  net::Connection& connection() { return manager_.connection(); }
  event::Dispatcher& dispatcher() { return manager_.dispatcher(); }
  const ConnectionManagerSettings& settings() const { return config_.settings(); }
  const ConnectionManagerStats& stats() const { return config_.stats(); }
  event::Deadline& deadline(Timeout timeout) { return deadlines_[static_cast<size_t>(timeout)]; }
  void setDeadline(Timeout timeout, const std::optional<std::chrono::milliseconds>& after);
  void onTimeout(Timeout timeout);
  void refreshRouteTimeouts();
  /** Where no upstream was asked: logs tell of the cluster that the route names. */
  void describeCluster();
  /** No more of the request comes: its timeouts rest. */
  void onRequestComplete();
  void log(access_log::LogType type);
  /** Logs, takes the filters away, and goes with the turn. */
  void finish();
  void reply(uint32_t status, absl::string_view body, absl::string_view details,
             std::function<void(HeaderMap&)> modify = nullptr, std::optional<uint32_t> grpc_status = std::nullopt);
  void timeOut(absl::string_view body, absl::string_view details, std::optional<uint32_t> grpc_status = std::nullopt);

  // The request: stream_request.cc.
  bool acceptHeaders(HeaderMap& headers);
  void sendContinue();
  void startFilters(HeaderMap& headers, bool end_stream);
  bool chooseChain(absl::Span<const NamedFilter>& filters, bool& refused);

  // The response: stream_response.cc.
  void finishResponseHeaders(HeaderMap& headers);
  void countResponse(const HeaderMap& headers);
  void noteSent(const StreamSender& sender);

  ConnectionManager& manager_;
  const ConnectionManagerConfig& config_;
  /** Null once it has gone. */
  StreamSender* sender_;
  base::Arena arena_;
  StreamInfo* info_ = nullptr;
  FilterManager* filters_ = nullptr;
  RouteTablePin routes_;
  const Route* route_ = nullptr;
  Stream* next_ = nullptr;
  Stream* previous_ = nullptr;
  uint64_t random_;
  StreamDeadline deadlines_[static_cast<size_t>(Timeout::Count)];
  base::MonotonicTime last_activity_;
  std::optional<std::chrono::milliseconds> idle_timeout_;
  net::Buffer restart_body_;
  uint32_t above_watermarks_ = 0;
  bool route_known_ = false;
  bool headers_seen_ = false;
  /** The request passed this manager's own rules once: it is a redirect's second run. */
  bool recreated_ = false;
  /** The end of the run that asked for the redirect is in the access logs; the next one has not begun. */
  bool logged_end_ = false;
  bool saw_connection_close_ = false;
  bool upgraded_ = false;
  bool ended_ = false;
};

}  // namespace sluice::http
