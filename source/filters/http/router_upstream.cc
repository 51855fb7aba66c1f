#include <algorithm>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

#include "source/base/random.h"
#include "source/filters/http/request_rewrite.h"
#include "source/filters/http/router.h"
#include "source/http/grpc_status.h"

// What comes of a request's attempts: answers, failures, timeouts, retries.

namespace sluice::filters {
namespace {

namespace flag = net::response_flag;
using http::HeaderId;
using std::chrono::milliseconds;

uint64_t millisecondsSince(base::MonotonicTime from, base::MonotonicTime to) {
  return static_cast<uint64_t>(std::max<int64_t>(0, std::chrono::duration_cast<milliseconds>(to - from).count()));
}

}  // namespace

void Router::onUpstreamReady(UpstreamRequest& request) {
  counts_.inc(&http::RequestStats::upstream_rq_total);
  const http::ForwardAction& action = *route_->forward;
  if (action.auto_host_rewrite && !request.endpoint()->hostname().empty()) {
    rewriteHost(*headers_, request.endpoint()->hostname(), action.append_x_forwarded_host,
                !settings().suppress_envoy_headers);
  }
}

void Router::onUpstreamInterimHeaders(UpstreamRequest&, http::HeaderMap& headers) {
  if (!response_started_) {
    uint32_t status = 0;
    if (absl::SimpleAtoi(headers.get(HeaderId::Status), &status)) {
      countCode(status, false);
    }
    callbacks_->encodeInterimHeaders(headers);
  }
}

void Router::onUpstreamHeaders(UpstreamRequest& request, http::HeaderMap& headers, bool end_stream) {
  uint32_t status = 0;
  if (!absl::SimpleAtoi(headers.get(HeaderId::Status), &status)) {
    status = 0;
  }
  if (final_ != nullptr && final_ != &request) {
    request.reset();
    return;
  }
  http::StreamInfo& info = callbacks_->streamInfo();
  if (upgrade_ && status < 400 && status != 101 && info.protocol != http::Protocol::Http2 &&
      absl::EqualsIgnoreCase(headers_->get(HeaderId::Upgrade), "websocket")) {
    // Neither taken nor refused: its body, if any, would be taken for frames.
    request.reset();
    cleanUp();
    callbacks_->sendLocalReply({.status = status,
                                .body = {},
                                .details = "websocket_handshake_unsuccessful",
                                .grpc_status = {},
                                .modify_headers = nullptr});
    return;
  }
  if (retry_.has_value() && !response_started_) {
    const RetryDecision decision = retry_->onHeaders(headers, status, *headers_, callbacks_->dispatcher().systemNow());
    if (decision == RetryDecision::Retry) {
      is_timeout_retry_ = false;
      countRetried(request, status);
      request.reset();
      retry(decision, request);
      return;
    }
    if (decision == RetryDecision::LimitExceeded) {
      info.response_flags |= flag::kUpstreamRetryLimitExceeded;
    } else if (decision == RetryDecision::Overflow) {
      info.response_flags |= flag::kUpstreamOverflow;
    }
  }
  if (route_->forward->internal_redirect.has_value() && !response_started_ && redirectInternally(headers, status)) {
    return;
  }

  final_ = &request;
  dropOthers(request);
  if (buffering_ && (end_stream_ || route_->forward->mirrors.empty())) {
    // It is sent no second time: what was kept for that goes.
    buffering_ = false;
    if (net::Buffer* const kept = callbacks_->decodingBuffer(); kept != nullptr) {
      kept->clear();
    }
  }
  if (upgrade_) {
    response_timeout_.cancel();
  }
  info.response_code = status;
  countResponse(request, headers, status, end_stream);
  if (!settings().suppress_envoy_headers && complete_at_.has_value()) {
    headers.setNumber(HeaderId::EnvoyUpstreamServiceTime,
                      millisecondsSince(*complete_at_, callbacks_->dispatcher().now()));
  }
  if (route_->virtual_host != nullptr && route_->virtual_host->include_attempt_count_in_response) {
    headers.setNumber(HeaderId::EnvoyAttemptCount, attempts_);
  }
  for (const std::string& cookie : new_cookies_) {
    headers.add(HeaderId::SetCookie, cookie);
  }
  rewriteResponse(*route_, info.weighted_cluster, headers, info);
  response_started_ = true;
  if (end_stream) {
    onResponseEnd(request);
  }
  callbacks_->encodeHeaders(headers, end_stream, "via_upstream");
}

void Router::onUpstreamData(UpstreamRequest& request, net::Buffer& data, bool end_stream) {
  if (final_ != &request || done_) {
    data.clear();
    return;
  }
  // Ours before the attempt ends: what ends with it is the codec's buffer, too.
  net::Buffer body;
  body.move(data);
  if (end_stream) {
    onResponseEnd(request);
  }
  callbacks_->encodeData(body, end_stream);
}

void Router::onUpstreamTrailers(UpstreamRequest& request, http::HeaderMap& trailers) {
  if (final_ != &request || done_) {
    return;
  }
  if (grpc_outcome_open_) {
    countGrpcOutcome(request, trailers);
  }
  onResponseEnd(request);
  callbacks_->encodeTrailers(trailers);
}

void Router::onResponseEnd(UpstreamRequest& request) {
  recordTime(request);
  logAttempt();
  response_timeout_.cancel();
  if (!end_stream_) {
    // Answered before all was asked: what is left of the request has nowhere to go.
    request.reset(http::ResetReason::Local);
  }
  requests_.clear();
  retry_.reset();
  done_ = true;
}

void Router::dropOthers(UpstreamRequest& kept) {
  back_off_.cancel();
  retry_waits_ = false;
  for (UpstreamRequest* other : requests_) {
    if (other != &kept) {
      other->reset();
    }
  }
  requests_.clear();
  requests_.push_back(&kept);
}

void Router::onUpstreamEnd(UpstreamRequest& request, AttemptEnd end) {
  requests_.erase(std::remove(requests_.begin(), requests_.end(), &request), requests_.end());
  if (done_) {
    return;
  }
  logAttempt();
  if (end.no_healthy_upstream) {
    if (requests_.empty()) {
      countFailure(nullptr, 503);
      fail(503, end.response_flag, "no healthy upstream", "no_healthy_upstream", false);
    }
    return;
  }
  retryOrFail(request, std::move(end));
}

void Router::retryOrFail(UpstreamRequest& request, AttemptEnd end) {
  if (!response_started_ && retry_.has_value()) {
    const RetryDecision decision = retry_->onFailure(end.failure, request.requestStarted());
    if (decision == RetryDecision::Retry) {
      is_timeout_retry_ = false;
      // What another attempt follows is no answer, and has no code.
      countError(request);
      retry(decision, request);
      return;
    }
    if (decision == RetryDecision::LimitExceeded) {
      callbacks_->streamInfo().response_flags |= flag::kUpstreamRetryLimitExceeded;
    } else if (decision == RetryDecision::Overflow) {
      callbacks_->streamInfo().response_flags |= flag::kUpstreamOverflow;
    }
  }
  const uint32_t status = end.protocol_error ? 502 : 503;
  countFailure(end.overflow ? nullptr : &request, status);
  // A hedged request has another attempt that may still be answered.
  if (!requests_.empty() || retry_waits_) {
    return;
  }
  std::string reason(end.reason);
  if (!end.transport_reason.empty()) {
    absl::StrAppend(&reason, "|", end.transport_reason);
  }
  const absl::string_view details = callbacks_->arena().copy(
      absl::StrReplaceAll(absl::StrCat(response_started_ ? "upstream_reset_after_response_started{"
                                                         : "upstream_reset_before_response_started{",
                                       reason, "}"),
                          {{" ", "_"}}));
  const absl::string_view body = callbacks_->arena().copy(
      absl::StrCat("upstream connect error or disconnect/reset before headers. ",
                   attempts_ > 1 ? "retried and the latest " : "", "reset reason: ", end.reason));
  fail(status, end.response_flag, body, details, end.overflow);
}

bool Router::retry(RetryDecision decision, UpstreamRequest& request) {
  if (decision != RetryDecision::Retry) {
    return false;
  }
  requests_.erase(std::remove(requests_.begin(), requests_.end(), &request), requests_.end());
  retry_waits_ = true;
  callbacks_->dispatcher().deadlines().set(back_off_, retry_->backOff());
  return true;
}

void Router::onBackOffOver() {
  retry_waits_ = false;
  // The cluster may have been replaced or removed while we waited.
  cluster::LocalCluster* const found = config_.clusters().find(*cluster().name);
  if (found == nullptr) {
    fail(route_->forward->cluster_not_found_code, flag::kNoClusterFound, {}, "cluster_not_found", false);
    return;
  }
  local_cluster_ = cluster::LocalClusterRef(found);
  startAttempt();
}

void Router::onPerTryTimeout(UpstreamRequest& request, bool idle) {
  const cluster::ClusterStats& stats = cluster().stats;
  if (idle) {
    stats.upstream_rq_per_try_idle_timeout.inc();
  } else {
    stats.upstream_rq_per_try_timeout.inc();
  }
  if (request.endpoint() != nullptr) {
    request.requests().countTimeout();
  }
  if (!idle && timeouts_.hedge_on_per_try && !response_started_) {
    // The slow attempt goes on beside the next.
    request.setTimedOut();
    if (retry_.has_value() && retry_->onHedgedTimeout() == RetryDecision::Retry) {
      is_timeout_retry_ = true;
      retry_waits_ = true;
      callbacks_->dispatcher().deadlines().set(back_off_, retry_->backOff());
    }
    return;
  }
  const bool started = request.requestStarted();
  request.reset();
  requests_.erase(std::remove(requests_.begin(), requests_.end(), &request), requests_.end());
  logAttempt();
  if (!response_started_ && retry_.has_value()) {
    const RetryDecision decision = retry_->onFailure(AttemptFailure::PerTryTimeout, started);
    if (decision == RetryDecision::Retry) {
      is_timeout_retry_ = true;
      countError(request);
      retry(decision, request);
      return;
    }
    if (decision == RetryDecision::LimitExceeded) {
      callbacks_->streamInfo().response_flags |= flag::kUpstreamRetryLimitExceeded;
    }
  }
  if (!requests_.empty() || retry_waits_) {
    return;
  }
  countFailure(&request, 504);
  failTimeout(flag::kUpstreamRequestTimeout, idle ? "upstream_per_try_idle_timeout" : "upstream_per_try_timeout");
}

void Router::onMaxStreamDuration(UpstreamRequest& request) {
  cluster().stats.upstream_rq_max_duration_reached.inc();
  const bool started = request.requestStarted();
  request.reset();
  requests_.erase(std::remove(requests_.begin(), requests_.end(), &request), requests_.end());
  if (!response_started_ && retry_.has_value()) {
    const RetryDecision decision = retry_->onFailure(AttemptFailure::Reset, started);
    if (decision == RetryDecision::Retry) {
      retry(decision, request);
      return;
    }
  }
  countFailure(&request, 504);
  fail(504, flag::kUpstreamMaxStreamDuration, "upstream max stream duration reached",
       "upstream_max_stream_duration_reached", false);
}

void Router::onResponseTimeout() {
  cluster().stats.upstream_rq_timeout.inc();
  counts_.inc(&http::RequestStats::upstream_rq_timeout);
  UpstreamRequest* last = nullptr;
  for (UpstreamRequest* request : requests_) {
    if (!request->headersReceived() && request->endpoint() != nullptr && !request->timedOut()) {
      request->requests().countTimeout();
    }
    last = request;
    request->reset();
    logAttempt();
  }
  requests_.clear();
  countFailure(last, 504);
  failTimeout(flag::kUpstreamRequestTimeout, "response_timeout");
}

void Router::failTimeout(uint64_t flags, absl::string_view details) {
  fail(504, flags, "upstream request timeout", details, false);
}

void Router::fail(uint32_t status, uint64_t flags, absl::string_view body, absl::string_view details, bool overloaded) {
  http::StreamInfo& info = callbacks_->streamInfo();
  info.response_flags |= flags;
  cleanUp();
  if (grpc_outcome_open_) {
    stats().rq_reset_after_downstream_response_started.inc();
  }
  callbacks_->sendLocalReply({.status = status,
                              .body = body,
                              .details = details,
                              .grpc_status = {},
                              .modify_headers = [this, overloaded](http::HeaderMap& headers) {
                                if (overloaded && !settings().suppress_envoy_headers) {
                                  headers.set(HeaderId::EnvoyOverloaded, "true");
                                }
                                modifyResponse(headers);
                              }});
}

void Router::logAttempt() {
  if (settings().upstream_logs.empty()) {
    return;
  }
  const http::StreamInfo& info = callbacks_->streamInfo();
  for (const auto& logger : settings().upstream_logs) {
    logger->log({.info = info, .type = access_log::LogType::UpstreamEnd, .http = &info, .local_reply_body = {}});
  }
}

void Router::modifyResponse(http::HeaderMap& headers) {
  if (route_ != nullptr && route_->virtual_host != nullptr && attempts_ > 0 &&
      route_->virtual_host->include_attempt_count_in_response) {
    headers.setNumber(HeaderId::EnvoyAttemptCount, attempts_);
  }
}

void Router::countError(UpstreamRequest& request) {
  if (request.endpoint() != nullptr) {
    request.requests().countError();
  }
}

void Router::countFailure(UpstreamRequest* request, uint32_t status) {
  // What has been answered was a success, but where trailers would have told.
  if (request != nullptr && (!response_started_ || grpc_outcome_open_)) {
    countError(*request);
  }
  if (!response_started_) {
    countCode(status, request != nullptr && isCanary(*request));
  }
}

void Router::countRetried(UpstreamRequest& request, uint32_t status) {
  request.requests().countError();
  if (settings().dynamic_stats) {
    cluster().codes->retry.countResponse(status);
  }
}

void Router::countResponse(UpstreamRequest& request, const http::HeaderMap& headers, uint32_t status, bool end_stream) {
  if (status >= 500) {
    request.requests().countError();
  } else if (!grpc_) {
    request.requests().countSuccess();
  } else if (end_stream) {
    countGrpcOutcome(request, headers);
  } else {
    grpc_outcome_open_ = true;
  }
  if (headers.get(HeaderId::EnvoyUpstreamCanary) == "true") {
    canary_answer_ = true;
  }
  countCode(status, isCanary(request));
}

void Router::countGrpcOutcome(UpstreamRequest& request, const http::HeaderMap& from) {
  grpc_outcome_open_ = false;
  uint32_t status = 0;
  if (absl::SimpleAtoi(from.get(HeaderId::GrpcStatus), &status) && http::httpStatusOfGrpc(status) < 500) {
    request.requests().countSuccess();
  } else {
    request.requests().countError();
  }
}

bool Router::isCanary(UpstreamRequest& request) const {
  return canary_answer_ || (request.entry() != nullptr && request.entry()->canary);
}

bool Router::countsDynamically() const { return settings().dynamic_stats && !callbacks_->streamInfo().health_check; }

void Router::countCode(uint32_t status, bool canary) {
  if (!countsDynamically()) {
    return;
  }
  const cluster::ClusterCodeStats& codes = *cluster().codes;
  codes.all.countResponse(status);
  (headers_->get(HeaderId::EnvoyInternalRequest) == "true" ? codes.internal : codes.external).countResponse(status);
  if (canary) {
    codes.canary.countResponse(status);
  }
  counts_.each([status](const http::RequestStats& stats) { stats.codes.countResponse(status); });
}

void Router::recordTime(UpstreamRequest& request) {
  if (!countsDynamically() || !complete_at_.has_value()) {
    return;
  }
  const uint64_t time = millisecondsSince(*complete_at_, callbacks_->dispatcher().now());
  const cluster::ClusterCodeStats& codes = *cluster().codes;
  codes.all.recordTime(time);
  (headers_->get(HeaderId::EnvoyInternalRequest) == "true" ? codes.internal : codes.external).recordTime(time);
  if (isCanary(request)) {
    codes.canary.recordTime(time);
  }
  counts_.each([time](const http::RequestStats& stats) { stats.codes.recordTime(time); });
}

}  // namespace sluice::filters
