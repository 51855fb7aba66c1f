#include "source/filters/http/retry_state.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"

#include "source/base/random.h"
#include "source/http/grpc_status.h"
#include "source/http/header_matcher.h"

namespace sluice::filters {
namespace {

using http::HeaderId;
using std::chrono::milliseconds;
namespace on = http::retry_on;

/** gRPC's codes that can be retried on, with their bits. */
constexpr struct {
  uint32_t code;
  uint32_t bit;
} kGrpcCodes[] = {{1, on::kGrpcCancelled},
                  {4, on::kGrpcDeadlineExceeded},
                  {8, on::kGrpcResourceExhausted},
                  {13, on::kGrpcInternal},
                  {14, on::kGrpcUnavailable}};

template <class Visit>
bool anyOf(absl::string_view list, Visit&& visit) {
  for (absl::string_view item : absl::StrSplit(list, ',')) {
    if (visit(absl::StripAsciiWhitespace(item))) {
      return true;
    }
  }
  return false;
}

}  // namespace

RetryState::RetryState(const http::RetryPolicy* policy, http::HeaderMap& request, const cluster::ClusterInfo& cluster,
                       bool high_priority, const http::RequestCounts& counts)
    : policy_(policy), cluster_(cluster), counts_(counts), high_priority_(high_priority) {
  if (policy_ != nullptr) {
    on_ = policy_->on;
    remaining_ = policy_->num_retries;
    if (!policy_->retriable_request_headers.empty() &&
        std::none_of(policy_->retriable_request_headers.begin(), policy_->retriable_request_headers.end(),
                     [&](const auto& matcher) { return matcher->matches(request); })) {
      on_ = 0;
    }
  }
  if (const absl::string_view list = request.get(HeaderId::EnvoyRetryOn); list.data() != nullptr) {
    on_ |= on::parse(list, false, nullptr);
  }
  if (const absl::string_view list = request.get(HeaderId::EnvoyRetryGrpcOn); list.data() != nullptr) {
    on_ |= on::parse(list, true, nullptr);
  }
  if (policy_ == nullptr && on_ != 0) {
    remaining_ = 1;
  }
  if (const absl::string_view text = request.get(HeaderId::EnvoyMaxRetries); text.data() != nullptr) {
    uint32_t most = 0;
    if (absl::SimpleAtoi(text, &most)) {
      remaining_ = most;
    }
  }
  header_codes_ = request.get(HeaderId::EnvoyRetriableStatusCodes);
  header_names_ = request.get(HeaderId::EnvoyRetriableHeaderNames);
  for (const HeaderId id : {HeaderId::EnvoyRetryOn, HeaderId::EnvoyRetryGrpcOn, HeaderId::EnvoyMaxRetries,
                            HeaderId::EnvoyHedgeOnPerTryTimeout, HeaderId::EnvoyRetriableHeaderNames,
                            HeaderId::EnvoyRetriableStatusCodes, HeaderId::EnvoyUpstreamRequestPerTryTimeoutMs}) {
    request.remove(id);
  }
}

RetryState::~RetryState() {
  if (holds_place_) {
    cluster_.breakers->of(high_priority_).retries.release();
  }
}

bool RetryState::wantsHeaders(const http::HeaderMap& response, uint32_t status) const {
  // An answer of a rate limiter says that no retry helps, unless it is asked for by name.
  if (response.has(HeaderId::EnvoyRateLimited)) {
    return (on_ & on::kEnvoyRateLimited) != 0;
  }
  if ((on_ & on::k5xx) != 0 && status >= 500 && status < 600) {
    return true;
  }
  if ((on_ & on::kGatewayError) != 0 && status >= 502 && status <= 504) {
    return true;
  }
  if ((on_ & on::kRetriable4xx) != 0 && status == 409) {
    return true;
  }
  if ((on_ & on::kRetriableStatusCodes) != 0) {
    if (policy_ != nullptr && std::find(policy_->retriable_status_codes.begin(), policy_->retriable_status_codes.end(),
                                        status) != policy_->retriable_status_codes.end()) {
      return true;
    }
    if (!header_codes_.empty() && anyOf(header_codes_, [&](absl::string_view item) {
          uint32_t code = 0;
          return absl::SimpleAtoi(item, &code) && code == status;
        })) {
      return true;
    }
  }
  if ((on_ & on::kRetriableHeaders) != 0) {
    if (policy_ != nullptr && std::any_of(policy_->retriable_headers.begin(), policy_->retriable_headers.end(),
                                          [&](const auto& matcher) { return matcher->matches(response); })) {
      return true;
    }
    if (!header_names_.empty() && anyOf(header_names_, [&](absl::string_view name) {
          return !name.empty() && response.has(absl::AsciiStrToLower(name));
        })) {
      return true;
    }
  }
  uint32_t grpc = 0;
  if (absl::SimpleAtoi(response.get(HeaderId::GrpcStatus), &grpc)) {
    for (const auto& [code, bit] : kGrpcCodes) {
      if (code == grpc && (on_ & bit) != 0) {
        return true;
      }
    }
  }
  return false;
}

RetryDecision RetryState::onHeaders(const http::HeaderMap& response, uint32_t status, const http::HeaderMap&,
                                    base::SystemTime now) {
  const bool wanted = wantsHeaders(response, status);
  rate_limited_.reset();
  if (wanted && policy_ != nullptr && !policy_->reset_headers.empty()) {
    rate_limited_ = rateLimitedWait(response, now);
  }
  return decide(wanted);
}

RetryDecision RetryState::onFailure(AttemptFailure failure, bool request_sent) {
  rate_limited_.reset();
  const auto wanted = [&] {
    if (failure == AttemptFailure::Overflow) {
      return false;
    }
    if ((on_ & (on::kReset | on::k5xx | on::kGatewayError)) != 0) {
      return true;
    }
    if ((on_ & on::kResetBeforeRequest) != 0 && !request_sent) {
      return true;
    }
    if ((on_ & on::kRefusedStream) != 0 && failure == AttemptFailure::RefusedStream) {
      return true;
    }
    return (on_ & on::kConnectFailure) != 0 &&
           (failure == AttemptFailure::ConnectFailure || failure == AttemptFailure::ConnectTimeout);
  };
  return decide(wanted());
}

RetryDecision RetryState::onHedgedTimeout() {
  rate_limited_.reset();
  return decide(true);
}

RetryDecision RetryState::decide(bool wanted) {
  if (holds_place_) {
    cluster_.breakers->of(high_priority_).retries.release();
    holds_place_ = false;
  }
  const cluster::ClusterStats& stats = cluster_.stats;
  if (!wanted) {
    if (retried_) {
      stats.upstream_rq_retry_success.inc();
      counts_.inc(&http::RequestStats::upstream_rq_retry_success);
    }
    return RetryDecision::No;
  }
  if (remaining_ == 0) {
    stats.upstream_rq_retry_limit_exceeded.inc();
    counts_.inc(&http::RequestStats::upstream_rq_retry_limit_exceeded);
    return RetryDecision::LimitExceeded;
  }
  --remaining_;
  if (!cluster_.breakers->of(high_priority_).tryAcquireRetry(cluster_.thresholds(high_priority_))) {
    stats.upstream_rq_retry_overflow.inc();
    counts_.inc(&http::RequestStats::upstream_rq_retry_overflow);
    return RetryDecision::Overflow;
  }
  holds_place_ = true;
  retried_ = true;
  stats.upstream_rq_retry.inc();
  counts_.inc(&http::RequestStats::upstream_rq_retry);
  return RetryDecision::Retry;
}

milliseconds RetryState::backOff() {
  if (rate_limited_.has_value()) {
    cluster_.stats.upstream_rq_retry_backoff_ratelimited.inc();
    return *rate_limited_;
  }
  cluster_.stats.upstream_rq_retry_backoff_exponential.inc();
  const http::BackOff limits = policy_ == nullptr ? http::BackOff() : policy_->back_off;
  const auto base = static_cast<uint64_t>(std::max<int64_t>(1, limits.base.count()));
  const auto most = std::max(base, static_cast<uint64_t>(limits.max.count()));
  // The n-th wait is drawn from [0, base * (2^n - 1)), cut at the maximum, as Envoy's documentation has it.
  tries_ = std::min(tries_ + 1, 31u);
  const uint64_t window = std::min(most, base * ((uint64_t{1} << tries_) - 1));
  return milliseconds(base::threadRandom().below(std::max<uint64_t>(1, window)));
}

std::optional<milliseconds> RetryState::rateLimitedWait(const http::HeaderMap& response, base::SystemTime now) const {
  for (const http::ResetHeader& header : policy_->reset_headers) {
    const absl::string_view text = response.get(header.name);
    int64_t value = 0;
    if (text.data() == nullptr || !absl::SimpleAtoi(text, &value)) {
      continue;
    }
    if (header.unix_timestamp) {
      value -= std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
    }
    // Before it becomes milliseconds, which could overflow.
    constexpr int64_t kLongest = 100LL * 365 * 24 * 3600;
    const milliseconds wait = std::chrono::seconds(std::clamp<int64_t>(value, -1, kLongest));
    if (wait < milliseconds(0) || wait > policy_->rate_limited_max) {
      continue;
    }
    // So that those who were told the same second do not all come back in it.
    return wait + milliseconds(base::threadRandom().below(static_cast<uint64_t>(wait.count()) / 2 + 1));
  }
  return std::nullopt;
}

}  // namespace sluice::filters
