// A gRPC stream whose sides send messages as they come.

#include "source/grpc/stream_call.h"

#include <memory>
#include <string>
#include <vector>

#include "google/protobuf/wrappers.pb.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test/grpc/fake_upstreams.h"
#include "test/support/fake_dispatcher.h"

namespace sluice::grpc {
namespace {

using test::grpcFrame;
using testing::ElementsAre;

class StreamCallTest : public testing::Test, public StreamCallCallbacks {
 protected:
  StreamCallTest() {
    service_.cluster = service_.authority = "service";
    service_.max_message_bytes = 100;
  }
  void onMessage(absl::string_view message) override {
    heard_.emplace_back(message);
    if (message == "delete") {
      call_.reset();
    }
  }
  void onClosed(const Status& status) override {
    heard_.push_back(absl::StrCat("closed ", status.code, " ", status.message));
    call_.reset();
  }
  void start() {
    call_ = std::make_unique<StreamCall>(upstreams_, dispatcher_, service_, *this);
    call_->start("/test.Service/Stream");
  }
  void send(const std::string& text) {
    google::protobuf::StringValue message;
    message.set_value(text);
    call_->send(message);
  }

  test::FakeDispatcher dispatcher_;
  test::FakeUpstreams upstreams_;
  ServiceConfig service_;
  std::unique_ptr<StreamCall> call_;
  std::vector<std::string> heard_;
};

TEST_F(StreamCallTest, CarriesMessagesBothWays) {
  upstreams_.ready = false;
  start();
  send("a");
  upstreams_.last()->becomeReady();
  send("b");
  EXPECT_EQ(grpcFrame("\x0a\x01"
                      "a") +
                grpcFrame("\x0a\x01"
                          "b"),
            upstreams_.requests[0].body);
  EXPECT_FALSE(upstreams_.requests[0].complete);
  upstreams_.last()->answerHeaders({{":status", "200"}}, false);
  upstreams_.last()->answerData(grpcFrame("x") + grpcFrame("") + grpcFrame("y").substr(0, 3), false);
  upstreams_.last()->answerData(grpcFrame("y").substr(3), false);
  EXPECT_THAT(heard_, ElementsAre("x", "", "y"));
  call_->end();
  EXPECT_TRUE(upstreams_.requests[0].complete);
  upstreams_.last()->answerTrailers({{"grpc-status", "0"}});
  EXPECT_THAT(heard_, ElementsAre("x", "", "y", "closed 0 "));
  EXPECT_TRUE(upstreams_.requests[0].ended);
}

TEST_F(StreamCallTest, IsGivenUpWhenTheServerEndsFirst) {
  start();
  upstreams_.last()->answerHeaders({{":status", "200"}, {"grpc-status", "8"}, {"grpc-message", "full"}}, true);
  EXPECT_THAT(heard_, ElementsAre("closed 8 full"));
  EXPECT_TRUE(upstreams_.requests[0].reset);
}

TEST_F(StreamCallTest, MayBeDeletedByAMessage) {
  start();
  upstreams_.last()->answerHeaders({{":status", "200"}}, false);
  upstreams_.last()->answerData(grpcFrame("delete") + grpcFrame("unheard"), false);
  EXPECT_THAT(heard_, ElementsAre("delete"));
  EXPECT_TRUE(upstreams_.requests[0].reset);
  dispatcher_.runUntilIdle();
}

TEST_F(StreamCallTest, ClosesOnAMessageThatIsTooLarge) {
  start();
  upstreams_.last()->answerHeaders({{":status", "200"}}, false);
  upstreams_.last()->answerData(grpcFrame(std::string(101, 'x')), false);
  EXPECT_THAT(heard_, ElementsAre("closed 8 a message is larger than max_receive_message_length"));
}

TEST_F(StreamCallTest, ClosesWithItsConnection) {
  start();
  upstreams_.last()->reset(http::ResetReason::ConnectionTermination, "");
  EXPECT_THAT(heard_, ElementsAre("closed 14 upstream reset: connection_termination"));
}

}  // namespace
}  // namespace sluice::grpc
