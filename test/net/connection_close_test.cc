// How a connection ends: by the peer, by us, at once, flushed or delayed, and inside its own callbacks.

#include "test/net/connection_fixture.h"

namespace sluice::net {
namespace {

using event::ready::kClosed;
using event::ready::kRead;
using event::ready::kWrite;
using std::chrono::milliseconds;

TEST_F(ConnectionTest, EndWithoutHalfCloseComesAfterTheLastBytesAndTheirAnswer) {
  start();
  filter_.on_data = [this](Buffer& data, bool end_stream) {
    EXPECT_FALSE(end_stream);
    connection_->write(data, false);
    return FilterStatus::Continue;
  };
  receive("last", true);
  EXPECT_EQ("last", wire_->outgoing);
  EXPECT_EQ(Events{ConnectionEvent::RemoteClose}, callbacks_.events);
  EXPECT_EQ(Connection::State::Closed, connection_->state());
}

TEST_F(ConnectionTest, EndWithHalfCloseIsGivenOnceAndTheOtherDirectionStays) {
  connection_->enableHalfClose(true);
  start();
  receive("last", true);
  EXPECT_EQ(1, filter_.data_calls);
  EXPECT_EQ(1, filter_.ends);
  dispatcher_.fire(fd_, kRead | kClosed | kWrite);
  dispatcher_.runUntilIdle();
  EXPECT_EQ(1, filter_.ends);
  EXPECT_TRUE(callbacks_.events.empty());
  write("answer");
  EXPECT_EQ("answer", wire_->outgoing);
  write("", true);
  EXPECT_TRUE(wire_->outgoing_end);
  EXPECT_EQ(Events{ConnectionEvent::RemoteClose}, callbacks_.events);
}

TEST_F(ConnectionTest, OurEndFirstThenTheirs) {
  connection_->enableHalfClose(true);
  start();
  write("bye", true);
  EXPECT_TRUE(wire_->outgoing_end);
  EXPECT_EQ(Connection::State::Open, connection_->state());
  write("too late");
  EXPECT_EQ("bye", wire_->outgoing);
  receive("reply");
  EXPECT_EQ("reply", filter_.bytes);
  receive("", true);
  EXPECT_EQ(1, filter_.ends);
  EXPECT_EQ(Events{ConnectionEvent::RemoteClose}, callbacks_.events);
}

TEST_F(ConnectionTest, CloseAtOnceLosesWhatIsBufferedAndRaisesOneEvent) {
  start();
  dispatcher_.callback([&] {
    writeText(*connection_, "lost");
    connection_->close(CloseType::NoFlush, "because");
    EXPECT_EQ(Events{ConnectionEvent::LocalClose}, callbacks_.events);
    connection_->close(CloseType::NoFlush, "again");
    connection_->close(CloseType::FlushWrite);
    writeText(*connection_, "after");
  });
  EXPECT_EQ("", wire_->outgoing);
  EXPECT_EQ(1u, callbacks_.events.size());
  EXPECT_STREQ("because", connection_->streamInfo().local_close_reason);
  EXPECT_EQ(0u, dispatcher_.watched(fd_));
}

TEST_F(ConnectionTest, FlushingCloseWritesFirst) {
  start();
  wire_->takes = 2;
  dispatcher_.callback([&] {
    writeText(*connection_, "kept");
    connection_->close(CloseType::FlushWrite);
    writeText(*connection_, "not this");
  });
  EXPECT_EQ(Connection::State::Closing, connection_->state());
  receive("ignored");
  EXPECT_EQ("", filter_.bytes);
  wire_->takes = 100;
  dispatcher_.fire(fd_, kWrite);
  EXPECT_EQ("kept", wire_->outgoing);
  EXPECT_EQ(Events{ConnectionEvent::LocalClose}, callbacks_.events);
}

TEST_F(ConnectionTest, FlushingCloseWithNothingToFlushIsAtOnce) {
  start();
  connection_->close(CloseType::FlushWrite);
  EXPECT_EQ(Events{ConnectionEvent::LocalClose}, callbacks_.events);
}

TEST_F(ConnectionTest, AClosingConnectionMayBeClosedAtOnce) {
  start();
  wire_->takes = 0;
  write("stuck");
  connection_->close(CloseType::FlushWrite);
  EXPECT_EQ(Connection::State::Closing, connection_->state());
  connection_->close(CloseType::NoFlush);
  EXPECT_EQ(Events{ConnectionEvent::LocalClose}, callbacks_.events);
}

TEST_F(ConnectionTest, AFlushThatMakesNoProgressEndsAtItsTimeout) {
  connection_->setDelayedCloseTimeout(milliseconds(100));
  start();
  wire_->takes = 0;
  write("stuck");
  connection_->close(CloseType::FlushWrite);
  dispatcher_.advance(milliseconds(99));
  wire_->takes = 1;
  dispatcher_.fire(fd_, kWrite);
  dispatcher_.advance(milliseconds(99));
  EXPECT_EQ(Connection::State::Closing, connection_->state());
  dispatcher_.advance(milliseconds(1));
  EXPECT_EQ(Events{ConnectionEvent::LocalClose}, callbacks_.events);
  EXPECT_EQ(0u, dispatcher_.armedTimers());
}

TEST_F(ConnectionTest, DelayedCloseSendsItsEndAndWaitsForThePeers) {
  connection_->setDelayedCloseTimeout(milliseconds(100));
  start();
  dispatcher_.callback([&] {
    writeText(*connection_, "answer");
    connection_->close(CloseType::FlushWriteAndDelay);
  });
  EXPECT_EQ("answer", wire_->outgoing);
  EXPECT_TRUE(wire_->outgoing_end);
  EXPECT_EQ(Connection::State::Closing, connection_->state());
  receive("what it was still sending");
  EXPECT_EQ("", wire_->incoming);
  EXPECT_EQ("", filter_.bytes);
  receive("", true);
  EXPECT_EQ(Events{ConnectionEvent::RemoteClose}, callbacks_.events);
}

TEST_F(ConnectionTest, DelayedCloseReadsAwayWhatAPausedConnectionLeft) {
  connection_->setDelayedCloseTimeout(milliseconds(100));
  start();
  connection_->readDisable(true);
  receive("never read, and announced by no further event");
  dispatcher_.callback([&] { connection_->close(CloseType::FlushWriteAndDelay); });
  dispatcher_.runUntilIdle();
  EXPECT_EQ("", wire_->incoming);
  EXPECT_EQ("", filter_.bytes);
}

TEST_F(ConnectionTest, DelayedCloseEndsAtItsTimeout) {
  connection_->setDelayedCloseTimeout(milliseconds(100));
  start();
  dispatcher_.callback([&] { connection_->close(CloseType::FlushWriteAndDelay); });
  EXPECT_TRUE(wire_->outgoing_end);
  dispatcher_.advance(milliseconds(100));
  EXPECT_EQ(Events{ConnectionEvent::LocalClose}, callbacks_.events);
}

TEST_F(ConnectionTest, DelayedCloseWithoutATimeoutOnlyFlushes) {
  start();
  connection_->close(CloseType::FlushWriteAndDelay);
  EXPECT_EQ(Events{ConnectionEvent::LocalClose}, callbacks_.events);
}

TEST_F(ConnectionTest, EveryCallbackMayClose) {
  const auto expectClosedOnce = [this](const char* where) {
    EXPECT_EQ(Events{ConnectionEvent::LocalClose}, callbacks_.events) << where;
    EXPECT_EQ(Events{ConnectionEvent::LocalClose}, wire_->closed) << where;
  };
  const auto anew = [this] {
    dispatcher_.deferredDelete(std::move(connection_));
    dispatcher_.runUntilIdle();
    callbacks_ = RecordingCallbacks();
    filter_ = Recorded();
    wire_ = std::make_shared<test::Loopback>();
    connect();
  };
  for (FilterStatus status : {FilterStatus::Continue, FilterStatus::StopIteration}) {
    anew();
    filter_.on_new_connection = [&, status] {
      connection_->close(CloseType::NoFlush);
      return status;
    };
    start();
    receive("x");
    expectClosedOnce("onNewConnection");

    anew();
    filter_.on_data = [&, status](Buffer& data, bool) {
      connection_->write(data, false);
      connection_->close(CloseType::NoFlush);
      return status;
    };
    start();
    wire_->read_error = ECONNRESET;
    receive("x");
    expectClosedOnce("onData");

    anew();
    filter_.on_data = [&, status](Buffer&, bool) {
      connection_->close(CloseType::NoFlush);
      return status;
    };
    connection_->enableHalfClose(true);
    start();
    receive("x", true);
    expectClosedOnce("onData at the end");
  }
  anew();
  callbacks_.on_above = [&] { connection_->close(CloseType::NoFlush); };
  connection_->setBufferLimit(1);
  start();
  write("xxx");
  expectClosedOnce("onAboveWriteBufferHighWatermark");

  anew();
  callbacks_.on_below = [&] { connection_->close(CloseType::NoFlush); };
  connection_->setBufferLimit(1);
  start();
  write("xxx");
  expectClosedOnce("onBelowWriteBufferLowWatermark");

  anew();
  callbacks_.hook = [&](ConnectionEvent) { connection_->close(CloseType::NoFlush); };
  start();
  connection_->close(CloseType::NoFlush);
  expectClosedOnce("onEvent");
}

TEST_F(ConnectionTest, CallbacksMayBeRemovedWhileTheyRun) {
  RecordingCallbacks second;
  RecordingCallbacks third;
  RecordingCallbacks late;
  connection_->addCallbacks(second);
  connection_->addCallbacks(third);
  callbacks_.hook = [&](ConnectionEvent) {
    connection_->removeCallbacks(callbacks_);
    connection_->removeCallbacks(second);
    connection_->addCallbacks(late);
  };
  start();
  connection_->close(CloseType::NoFlush);
  EXPECT_EQ(1u, callbacks_.events.size());
  EXPECT_TRUE(second.events.empty());
  EXPECT_EQ(1u, third.events.size());
  EXPECT_TRUE(late.events.empty());
}

TEST_F(ConnectionTest, AResetThatLookedLikeBytesIsFoundByALookLater) {
  start();
  receive("last words");
  wire_->read_error = ECONNRESET;
  dispatcher_.runUntilIdle();
  EXPECT_EQ(1, wire_->reads);
  EXPECT_TRUE(callbacks_.events.empty());
  dispatcher_.runLaterTasks();
  EXPECT_EQ(Events{ConnectionEvent::RemoteClose}, callbacks_.events);
}

TEST_F(ConnectionTest, ASilentConnectionIsLookedAtOnce) {
  start();
  receive("x");
  dispatcher_.runLaterTasks();
  EXPECT_EQ(2, wire_->reads);
  dispatcher_.runLaterTasks();
  EXPECT_EQ(2, wire_->reads);
}

TEST_F(ConnectionTest, DestroyedWhileOpenItClosesInSilence) {
  start();
  wire_->takes = 0;
  write("x");
  connection_.reset();
  EXPECT_TRUE(callbacks_.events.empty());
  EXPECT_EQ(1u, wire_->closed.size());
  EXPECT_TRUE(dispatcher_.idle());
}

}  // namespace
}  // namespace sluice::net
