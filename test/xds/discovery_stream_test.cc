#include "source/xds/discovery_stream.h"

#include <memory>

#include "gtest/gtest.h"

#include "source/stats/store.h"
#include "test/support/fake_dispatcher.h"
#include "test/xds/fake_transport.h"

namespace sluice::xds {
namespace {

using std::chrono::milliseconds;

class DiscoveryStreamTest : public ::testing::Test, public DiscoveryStream::Owner {
 protected:
  void make(DiscoveryStream::Options options = {}) {
    stream_ =
        std::make_unique<DiscoveryStream>(main_, *store_.root(), random_, wire_.transport(), "xds", options, *this);
  }
  void onStreamOpened() override { ++opened_; }
  void onStreamMessage(grpc::ByteBuffer) override { ++messages_; }
  void onStreamClosed() override { ++closed_; }

  uint64_t connected() { return store_.gaugeValue("control_plane.connected_state"); }

  test::FakeDispatcher main_;
  stats::Store store_;
  base::Random random_{42};
  test::FakeWire wire_;
  std::unique_ptr<DiscoveryStream> stream_;
  int opened_ = 0;
  int closed_ = 0;
  int messages_ = 0;
};

TEST_F(DiscoveryStreamTest, IsConnectedWhenTheWireSaysSo) {
  make();
  EXPECT_FALSE(wire_.isOpen());
  stream_->start();
  EXPECT_TRUE(wire_.isOpen());
  EXPECT_EQ(opened_, 1);
  EXPECT_EQ(connected(), 0u);
  wire_.connect();
  EXPECT_EQ(connected(), 1u);
  wire_.close();
  EXPECT_EQ(connected(), 0u);
  EXPECT_EQ(closed_, 1);
}

TEST_F(DiscoveryStreamTest, ComesBackWithinItsBackOff) {
  make();
  stream_->start();
  wire_.close();
  EXPECT_FALSE(wire_.isOpen());
  main_.advance(milliseconds(500));
  EXPECT_EQ(wire_.opened(), 2);
  EXPECT_EQ(opened_, 2);
  EXPECT_EQ(stream_->number(), 2u);
}

TEST_F(DiscoveryStreamTest, BacksOffUpToTheMaximumAndStartsAnewOnceHealthy) {
  make({milliseconds(100), milliseconds(1000), std::nullopt});
  stream_->start();
  for (int i = 0; i < 20; ++i) {
    wire_.close();
    main_.advance(milliseconds(1000));
    ASSERT_TRUE(wire_.isOpen()) << "attempt " << i;
  }
  stream_->healthy();
  wire_.close();
  main_.advance(milliseconds(100));
  EXPECT_TRUE(wire_.isOpen());
}

TEST_F(DiscoveryStreamTest, AStreamThatCannotEvenBeginIsTriedAgain) {
  make({milliseconds(100), milliseconds(100), std::nullopt});
  wire_.failToOpen(absl::NotFoundError("no cluster 'xds'"));
  stream_->start();
  EXPECT_EQ(closed_, 1);
  EXPECT_EQ(opened_, 0);
  wire_.failToOpen(absl::OkStatus());
  main_.advance(milliseconds(100));
  EXPECT_EQ(opened_, 1);
}

TEST_F(DiscoveryStreamTest, TakesAFewMessagesAtATime) {
  make();
  stream_->start();
  const int credit = wire_.credit();
  EXPECT_GT(credit, 0);
  wire_.receiveBytes("x");
  EXPECT_EQ(messages_, 1);
  EXPECT_EQ(wire_.credit(), credit - 1);
  stream_->messageConsumed(1);
  EXPECT_EQ(wire_.credit(), credit);
  // A message of an earlier stream buys nothing on this one.
  wire_.close();
  main_.advance(milliseconds(500));
  stream_->messageConsumed(1);
  EXPECT_EQ(wire_.credit(), credit);
}

TEST_F(DiscoveryStreamTest, RateLimitHoldsRequestsBack) {
  make({milliseconds(500), milliseconds(500), RateLimit{2, 10}});
  stream_->start();
  for (int i = 0; i < 5; ++i) {
    stream_->send("");
  }
  EXPECT_EQ(wire_.takeRequests().size(), 2u);
  EXPECT_EQ(store_.gaugeValue("control_plane.pending_requests"), 3u);
  EXPECT_EQ(store_.counterValue("control_plane.rate_limit_enforced"), 1u);
  main_.advance(milliseconds(101));
  EXPECT_EQ(wire_.takeRequests().size(), 1u);
  main_.advance(milliseconds(300));
  EXPECT_EQ(wire_.takeRequests().size(), 2u);
  EXPECT_EQ(store_.gaugeValue("control_plane.pending_requests"), 0u);
}

TEST_F(DiscoveryStreamTest, WhatWaitedForALostStreamIsForgotten) {
  make({milliseconds(100), milliseconds(100), RateLimit{1, 1}});
  stream_->start();
  stream_->send("a");
  stream_->send("b");
  wire_.close();
  EXPECT_EQ(store_.gaugeValue("control_plane.pending_requests"), 0u);
  main_.advance(milliseconds(3000));
  EXPECT_TRUE(wire_.isOpen());
  EXPECT_TRUE(wire_.takeRequests().empty());
}

}  // namespace
}  // namespace sluice::xds
