// Bytes that pass inside the kernel: all that users see stays as it is without.

#include <sys/resource.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "source/net/splice_pump.h"
#include "test/net/recorders.h"
#include "test/net/relay.h"

namespace sluice::net {
namespace {

std::string pattern(size_t size) {
  std::string out(size, '\0');
  for (size_t i = 0; i < size; ++i) {
    out[i] = static_cast<char>((i * 31 + (i >> 9)) & 0xff);
  }
  return out;
}

class ConnectionSpliceTest : public testing::Test {
 protected:
  void start(uint32_t buffer_limit = 1 << 20, bool unix_sockets = false) {
    auto left = unix_sockets ? test::unixPair() : test::tcpPair();
    auto right = unix_sockets ? test::unixPair() : test::tcpPair();
    client_ = std::move(left.second);
    server_ = std::move(right.second);
    relay_.emplace(dispatcher_, std::move(left.first), std::move(right.first), buffer_limit, true);
  }
  bool until(const std::function<bool()>& done) { return test::turnUntil(dispatcher_, done); }
  void turn(int turns) {
    for (int i = 0; i < turns; ++i) {
      dispatcher_.run(event::Dispatcher::RunType::NonBlock);
    }
  }
  /** Sends all of `bytes` and has the other side read them. */
  void stream(const Socket& from, const Socket& to, const std::string& bytes) {
    size_t sent = 0;
    test::Received received;
    ASSERT_TRUE(until([&] {
      sent += test::sendSome(from, absl::string_view(bytes).substr(sent));
      test::receiveSome(to, received);
      return received.bytes.size() >= bytes.size();
    }));
    ASSERT_TRUE(bytes == received.bytes);
    EXPECT_FALSE(received.end);
  }

  /** Sends until nothing has gone for so many turns; returns what went. */
  std::string fill(int quiet_turns) {
    const std::string chunk = pattern(1 << 20);
    std::string all;
    for (int still = 0; still < quiet_turns; ++still) {
      const size_t part = test::sendSome(client_, chunk);
      all += chunk.substr(0, part);
      turn(1);
      still = part > 0 ? 0 : still;
    }
    return all;
  }

  event::LibeventDispatcher dispatcher_{"test"};
  Socket client_;
  Socket server_;
  std::optional<Relay> relay_;
};

TEST_F(ConnectionSpliceTest, AStreamNoLongerPassesTheFilterAndIsCountedAllTheSame) {
  start();
  const std::string bytes = pattern(32 << 20);
  stream(client_, server_, bytes);
  const int calls = relay_->leftSide().data_calls;
  EXPECT_LT(calls, 64);
  EXPECT_EQ(bytes.size(), relay_->left().bytesReceived());
  EXPECT_EQ(bytes.size(), relay_->left().streamInfo().bytes_received);
  EXPECT_EQ(bytes.size(), relay_->right().bytesSent());
  EXPECT_EQ(bytes.size(), relay_->right().streamInfo().bytes_sent);
  EXPECT_EQ(0u, relay_->right().bytesReceived());
  EXPECT_EQ(0u, pipe_pool::lent());
}

TEST_F(ConnectionSpliceTest, UnixSocketsToo) {
  start(1 << 20, true);
  stream(client_, server_, pattern(8 << 20));
  stream(server_, client_, pattern(8 << 20));
  EXPECT_EQ(0u, pipe_pool::lent());
}

TEST_F(ConnectionSpliceTest, SmallExchangesKeepPassingTheFilter) {
  start();
  for (int i = 0; i < 200; ++i) {
    stream(client_, server_, pattern(1000));
    stream(server_, client_, pattern(1000));
  }
  EXPECT_GE(relay_->leftSide().data_calls, 200);
  EXPECT_GE(relay_->rightSide().data_calls, 200);
}

TEST_F(ConnectionSpliceTest, AStreamThatBecomesATrickleIsReadAsOne) {
  start();
  stream(client_, server_, pattern(4 << 20));
  const int calls = relay_->leftSide().data_calls;
  for (int i = 0; i < 20; ++i) {
    stream(client_, server_, pattern(10));
  }
  EXPECT_GE(relay_->leftSide().data_calls, calls + 19);
}

TEST_F(ConnectionSpliceTest, TheEndIsWrittenAfterTheLastByte) {
  start();
  const std::string bytes = pattern(24 << 20);
  size_t sent = 0;
  bool ended = false;
  test::Received received;
  ASSERT_TRUE(until([&] {
    sent += test::sendSome(client_, absl::string_view(bytes).substr(sent));
    if (sent == bytes.size() && !ended) {
      ended = true;
      ::shutdown(client_.fd(), SHUT_WR);
    }
    test::receiveSome(server_, received, 300000);
    return received.end;
  }));
  EXPECT_TRUE(bytes == received.bytes);
  EXPECT_EQ(1, relay_->leftSide().ends);
  // The other direction stays.
  stream(server_, client_, pattern(1 << 20));
  server_.close();
  EXPECT_TRUE(until([&] { return relay_->closed(); }));
}

TEST_F(ConnectionSpliceTest, APeerThatDoesNotReadPausesTheOtherSide) {
  start();
  std::string all = fill(100);
  EXPECT_EQ(1u, pipe_pool::lent());
  EXPECT_TRUE(relay_->right().aboveHighWatermark());
  EXPECT_FALSE(relay_->left().readEnabled());
  EXPECT_LE(slice_pool::held(), 4);
  test::Received received;
  ASSERT_TRUE(until([&] {
    test::receiveSome(server_, received, 100000);
    return received.bytes.size() == all.size();
  }));
  EXPECT_TRUE(all == received.bytes);
  turn(3);
  EXPECT_EQ(0u, pipe_pool::lent());
  EXPECT_EQ(relay_->rightSide().paused, relay_->rightSide().resumed);
  EXPECT_TRUE(relay_->left().readEnabled());
  stream(client_, server_, pattern(1 << 20));
}

TEST_F(ConnectionSpliceTest, WithoutALimitItPausesOfItself) {
  start(0);
  const std::string bytes = pattern(64 << 20);
  size_t sent = 0;
  test::Received received;
  ASSERT_TRUE(until([&] {
    sent += test::sendSome(client_, absl::string_view(bytes).substr(sent));
    test::receiveSome(server_, received, 200000);
    EXPECT_LE(slice_pool::held() * int64_t{kSliceAllocation}, int64_t{4 << 20});
    return received.bytes.size() == bytes.size();
  }));
  EXPECT_TRUE(bytes == received.bytes);
  EXPECT_EQ(0, relay_->rightSide().paused);
}

TEST_F(ConnectionSpliceTest, BytesInThePipeOutliveTheConnectionThatTheyCameFrom) {
  start();
  std::string all = fill(100);
  ASSERT_EQ(1u, pipe_pool::lent());
  const uint64_t taken = relay_->left().bytesReceived();
  relay_->left().close(CloseType::NoFlush);
  EXPECT_EQ(Connection::State::Closing, relay_->right().state());
  test::Received received;
  ASSERT_TRUE(until([&] {
    test::receiveSome(server_, received);
    return received.end;
  }));
  EXPECT_TRUE(all.substr(0, taken) == received.bytes);
  EXPECT_EQ(0u, pipe_pool::lent());
  EXPECT_TRUE(relay_->closed());
}

TEST_F(ConnectionSpliceTest, AResetOnEitherSideClosesBothAndFreesThePipe) {
  for (bool at_client : {true, false}) {
    start();
    fill(20);
    Socket& breaks = at_client ? client_ : server_;
    Socket& stays = at_client ? server_ : client_;
    test::resetOnClose(breaks);
    breaks.close();
    test::Received received;
    ASSERT_TRUE(until([&] {
      test::receiveSome(stays, received);
      return relay_->closed();
    })) << at_client;
    EXPECT_EQ(0u, pipe_pool::lent());
  }
}

TEST_F(ConnectionSpliceTest, WhatIsWrittenBesidesGoesAfterThePipe) {
  start();
  std::string all = fill(100);
  ASSERT_EQ(1u, pipe_pool::lent());
  const uint64_t taken = relay_->left().bytesReceived();
  writeText(relay_->right(), "beside");
  all.insert(taken, "beside");
  test::Received received;
  ASSERT_TRUE(until([&] {
    test::receiveSome(server_, received);
    return received.bytes.size() == all.size();
  }));
  EXPECT_TRUE(all == received.bytes);
}

TEST_F(ConnectionSpliceTest, WithoutDescriptorsForAPipeBytesGoThroughBuffers) {
  start();
  rlimit before;
  ASSERT_EQ(0, ::getrlimit(RLIMIT_NOFILE, &before));
  // Pipes that earlier tests left in the pool would do without new descriptors.
  std::vector<SplicePipe*> pooled;
  rlimit none = before;
  none.rlim_cur = 3;
  ASSERT_EQ(0, ::setrlimit(RLIMIT_NOFILE, &none));
  while (SplicePipe* pipe = pipe_pool::borrow()) {
    pooled.push_back(pipe);
  }
  const std::string bytes = pattern(4 << 20);
  stream(client_, server_, bytes);
  ::setrlimit(RLIMIT_NOFILE, &before);
  for (SplicePipe* pipe : pooled) {
    pipe_pool::giveBack(pipe);
  }
  EXPECT_GT(relay_->leftSide().data_calls, 20);
}

TEST_F(ConnectionSpliceTest, AWriteFilterOfThePeerSeesEverything) {
  start();
  size_t seen = 0;
  relay_->right().addWriteFilter(std::make_unique<FunctionWriteFilter>([&](FunctionWriteFilter&, Buffer& data, bool) {
    seen += data.length();
    return FilterStatus::Continue;
  }));
  stream(client_, server_, pattern(4 << 20));
  EXPECT_EQ(size_t{4 << 20}, seen);
}

}  // namespace
}  // namespace sluice::net
