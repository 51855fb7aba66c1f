// One gRPC message to a service and one back.

#include "source/grpc/unary_call.h"

#include <memory>
#include <string>

#include "envoy/config/core/v3/grpc_service.pb.h"
#include "google/protobuf/wrappers.pb.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "source/config/loader.h"
#include "test/grpc/fake_upstreams.h"
#include "test/support/fake_dispatcher.h"

namespace sluice::grpc {
namespace {

using std::chrono::milliseconds;
using test::grpcFrame;
using testing::IsSupersetOf;

std::optional<ServiceConfig> service(absl::string_view yaml, std::string* mistakes = nullptr) {
  envoy::config::core::v3::GrpcService proto;
  config::Violations violations;
  EXPECT_TRUE(config::parseYaml(yaml, proto, {}, nullptr, violations)) << violations.toString();
  static const access_log::OperatorTable operators;
  std::optional<ServiceConfig> made =
      ServiceConfig::create(proto, operators, config::FieldPath("grpc_service"), violations);
  if (mistakes != nullptr) {
    *mistakes = violations.toString();
  }
  return made;
}

class UnaryCallTest : public testing::Test, public UnaryCallCallbacks {
 protected:
  void onSuccess(absl::string_view message) override { end(absl::StrCat("ok ", message)); }
  void onFailure(const Status& status) override { end(absl::StrCat(status.code, " ", status.message)); }
  void end(std::string outcome) {
    outcome_ = std::move(outcome);
    call_.reset();
  }
  void start(absl::string_view yaml) {
    service_ = service(yaml);
    google::protobuf::StringValue request;
    request.set_value("hi");
    outcome_.clear();
    call_ = std::make_unique<UnaryCall>(upstreams_, dispatcher_, *service_, *this);
    call_->start("/test.Service/Method", request);
  }
  void answer(absl::string_view bytes, const std::string& status, const std::string& message = "") {
    upstreams_.last()->answerHeaders({{":status", "200"}, {"content-type", "application/grpc"}}, false);
    upstreams_.last()->answerData(bytes, false);
    if (upstreams_.underWay()) {
      upstreams_.last()->answerTrailers({{"grpc-status", status}, {"grpc-message", message}});
    }
  }

  static constexpr absl::string_view kPlain = "envoy_grpc: {cluster_name: service}";
  test::FakeDispatcher dispatcher_;
  test::FakeUpstreams upstreams_;
  std::optional<ServiceConfig> service_;
  std::unique_ptr<UnaryCall> call_;
  std::string outcome_;
};

TEST_F(UnaryCallTest, SendsAFramedMessageAndGivesTheAnswer) {
  start(R"(
envoy_grpc: {cluster_name: service, authority: auth.local}
timeout: 0.25s
initial_metadata: [{key: X-Token, value: "a b"}])");
  const auto& request = upstreams_.requests[0];
  EXPECT_EQ(grpcFrame("\x0a\x02hi"), request.body);
  EXPECT_TRUE(request.complete);
  EXPECT_THAT(request.headers, IsSupersetOf({":method: POST", ":path: /test.Service/Method", ":authority: auth.local",
                                             "te: trailers", "grpc-timeout: 250m", "content-type: application/grpc",
                                             "x-envoy-internal: true", "x-token: a b"}));
  answer(grpcFrame("pong"), "0");
  EXPECT_EQ("ok pong", outcome_);
}

TEST_F(UnaryCallTest, LeavesEnvoysHeadersOutWhenAsked) {
  start("envoy_grpc: {cluster_name: service, skip_envoy_headers: true}");
  EXPECT_FALSE(upstreams_.requests[0].has("x-envoy-internal: true"));
}

TEST_F(UnaryCallTest, PutsAMessageTogetherFromPieces) {
  start(kPlain);
  upstreams_.last()->answerHeaders({{":status", "200"}}, false);
  for (const char c : grpcFrame("pieces")) {
    upstreams_.last()->answerData(std::string(1, c), false);
  }
  upstreams_.last()->answerTrailers({{"grpc-status", "0"}});
  EXPECT_EQ("ok pieces", outcome_);
}

TEST_F(UnaryCallTest, TellsTheServicesStatus) {
  start(kPlain);
  answer("", "7", "no%20way");
  EXPECT_EQ("7 no way", outcome_);
  start(kPlain);
  upstreams_.last()->answerHeaders({{":status", "200"}, {"grpc-status", "12"}, {"grpc-message", "what?"}}, true);
  EXPECT_EQ("12 what?", outcome_);
  start(kPlain);
  upstreams_.last()->answerHeaders({{":status", "503"}}, true);
  EXPECT_EQ("14 HTTP status 503", outcome_);
}

TEST_F(UnaryCallTest, RefusesWhatIsNoAnswer) {
  start(kPlain);
  answer("", "0");
  EXPECT_EQ("13 the answer has no message", outcome_);
  start(kPlain);
  answer(grpcFrame("a") + grpcFrame("b"), "0");
  EXPECT_EQ("13 the answer has more than one message", outcome_);
  start(kPlain);
  answer(std::string("\1\0\0\0\1x", 6), "0");
  EXPECT_EQ("13 the answer is not framed as gRPC", outcome_);
  start("envoy_grpc: {cluster_name: service, max_receive_message_length: 4}");
  answer(grpcFrame("12345"), "0");
  EXPECT_EQ("8 the answer is larger than max_receive_message_length", outcome_);
}

TEST_F(UnaryCallTest, TimesOut) {
  start("{envoy_grpc: {cluster_name: service}, timeout: 0.2s}");
  dispatcher_.advance(milliseconds(201));
  EXPECT_EQ("4 upstream request timeout", outcome_);
  EXPECT_TRUE(upstreams_.requests[0].reset);
}

TEST_F(UnaryCallTest, IsMadeAgainAsItsPolicySays) {
  const absl::string_view yaml = R"(
envoy_grpc: {cluster_name: service}
retry_policy: {num_retries: 2, retry_on: "unavailable,connect-failure"})";
  start(yaml);
  answer("", "14");
  EXPECT_EQ("", outcome_);
  dispatcher_.advance(milliseconds(30));
  ASSERT_EQ(2u, upstreams_.requests.size());
  EXPECT_EQ(upstreams_.requests[0].body, upstreams_.requests[1].body);
  EXPECT_EQ(upstreams_.requests[0].headers, upstreams_.requests[1].headers);
  answer(grpcFrame("now"), "0");
  EXPECT_EQ("ok now", outcome_);

  start(yaml);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ("", outcome_);
    answer("", "14", "down");
    dispatcher_.advance(milliseconds(300));
  }
  EXPECT_EQ("14 down", outcome_);

  start(yaml);
  answer("", "7", "no");
  EXPECT_EQ("7 no", outcome_);
}

TEST_F(UnaryCallTest, IsCancelledWhileItWaitsToBeMadeAgain) {
  start("{envoy_grpc: {cluster_name: service}, retry_policy: {retry_on: unavailable}}");
  answer("", "14");
  call_.reset();
  dispatcher_.advance(milliseconds(300));
  EXPECT_EQ(1u, upstreams_.requests.size());
  EXPECT_EQ("", outcome_);
}

TEST(ServiceConfigTest, TellsWhatIsWrong) {
  std::string mistakes;
  EXPECT_FALSE(service("google_grpc: {target_uri: x, stat_prefix: y}", &mistakes).has_value());
  EXPECT_THAT(mistakes, testing::HasSubstr("grpc_service.google_grpc: calls go over a cluster's connections"));
  EXPECT_FALSE(service("envoy_grpc: {}", &mistakes).has_value());
  EXPECT_THAT(mistakes, testing::HasSubstr("grpc_service.envoy_grpc.cluster_name: must name a cluster"));
  EXPECT_FALSE(
      service("{envoy_grpc: {cluster_name: a}, initial_metadata: [{key: a, value: '%NOPE%'}]}", &mistakes).has_value());
  EXPECT_THAT(mistakes, testing::HasSubstr("grpc_service.initial_metadata[0].value"));
  EXPECT_FALSE(service("{envoy_grpc: {cluster_name: a}, retry_policy: {retry_on: sometimes}}", &mistakes).has_value());
  EXPECT_THAT(mistakes, testing::HasSubstr("grpc_service.retry_policy.retry_on: \"sometimes\""));
}

}  // namespace
}  // namespace sluice::grpc
