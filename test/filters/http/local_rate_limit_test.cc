#include "source/filters/http/local_rate_limit.h"

#include "envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit.pb.h"

#include "test/filters/http/filter_fixture.h"

namespace sluice::filters {
namespace {

using http::HeadersStatus;
using std::chrono::milliseconds;
using Proto = envoy::extensions::filters::http::local_ratelimit::v3::LocalRateLimit;

constexpr const char* kAll =
    "filter_enabled: {default_value: {numerator: 100}}, "
    "filter_enforced: {default_value: {numerator: 100}}, ";

class LocalRateLimitTest : public test::FilterFixture {
 protected:
  HeadersStatus ask(const http::HttpFilterConfig& config,
                    const std::vector<std::pair<std::string, std::string>>& headers = {}) {
    test::FakeFilterStream stream(dispatcher_);
    stream.start(config);
    const HeadersStatus status = stream.request(headers);
    stream.response({{":status", "200"}});
    response_ = test::FakeHttpStream::fields(*stream.response_headers);
    reply_ = stream.reply;
    reply_headers_ = stream.reply_headers;
    return status;
  }
  std::shared_ptr<const http::HttpFilterConfig> limit(const std::string& rest) {
    return make<Proto>(*factory_, absl::StrCat("{stat_prefix: rl, ", rest, "}"));
  }

  std::unique_ptr<HttpFilterFactory> factory_ = localRateLimitFactory(dispatcher_, store_.root(), tools_);
  std::vector<std::string> response_;
  std::string reply_;
  std::vector<std::string> reply_headers_;
};

TEST_F(LocalRateLimitTest, TokensFlowInEvenly) {
  const auto config = limit(absl::StrCat(kAll, "token_bucket: {max_tokens: 2, fill_interval: 1s}"));
  EXPECT_EQ(ask(*config), HeadersStatus::Continue);
  EXPECT_EQ(ask(*config), HeadersStatus::Continue);
  EXPECT_EQ(ask(*config), HeadersStatus::StopIteration);
  EXPECT_EQ(reply_, "429 local_rate_limited (local_rate_limited)");
  dispatcher_.advance(milliseconds(999));
  EXPECT_EQ(ask(*config), HeadersStatus::StopIteration);
  dispatcher_.advance(milliseconds(1));
  EXPECT_EQ(ask(*config), HeadersStatus::Continue);
  EXPECT_EQ(counter("rl.http_local_rate_limit.enabled"), 5u);
  EXPECT_EQ(counter("rl.http_local_rate_limit.ok"), 3u);
  EXPECT_EQ(counter("rl.http_local_rate_limit.rate_limited"), 2u);
  EXPECT_EQ(counter("rl.http_local_rate_limit.enforced"), 2u);
}

TEST_F(LocalRateLimitTest, WithoutSharesItIsOff) {
  const auto config = limit("token_bucket: {max_tokens: 1, fill_interval: 1s}");
  EXPECT_EQ(ask(*config), HeadersStatus::Continue);
  EXPECT_EQ(ask(*config), HeadersStatus::Continue);
  EXPECT_EQ(counter("rl.http_local_rate_limit.enabled"), 0u);
}

TEST_F(LocalRateLimitTest, AnswersAsItIsTold) {
  const auto config = limit(absl::StrCat(
      kAll,
      "token_bucket: {max_tokens: 1, fill_interval: 10s}, status: {code: 503}, enable_x_ratelimit_headers: "
      "DRAFT_VERSION_03, response_headers_to_add: [{header: {key: x-limited, value: 'yes'}}]"));
  ask(*config);
  EXPECT_EQ(response_, (std::vector<std::string>{":status: 200", "x-ratelimit-limit: 1", "x-ratelimit-remaining: 0",
                                                 "x-ratelimit-reset: 10"}));
  ask(*config);
  EXPECT_EQ(reply_, "503 local_rate_limited (local_rate_limited)");
  EXPECT_EQ(reply_headers_, std::vector<std::string>{"x-limited: yes"});
}

TEST_F(LocalRateLimitTest, DescriptorsHaveTheirOwnBuckets) {
  const auto config = limit(absl::StrCat(
      kAll,
      "token_bucket: {max_tokens: 100, fill_interval: 1s}, "
      "descriptors: [{entries: [{key: user, value: bob}], token_bucket: {max_tokens: 1, fill_interval: 1s}}], "
      "rate_limits: [{actions: [{request_headers: {header_name: x-user, descriptor_key: user}}]}]"));
  ASSERT_NE(config, nullptr) << violations_.toString();
  EXPECT_EQ(ask(*config, {{"x-user", "bob"}}), HeadersStatus::Continue);
  EXPECT_EQ(ask(*config, {{"x-user", "bob"}}), HeadersStatus::StopIteration);
  EXPECT_EQ(ask(*config, {{"x-user", "eve"}}), HeadersStatus::Continue);
  EXPECT_EQ(ask(*config), HeadersStatus::Continue);
}

TEST_F(LocalRateLimitTest, WhatIsWrongIsNamed) {
  EXPECT_EQ(limit("token_bucket: {max_tokens: 1, fill_interval: 0.01s}"), nullptr);
  EXPECT_EQ(violations_.toString(), "f.token_bucket.fill_interval: must be at least 50 ms\n");
}

}  // namespace
}  // namespace sluice::filters
