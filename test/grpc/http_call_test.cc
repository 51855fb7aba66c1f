// One HTTP request to a cluster and its answer.

#include "source/grpc/http_call.h"

#include <functional>
#include <memory>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test/grpc/fake_upstreams.h"
#include "test/support/fake_dispatcher.h"

namespace sluice::grpc {
namespace {

using testing::ElementsAre;
using testing::IsSupersetOf;

class HttpCallTest : public testing::Test, public HttpCallCallbacks {
 protected:
  void onResponse(const HttpResponse& response) override {
    outcome_ = absl::StrCat(response.status, " ", response.body.toString(), " ",
                            response.headers.get(http::HeaderId::ContentType));
    over();
  }
  void onFailure(CallFailure, absl::string_view text) override {
    outcome_ = absl::StrCat("failed: ", text);
    over();
  }
  void over() {
    if (delete_in_callback_) {
      call_.reset();
    }
  }

  void start(const std::string& text, HttpCall::Options options = {"service"}) {
    call_ = std::make_unique<HttpCall>(upstreams_, dispatcher_, *this);
    call_->headers().add(":method", text.empty() ? "GET" : "POST");
    call_->headers().add(":path", "/check");
    call_->headers().add(":authority", "auth");
    net::Buffer body;
    body.append(text);
    call_->start(options, body);
  }

  test::FakeDispatcher dispatcher_;
  test::FakeUpstreams upstreams_;
  std::unique_ptr<HttpCall> call_;
  std::string outcome_;
  bool delete_in_callback_ = false;
};

TEST_F(HttpCallTest, GivesTheWholeAnswer) {
  start("");
  EXPECT_TRUE(upstreams_.requests[0].complete);
  upstreams_.last()->answerHeaders({{":status", "200"}, {"content-type", "text/plain"}}, false);
  upstreams_.last()->answerData("hel", false);
  EXPECT_EQ("", outcome_);
  upstreams_.last()->answerData("lo", true);
  EXPECT_EQ("200 hello text/plain", outcome_);
  EXPECT_TRUE(upstreams_.requests[0].ended);
  EXPECT_FALSE(upstreams_.requests[0].reset);
}

TEST_F(HttpCallTest, SendsTheBodyWithItsLengthOnceThereIsAConnection) {
  upstreams_.ready = false;
  HttpCall::Options options{"service"};
  options.timeout = std::chrono::milliseconds(200);
  start("some body", options);
  EXPECT_EQ("", upstreams_.requests[0].body);
  upstreams_.last()->becomeReady();
  EXPECT_EQ("some body", upstreams_.requests[0].body);
  EXPECT_TRUE(upstreams_.requests[0].complete);
  EXPECT_THAT(upstreams_.requests[0].headers,
              IsSupersetOf({":method: POST", ":path: /check", "content-length: 9", "x-envoy-internal: true",
                            "x-envoy-expected-rq-timeout-ms: 200"}));
}

TEST_F(HttpCallTest, TimesOut) {
  HttpCall::Options options{"service"};
  options.timeout = std::chrono::milliseconds(200);
  start("", options);
  dispatcher_.advance(std::chrono::milliseconds(199));
  EXPECT_EQ("", outcome_);
  dispatcher_.advance(std::chrono::milliseconds(2));
  EXPECT_EQ("failed: upstream request timeout", outcome_);
  EXPECT_TRUE(upstreams_.requests[0].reset);
}

TEST_F(HttpCallTest, TellsWhyThereIsNoAnswer) {
  upstreams_.known = "other";
  start("");
  EXPECT_EQ("failed: cluster not found: service", outcome_);

  upstreams_.known = "service";
  upstreams_.ready = false;
  start("");
  upstreams_.last()->failToConnect(cluster::PoolFailure::RemoteConnectionFailure, "refused");
  EXPECT_EQ("failed: upstream connect error: refused", outcome_);

  upstreams_.ready = true;
  start("");
  upstreams_.last()->reset(http::ResetReason::ConnectionTermination, "gone");
  EXPECT_EQ("failed: upstream reset: gone", outcome_);
}

TEST_F(HttpCallTest, RefusesAnAnswerThatIsTooLarge) {
  HttpCall::Options options{"service"};
  options.max_response_bytes = 4;
  start("", options);
  upstreams_.last()->answerHeaders({{":status", "200"}}, false);
  upstreams_.last()->answerData("12345", false);
  EXPECT_EQ("failed: response too large", outcome_);
  EXPECT_TRUE(upstreams_.requests[0].reset);
}

TEST_F(HttpCallTest, MayBeDeletedInItsCallbacks) {
  delete_in_callback_ = true;
  start("");
  upstreams_.last()->answer("200", {}, "ok");
  EXPECT_EQ("200 ok ", outcome_);
  dispatcher_.runUntilIdle();

  start("");
  upstreams_.last()->reset(http::ResetReason::Remote, "");
  EXPECT_EQ("failed: upstream reset: remote_reset", outcome_);
  dispatcher_.runUntilIdle();

  upstreams_.known = "other";
  start("");
  EXPECT_EQ("failed: cluster not found: service", outcome_);
}

TEST_F(HttpCallTest, IsCancelledByDestroyingIt) {
  start("");
  call_.reset();
  EXPECT_TRUE(upstreams_.requests[0].reset);
  EXPECT_FALSE(upstreams_.underWay());
  EXPECT_EQ("", outcome_);
}

}  // namespace
}  // namespace sluice::grpc
