// What a connection writes: when, how much of it waits, and what a failure leaves of the other direction.

#include "source/stats/store.h"
#include "test/net/connection_fixture.h"

namespace sluice::net {
namespace {

using event::ready::kWrite;
using std::chrono::milliseconds;

TEST_F(ConnectionTest, WritesOfOneCallbackAreFlushedOnce) {
  start();
  filter_.on_data = [this](Buffer& data, bool) {
    connection_->write(data, false);
    writeText(*connection_, " and ");
    writeText(*connection_, "more");
    EXPECT_EQ(0, wire_->writes);
    return FilterStatus::Continue;
  };
  receive("this");
  EXPECT_EQ(1, wire_->writes);
  EXPECT_EQ("this and more", wire_->outgoing);
  EXPECT_EQ(13u, connection_->bytesSent());
}

TEST_F(ConnectionTest, WriteErrorStillDeliversAllThatThePeerSaidBefore) {
  connection_->enableHalfClose(true);
  start();
  wire_->write_error = EPIPE;
  wire_->incoming = std::string(1 << 20, 'x');
  wire_->incoming_end = true;
  write("upload");
  EXPECT_EQ("", filter_.bytes) << "it is read in turns of its own";
  dispatcher_.runOnce();
  EXPECT_LT(filter_.bytes.size(), size_t{1} << 20);
  write("goes nowhere");
  EXPECT_TRUE(callbacks_.events.empty());
  dispatcher_.runUntilIdle();
  EXPECT_EQ(size_t{1} << 20, filter_.bytes.size());
  EXPECT_EQ(Events{ConnectionEvent::RemoteClose}, callbacks_.events);
  EXPECT_TRUE(connection_->endedByError());
  EXPECT_EQ(0, filter_.ends) << "a reset is no end";
  EXPECT_EQ(1, wire_->writes);
}

TEST_F(ConnectionTest, WriteErrorLetsThoseGoOnWhoWaitForTheBufferToEmpty) {
  connection_->setBufferLimit(4);
  start();
  wire_->takes = 0;
  write("upload");
  ASSERT_EQ(1, callbacks_.above);
  connection_->readDisable(true);
  wire_->write_error = EPIPE;
  test::sendSome(peer_, "its answer");
  dispatcher_.fire(fd_, kWrite);
  EXPECT_EQ(1, callbacks_.below);
  EXPECT_FALSE(connection_->aboveHighWatermark());
}

TEST_F(ConnectionTest, WriteErrorClosesAPausedConnectionThatNothingWaitsIn) {
  start();
  connection_->readDisable(true);
  wire_->write_error = EPIPE;
  write("upload");
  dispatcher_.runUntilIdle();
  EXPECT_EQ(Events{ConnectionEvent::RemoteClose}, callbacks_.events);
}

TEST_F(ConnectionTest, WriteErrorWaitsForThePausedReaderOfWhatWaits) {
  start();
  connection_->readDisable(true);
  test::sendSome(peer_, "its answer");
  wire_->incoming = "its answer";
  wire_->write_error = EPIPE;
  write("upload");
  dispatcher_.advance(milliseconds(59'000));
  EXPECT_TRUE(callbacks_.events.empty());
  connection_->readDisable(false);
  dispatcher_.runUntilIdle();
  EXPECT_EQ("its answer", filter_.bytes);
  EXPECT_EQ(Events{ConnectionEvent::RemoteClose}, callbacks_.events);
  EXPECT_EQ(0u, dispatcher_.armedTimers());
}

TEST_F(ConnectionTest, WriteErrorDoesNotWaitForEverForAReader) {
  start();
  connection_->readDisable(true);
  test::sendSome(peer_, "its answer");
  wire_->write_error = EPIPE;
  write("upload");
  dispatcher_.advance(milliseconds(59'999));
  EXPECT_TRUE(callbacks_.events.empty());
  dispatcher_.advance(milliseconds(1));
  EXPECT_EQ(Events{ConnectionEvent::RemoteClose}, callbacks_.events);
  EXPECT_TRUE(connection_->endedByError());
}

TEST_F(ConnectionTest, WatermarksAreRaisedOnceEachWay) {
  connection_->setBufferLimit(100);
  start();
  wire_->takes = 0;
  write(std::string(100, 'x'));
  EXPECT_EQ(0, callbacks_.above);
  write("x");
  write("x");
  EXPECT_EQ(1, callbacks_.above);
  EXPECT_TRUE(connection_->aboveHighWatermark());
  wire_->takes = 51;
  dispatcher_.fire(fd_, kWrite);
  EXPECT_EQ(0, callbacks_.below);
  wire_->takes = 1;
  dispatcher_.fire(fd_, kWrite);
  EXPECT_EQ(1, callbacks_.below);
  EXPECT_FALSE(connection_->aboveHighWatermark());
  wire_->takes = 1000;
  dispatcher_.fire(fd_, kWrite);
  EXPECT_EQ(102u, wire_->outgoing.size());
  EXPECT_EQ(1, callbacks_.above);
  EXPECT_EQ(1, callbacks_.below);
}

TEST_F(ConnectionTest, ABlockedSocketIsNotAskedAgainBeforeItsEvent) {
  start();
  wire_->takes = 1;
  write("abc");
  EXPECT_EQ(1, wire_->writes);
  write("def");
  EXPECT_EQ(1, wire_->writes);
  wire_->takes = 100;
  dispatcher_.fire(fd_, kWrite);
  EXPECT_EQ("abcdef", wire_->outgoing);
  dispatcher_.fire(fd_, kWrite);
  EXPECT_EQ(2, wire_->writes);
}

TEST_F(ConnectionTest, WriteFiltersRunFromTheLastToTheFirstAndMayHoldBytes) {
  start();
  Buffer held;
  connection_->addWriteFilter(std::make_unique<FunctionWriteFilter>([](FunctionWriteFilter&, Buffer& data, bool) {
    data.prepend("1");
    return FilterStatus::Continue;
  }));
  FunctionWriteFilter* holder = nullptr;
  bool hold = true;
  connection_->addWriteFilter(std::make_unique<FunctionWriteFilter>([&](FunctionWriteFilter& self, Buffer& data, bool) {
    data.prepend("2");
    holder = &self;
    if (hold) {
      held.move(data);
      return FilterStatus::StopIteration;
    }
    return FilterStatus::Continue;
  }));
  write("x");
  EXPECT_EQ("", wire_->outgoing);
  hold = false;
  dispatcher_.callback([&] { connection_->continueWriting(*holder, held, false); });
  EXPECT_EQ("12x", wire_->outgoing);
  EXPECT_TRUE(held.empty());
  write("y", true);
  EXPECT_EQ("12x12y", wire_->outgoing);
  EXPECT_TRUE(wire_->outgoing_end);
}

TEST_F(ConnectionTest, WhatIsBufferedMovesToNewStatistics) {
  stats::Store store;
  const stats::ScopePtr before = store.createScope("before");
  const stats::ScopePtr after = store.createScope("after");
  ConnectionStats cells;
  cells.write_buffered = before->gauge("buffered");
  connection_->setStats(cells);
  start();
  wire_->takes = 1;
  write("abc");
  EXPECT_EQ(2u, store.gaugeValue("before.buffered"));
  cells.write_buffered = after->gauge("buffered");
  connection_->setStats(cells);
  EXPECT_EQ(0u, store.gaugeValue("before.buffered"));
  EXPECT_EQ(2u, store.gaugeValue("after.buffered"));
  wire_->takes = 100;
  dispatcher_.fire(fd_, kWrite);
  EXPECT_EQ(0u, store.gaugeValue("after.buffered"));
}

}  // namespace
}  // namespace sluice::net
