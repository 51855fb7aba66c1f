#include "source/filters/http/route_timeouts.h"

#include <gtest/gtest.h>

namespace sluice::filters {
namespace {

using http::HeaderId;
using std::chrono::milliseconds;

class RouteTimeoutsTest : public testing::Test {
 protected:
  RouteTimeouts of(bool grpc = false, bool suppress = false, bool respect = false) {
    return RouteTimeouts::of(action_, request_, grpc, suppress, respect);
  }

  base::Arena arena_;
  http::HeaderMap request_{arena_};
  http::ForwardAction action_;
};

TEST_F(RouteTimeoutsTest, TheRoutesTimeoutIsToldUpstream) {
  action_.timeout = milliseconds(700);
  EXPECT_EQ(milliseconds(700), of().global);
  EXPECT_EQ("700", request_.get(HeaderId::EnvoyExpectedRequestTimeoutMs));
}

TEST_F(RouteTimeoutsTest, NothingIsToldWhereThereIsNoLimit) {
  action_.timeout = milliseconds(0);
  EXPECT_EQ(milliseconds(0), of().global);
  EXPECT_FALSE(request_.has(HeaderId::EnvoyExpectedRequestTimeoutMs));
}

TEST_F(RouteTimeoutsTest, TheRequestsHeadersGoBeforeTheRouteAndAreTakenOut) {
  request_.add(HeaderId::EnvoyUpstreamRequestTimeoutMs, "50");
  request_.add(HeaderId::EnvoyUpstreamRequestPerTryTimeoutMs, "10");
  request_.add(HeaderId::EnvoyHedgeOnPerTryTimeout, "true");
  const RouteTimeouts timeouts = of();
  EXPECT_EQ(milliseconds(50), timeouts.global);
  EXPECT_EQ(milliseconds(10), timeouts.per_try);
  EXPECT_TRUE(timeouts.hedge_on_per_try);
  EXPECT_FALSE(request_.has(HeaderId::EnvoyUpstreamRequestTimeoutMs));
  EXPECT_FALSE(request_.has(HeaderId::EnvoyUpstreamRequestPerTryTimeoutMs));
  EXPECT_FALSE(request_.has(HeaderId::EnvoyHedgeOnPerTryTimeout));
  EXPECT_EQ("50", request_.get(HeaderId::EnvoyExpectedRequestTimeoutMs));
}

TEST_F(RouteTimeoutsTest, AMalformedHeaderSaysNothing) {
  action_.timeout = milliseconds(700);
  request_.add(HeaderId::EnvoyUpstreamRequestTimeoutMs, "soon");
  EXPECT_EQ(milliseconds(700), of().global);
  EXPECT_FALSE(request_.has(HeaderId::EnvoyUpstreamRequestTimeoutMs));
}

TEST_F(RouteTimeoutsTest, AnAttemptIsNeverGivenMoreThanTheWhole) {
  auto retry = std::make_shared<http::RetryPolicy>();
  retry->per_try_timeout = milliseconds(900);
  action_.retry = retry;
  action_.timeout = milliseconds(700);
  EXPECT_EQ(milliseconds(0), of().per_try);
}

TEST_F(RouteTimeoutsTest, AHedgedAttemptMayTakeAsLongAsTheWhole) {
  auto retry = std::make_shared<http::RetryPolicy>();
  retry->per_try_timeout = milliseconds(200);
  action_.retry = retry;
  action_.timeout = milliseconds(700);
  action_.hedge.hedge_on_per_try_timeout = true;
  EXPECT_EQ(milliseconds(200), of().per_try);
  EXPECT_EQ("700", request_.get(HeaderId::EnvoyExpectedRequestTimeoutMs));
}

TEST_F(RouteTimeoutsTest, WhatIsLeftShrinksWithTime) {
  action_.timeout = milliseconds(700);
  const RouteTimeouts timeouts = of();
  timeouts.writeExpected(request_, milliseconds(300));
  EXPECT_EQ("400", request_.get(HeaderId::EnvoyExpectedRequestTimeoutMs));
  timeouts.writeExpected(request_, milliseconds(9000));
  EXPECT_EQ("1", request_.get(HeaderId::EnvoyExpectedRequestTimeoutMs));
}

TEST_F(RouteTimeoutsTest, AnExpectedTimeoutCountsOnlyWhereItIsRespected) {
  action_.timeout = milliseconds(700);
  request_.add(HeaderId::EnvoyExpectedRequestTimeoutMs, "90");
  EXPECT_EQ(milliseconds(90), of(false, false, true).global);
  EXPECT_EQ(milliseconds(700), of(false, false, false).global);
}

TEST_F(RouteTimeoutsTest, EnvoysHeadersMayBeSuppressed) {
  action_.timeout = milliseconds(700);
  of(false, true);
  EXPECT_FALSE(request_.has(HeaderId::EnvoyExpectedRequestTimeoutMs));
}

TEST_F(RouteTimeoutsTest, AGrpcClientsDeadlineIsTakenUpToTheMost) {
  action_.max_grpc_timeout = milliseconds(1000);
  request_.add(HeaderId::GrpcTimeout, "400m");
  EXPECT_EQ(milliseconds(400), of(true).global);
  EXPECT_EQ("400m", request_.get(HeaderId::GrpcTimeout));
  request_.set(HeaderId::GrpcTimeout, "1M");
  EXPECT_EQ(milliseconds(1000), of(true).global);
  EXPECT_EQ("1000m", request_.get(HeaderId::GrpcTimeout));
}

TEST_F(RouteTimeoutsTest, ReadsGrpcsUnits) {
  const auto read = [&](absl::string_view text) {
    request_.set(HeaderId::GrpcTimeout, text);
    return grpcTimeout(request_);
  };
  EXPECT_EQ(milliseconds(7200000), read("2H"));
  EXPECT_EQ(milliseconds(120000), read("2M"));
  EXPECT_EQ(milliseconds(2000), read("2S"));
  EXPECT_EQ(milliseconds(2), read("2m"));
  EXPECT_EQ(milliseconds(1), read("2u"));
  EXPECT_EQ(milliseconds(1), read("2n"));
  EXPECT_EQ(std::nullopt, read("2"));
  EXPECT_EQ(std::nullopt, read("S"));
  EXPECT_EQ(std::nullopt, read("-2S"));
  EXPECT_EQ(std::nullopt, read("123456789S"));
}

}  // namespace
}  // namespace sluice::filters
