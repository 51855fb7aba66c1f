#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "absl/container/inlined_vector.h"
#include "absl/strings/string_view.h"

#include "source/cluster/local_clusters.h"
#include "source/event/deadline.h"
#include "source/filters/http/retry_state.h"
#include "source/filters/http/route_timeouts.h"
#include "source/filters/http/router_config.h"
#include "source/filters/http/upstream_request.h"
#include "source/http/filter.h"
#include "source/http/request_stats.h"
#include "source/http/route.h"

namespace sluice::filters {

/**
 * The last decoder filter: finds the request's cluster, sends the request there, perhaps more than once, and the answer
 * back. Direct responses and redirects of routes are answered here as well. In the stream's arena; worker thread.
 *
 *   decodeHeaders -> Answered (no route, redirect, direct response, no cluster)
 *                 -> Attempting -- failure or retriable answer --> BackingOff --> Attempting
 *                        '------ headers of the answer ----------> Responding --end--> Done
 *
 * The code: router.cc (the request), router_upstream.cc (what comes of attempts), router_redirect.cc (internal redirects).
 */
class Router final : public http::DecoderFilter, private UpstreamRequestOwner {
 public:
  explicit Router(const RouterConfig& config) : config_(config) {}
  ~Router() override;

  // http::DecoderFilter
  void setDecoderCallbacks(http::DecoderFilterCallbacks& callbacks) override { callbacks_ = &callbacks; }
  http::HeadersStatus decodeHeaders(http::HeaderMap& headers, bool end_stream) override;
  http::DataStatus decodeData(net::Buffer& data, bool end_stream) override;
  http::TrailersStatus decodeTrailers(http::HeaderMap& trailers) override;
  void onDestroy() override;
  void onStreamComplete() override;

 private:
  // UpstreamRequestOwner
  http::DecoderFilterCallbacks& callbacks() override { return *callbacks_; }
  void onUpstreamReady(UpstreamRequest& request) override;
  void onUpstreamInterimHeaders(UpstreamRequest& request, http::HeaderMap& headers) override;
  void onUpstreamHeaders(UpstreamRequest& request, http::HeaderMap& headers, bool end_stream) override;
  void onUpstreamData(UpstreamRequest& request, net::Buffer& data, bool end_stream) override;
  void onUpstreamTrailers(UpstreamRequest& request, http::HeaderMap& trailers) override;
  void onUpstreamEnd(UpstreamRequest& request, AttemptEnd end) override;
  void onPerTryTimeout(UpstreamRequest& request, bool idle) override;
  void onMaxStreamDuration(UpstreamRequest& request) override;

  // The request.
  bool checkStrictHeaders(const http::HeaderMap& headers);
  void answerDirectly(const http::Route& route);
  void findVirtualCluster(const http::Route& route);
  void startAttempt();
  /** Sends all that has come of the request so far. */
  void sendRequest(UpstreamRequest& request);
  void onRequestComplete();
  void mirrorRequest();
  UpstreamRequest* current();

  // Attempts.
  void retryOrFail(UpstreamRequest& request, AttemptEnd end);
  bool retry(RetryDecision decision, UpstreamRequest& request);
  void onBackOffOver();
  void onResponseTimeout();
  void failTimeout(uint64_t flags, absl::string_view details);
  void fail(uint32_t status, uint64_t flags, absl::string_view body, absl::string_view details, bool overloaded);
  /** Of an attempt: its endpoint's failed requests. */
  void countError(UpstreamRequest& request);
  /** `request` is null when it was never sent. */
  void countFailure(UpstreamRequest* request, uint32_t status);
  /** Of one that another attempt follows. */
  void countRetried(UpstreamRequest& request, uint32_t status);
  void countResponse(UpstreamRequest& request, const http::HeaderMap& headers, uint32_t status, bool end_stream);
  /** By the grpc-status among headers or trailers. */
  void countGrpcOutcome(UpstreamRequest& request, const http::HeaderMap& from);
  void countCode(uint32_t status, bool canary);
  bool countsDynamically() const;
  bool isCanary(UpstreamRequest& request) const;
  void recordTime(UpstreamRequest& request);
  void dropOthers(UpstreamRequest& kept);
  void onResponseEnd(UpstreamRequest& request);
  /** Writes the upstream access logs: an attempt is over. */
  void logAttempt();
  void modifyResponse(http::HeaderMap& headers);
  void cleanUp();

  // Internal redirects.
  bool redirectInternally(const http::HeaderMap& response, uint32_t status);

  const cluster::ClusterInfo& cluster() const { return **cluster_info_; }
  const RouterSettings& settings() const { return config_.settings(); }
  const RouterStats& stats() const { return config_.stats(); }

  const RouterConfig& config_;
  http::DecoderFilterCallbacks* callbacks_ = nullptr;
  const http::Route* route_ = nullptr;
  http::HeaderMap* headers_ = nullptr;
  http::HeaderMap* trailers_ = nullptr;
  cluster::LocalClusterRef local_cluster_;
  cluster::LocalInfo cluster_info_;
  http::RequestCounts counts_;
  RouteTimeouts timeouts_;
  std::optional<RetryState> retry_;
  std::optional<uint64_t> hash_;
  /** Set-Cookie values that the route's hash policies made. */
  std::vector<std::string> new_cookies_;
  /** Attempts under way: one, but for hedging. */
  absl::InlinedVector<UpstreamRequest*, 2> requests_;
  /** The one whose answer goes to the client. */
  UpstreamRequest* final_ = nullptr;
  /** Endpoints of earlier attempts, for retry_host_predicate. */
  absl::InlinedVector<const cluster::Endpoint*, 2> tried_;
  event::MemberDeadline<Router, &Router::onResponseTimeout> response_timeout_{*this};
  event::MemberDeadline<Router, &Router::onBackOffOver> back_off_{*this};
  /** When the request was complete. */
  std::optional<base::MonotonicTime> complete_at_;
  base::MonotonicTime started_at_;
  uint32_t attempts_ = 0;
  bool end_stream_ : 1 = false;
  bool buffering_ : 1 = false;
  bool upgrade_ : 1 = false;
  bool retry_waits_ : 1 = false;
  bool response_started_ : 1 = false;
  bool grpc_ : 1 = false;
  /** A gRPC answer has begun; its trailers tell how it went. */
  bool grpc_outcome_open_ : 1 = false;
  /** x-envoy-upstream-canary says so. */
  bool canary_answer_ : 1 = false;
  bool is_timeout_retry_ : 1 = false;
  bool done_ : 1 = false;
};

}  // namespace sluice::filters
