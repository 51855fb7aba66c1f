#include "source/filters/http/retry_state.h"

#include <memory>
#include <optional>

#include <gtest/gtest.h>

#include "source/stats/store.h"
#include "test/support/fake_dispatcher.h"

namespace sluice::filters {
namespace {

using http::HeaderId;
using std::chrono::milliseconds;
namespace on = http::retry_on;

class RetryStateTest : public testing::Test {
 protected:
  RetryStateTest() {
    info_.breakers = std::make_shared<cluster::CircuitBreakers>(*scope_);
    setMaxRetries(3);
  }
  void setMaxRetries(uint32_t most) {
    info_.normal_thresholds.max_retries = most;
    info_.breakers->setThresholds(info_.normal_thresholds, info_.high_thresholds, *scope_);
  }
  RetryState& make(bool with_policy = true) {
    state_.emplace(with_policy ? &policy_ : nullptr, request_, info_, false, http::RequestCounts());
    return *state_;
  }
  RetryDecision answer(uint32_t status) {
    return state_->onHeaders(response_, status, request_, dispatcher_.systemNow());
  }

  test::FakeDispatcher dispatcher_;
  stats::Store store_;
  stats::ScopePtr scope_ = store_.createScope("cluster.c");
  cluster::ClusterInfo info_{dispatcher_, scope_};
  base::Arena arena_;
  http::HeaderMap request_{arena_};
  http::HeaderMap response_{arena_};
  http::RetryPolicy policy_;
  std::optional<RetryState> state_;
};

TEST_F(RetryStateTest, NothingAsksForRetries) { EXPECT_FALSE(make().enabled()); }

TEST_F(RetryStateTest, TheRequestsOwnHeadersAskAndAreTakenOut) {
  request_.add(HeaderId::EnvoyRetryOn, "5xx");
  request_.add(HeaderId::EnvoyMaxRetries, "2");
  ASSERT_TRUE(make(false).enabled());
  EXPECT_TRUE(request_.empty());
  EXPECT_EQ(RetryDecision::Retry, answer(500));
  EXPECT_EQ(RetryDecision::Retry, answer(503));
  EXPECT_EQ(RetryDecision::LimitExceeded, answer(503));
}

TEST_F(RetryStateTest, StatusesAreTakenByTheirConditions) {
  struct {
    uint32_t on;
    uint32_t status;
    bool retried;
  } const cases[] = {{on::k5xx, 500, true},
                     {on::k5xx, 429, false},
                     {on::kGatewayError, 502, true},
                     {on::kGatewayError, 500, false},
                     {on::kRetriable4xx, 409, true},
                     {on::kRetriable4xx, 404, false},
                     {on::kRetriableStatusCodes, 418, true},
                     {on::kRetriableStatusCodes, 419, false}};
  policy_.retriable_status_codes = {418};
  for (const auto& [conditions, status, retried] : cases) {
    policy_.on = conditions;
    make();
    EXPECT_EQ(retried ? RetryDecision::Retry : RetryDecision::No, answer(status)) << conditions << " " << status;
  }
}

TEST_F(RetryStateTest, ARateLimitedAnswerIsLeftAloneUnlessAskedFor) {
  response_.add(HeaderId::EnvoyRateLimited, "true");
  policy_.on = on::k5xx;
  make();
  EXPECT_EQ(RetryDecision::No, answer(503));
  policy_.on = on::k5xx | on::kEnvoyRateLimited;
  make();
  EXPECT_EQ(RetryDecision::Retry, answer(429));
}

TEST_F(RetryStateTest, GrpcStatusesInHeaders) {
  policy_.on = on::kGrpcUnavailable;
  make();
  response_.add(HeaderId::GrpcStatus, "13");
  EXPECT_EQ(RetryDecision::No, answer(200));
  response_.set(HeaderId::GrpcStatus, "14");
  EXPECT_EQ(RetryDecision::Retry, answer(200));
}

TEST_F(RetryStateTest, HeaderListsOfTheRequest) {
  request_.add(HeaderId::EnvoyRetryOn, "retriable-status-codes,retriable-headers");
  request_.add(HeaderId::EnvoyRetriableStatusCodes, "404, 410");
  request_.add(HeaderId::EnvoyRetriableHeaderNames, "X-Again");
  request_.add(HeaderId::EnvoyMaxRetries, "9");
  make(false);
  EXPECT_EQ(RetryDecision::No, answer(405));
  EXPECT_EQ(RetryDecision::Retry, answer(410));
  response_.add("x-again", "1");
  EXPECT_EQ(RetryDecision::Retry, answer(200));
}

TEST_F(RetryStateTest, FailuresAreTakenByTheirConditions) {
  struct {
    uint32_t on;
    AttemptFailure failure;
    bool sent;
    bool retried;
  } const cases[] = {{on::kReset, AttemptFailure::Reset, true, true},
                     {on::k5xx, AttemptFailure::Reset, true, true},
                     {on::k5xx, AttemptFailure::Overflow, false, false},
                     {on::kConnectFailure, AttemptFailure::ConnectFailure, false, true},
                     {on::kConnectFailure, AttemptFailure::ConnectTimeout, false, true},
                     {on::kConnectFailure, AttemptFailure::Reset, true, false},
                     {on::kRefusedStream, AttemptFailure::RefusedStream, true, true},
                     {on::kRefusedStream, AttemptFailure::Reset, true, false},
                     {on::kResetBeforeRequest, AttemptFailure::Reset, false, true},
                     {on::kResetBeforeRequest, AttemptFailure::Reset, true, false}};
  for (const auto& [conditions, failure, sent, retried] : cases) {
    policy_.on = conditions;
    make();
    EXPECT_EQ(retried ? RetryDecision::Retry : RetryDecision::No, state_->onFailure(failure, sent))
        << conditions << " " << static_cast<int>(failure);
  }
}

TEST_F(RetryStateTest, TheCircuitBreakersRetriesAreHeldWhileOneRuns) {
  setMaxRetries(1);
  policy_.on = on::k5xx;
  policy_.num_retries = 9;
  make();
  EXPECT_EQ(RetryDecision::Retry, answer(500));
  {
    RetryState other(&policy_, request_, info_, false, {});
    EXPECT_EQ(RetryDecision::Overflow, other.onFailure(AttemptFailure::Reset, true));
  }
  EXPECT_EQ(RetryDecision::No, answer(200));
  RetryState other(&policy_, request_, info_, false, {});
  EXPECT_EQ(RetryDecision::Retry, other.onFailure(AttemptFailure::Reset, true));
}

TEST_F(RetryStateTest, BackOffStaysInItsWindows) {
  policy_.on = on::k5xx;
  policy_.num_retries = 100;
  policy_.back_off = {milliseconds(10), milliseconds(40)};
  make();
  const int64_t most[] = {10, 30, 40, 40, 40};
  for (int64_t limit : most) {
    EXPECT_EQ(RetryDecision::Retry, answer(500));
    const milliseconds wait = state_->backOff();
    EXPECT_GE(wait.count(), 0);
    EXPECT_LT(wait.count(), limit);
  }
}

TEST_F(RetryStateTest, TheUpstreamMaySayWhen) {
  policy_.on = on::k5xx;
  policy_.num_retries = 9;
  policy_.reset_headers = {{"x-reset-at", true}, {"retry-after", false}};
  make();
  response_.add(HeaderId::RetryAfter, "10");
  EXPECT_EQ(RetryDecision::Retry, answer(503));
  const milliseconds wait = state_->backOff();
  EXPECT_GE(wait, milliseconds(10000));
  EXPECT_LE(wait, milliseconds(15000));
  // Longer than allowed: as if it had not been said.
  response_.set(HeaderId::RetryAfter, "100000");
  EXPECT_EQ(RetryDecision::Retry, answer(503));
  EXPECT_LT(state_->backOff(), milliseconds(250));
}

}  // namespace
}  // namespace sluice::filters
