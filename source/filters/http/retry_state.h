#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "source/cluster/cluster_info.h"
#include "source/http/header_map.h"
#include "source/http/request_stats.h"
#include "source/http/route.h"

namespace sluice::filters {

/** How an attempt failed before it had an answer. */
enum class AttemptFailure : uint8_t {
  ConnectFailure,
  ConnectTimeout,
  /** The connection or stream ended. */
  Reset,
  RefusedStream,
  Overflow,
  PerTryTimeout,
};

enum class RetryDecision : uint8_t {
  Retry,
  No,
  /** The retries are used up: URX. */
  LimitExceeded,
  /** The circuit breaker's retries are: UO. */
  Overflow,
};

/**
 * Decides whether a request is sent again, and when: the route's policy with what the request's own headers say over it
 * (https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/router_filter). One for each request that
 * may be retried; worker thread. Holds a place among the circuit breaker's retries while a retry waits or runs.
 */
class RetryState {
 public:
  /**
   * `policy` may be null. Takes the x-envoy-retry-* headers out of the request. False in enabled() when nothing asks for
   * retries.
   */
  RetryState(const http::RetryPolicy* policy, http::HeaderMap& request, const cluster::ClusterInfo& cluster,
             bool high_priority, const http::RequestCounts& counts);
  ~RetryState();
  RetryState(const RetryState&) = delete;

  bool enabled() const { return on_ != 0; }
  RetryDecision onHeaders(const http::HeaderMap& response, uint32_t status, const http::HeaderMap& request,
                          base::SystemTime now);
  /** `request_sent` false: nothing of it went upstream. */
  RetryDecision onFailure(AttemptFailure failure, bool request_sent);
  /** A soft per-try timeout of a hedged request. */
  RetryDecision onHedgedTimeout();
  /** How long to wait before the retry that was just decided. */
  std::chrono::milliseconds backOff();

  uint32_t hostSelectionAttempts() const { return policy_ == nullptr ? 1 : policy_->host_selection_retry_max_attempts; }
  const http::RetryPolicy* policy() const { return policy_; }

 private:
  bool wantsHeaders(const http::HeaderMap& response, uint32_t status) const;
  RetryDecision decide(bool wanted);
  std::optional<std::chrono::milliseconds> rateLimitedWait(const http::HeaderMap& response, base::SystemTime now) const;

  const http::RetryPolicy* const policy_;
  const cluster::ClusterInfo& cluster_;
  const http::RequestCounts counts_;
  const bool high_priority_;
  uint32_t on_ = 0;
  uint32_t remaining_ = 0;
  uint32_t tries_ = 0;
  /** Status codes of x-envoy-retriable-status-codes and names of x-envoy-retriable-header-names, in the arena. */
  absl::string_view header_codes_;
  absl::string_view header_names_;
  std::optional<std::chrono::milliseconds> rate_limited_;
  bool holds_place_ = false;
  bool retried_ = false;
};

}  // namespace sluice::filters
