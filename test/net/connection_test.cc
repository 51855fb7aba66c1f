// A connection over a transport of strings and a dispatcher without time: what happens, in which turn, how often.

#include "source/net/connection.h"

#include <gtest/gtest.h>

#include "source/stats/store.h"
#include "test/net/recorders.h"
#include "test/support/fake_dispatcher.h"
#include "test/support/loopback_transport.h"
#include "test/support/sockets.h"

namespace sluice::net {
namespace {

using event::ready::kClosed;
using event::ready::kRead;
using event::ready::kWrite;
using Events = std::vector<ConnectionEvent>;
using std::chrono::milliseconds;

class ConnectionTest : public testing::Test {
 public:
  ConnectionTest() {
    auto [ours, theirs] = test::unixPair();
    fd_ = ours.fd();
    peer_ = std::move(theirs);
    connection_ = Connection::server(dispatcher_, std::move(ours), std::make_unique<test::LoopbackTransport>(wire_),
                                     StreamInfo());
    connection_->addCallbacks(callbacks_);
  }

  void start() {
    connection_->addReadFilter(std::make_unique<RecordingFilter>(filter_));
    dispatcher_.callback([this] { ASSERT_TRUE(connection_->initializeReadFilters()); });
  }
  void receive(absl::string_view bytes, bool end = false) {
    wire_->incoming.append(bytes.data(), bytes.size());
    wire_->incoming_end = end;
    dispatcher_.fire(fd_, end ? kRead | kWrite | kClosed : kRead | kWrite);
  }
  void write(absl::string_view bytes, bool end = false) {
    dispatcher_.callback([&] { writeText(*connection_, bytes, end); });
  }

  test::FakeDispatcher dispatcher_;
  std::shared_ptr<test::Loopback> wire_ = std::make_shared<test::Loopback>();
  Socket peer_;
  int fd_ = -1;
  RecordingCallbacks callbacks_;
  Recorded filter_;
  std::unique_ptr<Connection> connection_;
};

TEST_F(ConnectionTest, ReadsNothingBeforeItsFiltersAreThere) {
  EXPECT_FALSE(connection_->initializeReadFilters());
  wire_->incoming = "hello";
  EXPECT_FALSE(dispatcher_.fire(fd_, kRead));
  start();
  EXPECT_EQ(1, filter_.new_connections);
  receive("");
  EXPECT_EQ("hello", filter_.bytes);
  EXPECT_EQ(5u, connection_->bytesReceived());
  EXPECT_EQ(5u, connection_->streamInfo().bytes_received);
}

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

TEST_F(ConnectionTest, AServerRaisesNothingWhenItIsOpen) {
  start();
  receive("x");
  EXPECT_TRUE(callbacks_.events.empty());
}

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

TEST_F(ConnectionTest, ReadErrorDeliversWhatCameBeforeIt) {
  connection_->enableHalfClose(true);
  start();
  wire_->read_error = ECONNRESET;
  receive("before");
  EXPECT_EQ("before", filter_.bytes);
  EXPECT_EQ(0, filter_.ends);
  EXPECT_EQ(Events{ConnectionEvent::RemoteClose}, callbacks_.events);
  EXPECT_EQ(Events{ConnectionEvent::RemoteClose}, wire_->closed);
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

TEST_F(ConnectionTest, ReadingIsDisabledByCountAndTriedOnceWhenEnabled) {
  start();
  connection_->readDisable(true);
  connection_->readDisable(true);
  receive("waits");
  EXPECT_EQ("", filter_.bytes);
  connection_->readDisable(false);
  dispatcher_.runUntilIdle();
  EXPECT_EQ("", filter_.bytes);
  EXPECT_FALSE(connection_->readEnabled());
  connection_->readDisable(false);
  EXPECT_EQ("", filter_.bytes);
  dispatcher_.runOnce();
  EXPECT_EQ("waits", filter_.bytes);
  EXPECT_EQ(1, wire_->reads);
  dispatcher_.runUntilIdle();
  EXPECT_EQ(1, wire_->reads);
}

TEST_F(ConnectionTest, AnEventThatComesBeforeTheTriedReadSparesIt) {
  start();
  connection_->readDisable(true);
  connection_->readDisable(false);
  receive("x");
  dispatcher_.runUntilIdle();
  EXPECT_EQ("x", filter_.bytes);
  EXPECT_EQ(1, wire_->reads);
}

TEST_F(ConnectionTest, WhatExceedsATurnsBudgetWaitsForTheNext) {
  start();
  receive(std::string(1 << 20, 'x'));
  const size_t first = filter_.bytes.size();
  EXPECT_LT(first, size_t{1} << 20);
  EXPECT_EQ(1, filter_.data_calls);
  dispatcher_.runOnce();
  EXPECT_EQ(2 * first, filter_.bytes.size());
  dispatcher_.runUntilIdle();
  EXPECT_EQ(size_t{1} << 20, filter_.bytes.size());
}

TEST_F(ConnectionTest, ReadingIsNotPutOffForEverByWritingInEveryTurn) {
  start();
  receive(std::string(1 << 20, 'x'));
  class Writer : public event::IntrusiveTask {
   public:
    explicit Writer(ConnectionTest& test) : test_(test) {}
    void run() override {
      test_.dispatcher_.runNextTurn(*this);
      writeText(*test_.connection_, "x");
    }

   private:
    ConnectionTest& test_;
  };
  Writer writer(*this);
  dispatcher_.runNextTurn(writer);
  for (int turn = 0; turn < 40; ++turn) {
    dispatcher_.runOnce();
  }
  EXPECT_EQ(size_t{1} << 20, filter_.bytes.size());
}

TEST_F(ConnectionTest, APausedConnectionWithoutHalfCloseSeesThePeerGo) {
  start();
  connection_->readDisable(true);
  receive("", true);
  EXPECT_EQ(Events{ConnectionEvent::RemoteClose}, callbacks_.events);
}

TEST_F(ConnectionTest, APausedConnectionWithHalfCloseKeepsTheEndForLater) {
  connection_->enableHalfClose(true);
  start();
  connection_->readDisable(true);
  receive("bytes", true);
  EXPECT_TRUE(callbacks_.events.empty());
  connection_->readDisable(false);
  dispatcher_.runUntilIdle();
  EXPECT_EQ("bytes", filter_.bytes);
  EXPECT_EQ(1, filter_.ends);
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

TEST_F(ConnectionTest, AFilterThatKeepsItsBytesIsReadUpToTheLimitOnly) {
  connection_->setBufferLimit(10000);
  Buffer* held = nullptr;
  filter_.on_data = [&](Buffer& data, bool) {
    held = &data;
    return FilterStatus::StopIteration;
  };
  start();
  Recorded second;
  connection_->addReadFilter(std::make_unique<RecordingFilter>(second));
  receive(std::string(50000, 'x'));
  dispatcher_.runUntilIdle();
  ASSERT_NE(nullptr, held);
  EXPECT_GE(held->length(), 10000u);
  EXPECT_LE(held->length(), 10000u + 4096);
  EXPECT_EQ("", second.bytes);
  // The next filter takes all of it, so reading goes on.
  filter_.on_data = nullptr;
  dispatcher_.callback([&] { filter_.callbacks->continueReading(); });
  dispatcher_.runUntilIdle();
  EXPECT_EQ(1, second.new_connections);
  EXPECT_GE(second.bytes.size(), 10000u);
  EXPECT_EQ("", wire_->incoming);
}

TEST_F(ConnectionTest, AFilterThatPausedANewConnectionGoesOnWithTheNext) {
  filter_.on_new_connection = [] { return FilterStatus::StopIteration; };
  filter_.on_data = [](Buffer&, bool) { return FilterStatus::StopIteration; };
  Recorded second;
  connection_->enableHalfClose(true);
  connection_->addReadFilter(std::make_unique<RecordingFilter>(filter_));
  connection_->addReadFilter(std::make_unique<RecordingFilter>(second));
  dispatcher_.callback([&] { connection_->initializeReadFilters(); });
  EXPECT_EQ(0, second.new_connections);
  receive("early", true);
  EXPECT_EQ(0, second.new_connections);
  dispatcher_.callback([&] { filter_.callbacks->continueReading(); });
  EXPECT_EQ(1, second.new_connections);
  EXPECT_EQ("early", second.bytes);
  EXPECT_EQ(1, second.ends);
}

TEST_F(ConnectionTest, ContinueReadingInsideOnDataPassesTheBytesOn) {
  Recorded second;
  filter_.on_data = [&](Buffer& data, bool) {
    data.prepend("<");
    filter_.callbacks->continueReading();
    return FilterStatus::StopIteration;
  };
  connection_->addReadFilter(std::make_unique<RecordingFilter>(filter_));
  connection_->addReadFilter(std::make_unique<RecordingFilter>(second));
  dispatcher_.callback([&] { connection_->initializeReadFilters(); });
  receive("a");
  receive("b");
  EXPECT_EQ("<a<b", second.bytes);
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
    auto [ours, theirs] = test::unixPair();
    fd_ = ours.fd();
    peer_ = std::move(theirs);
    connection_ = Connection::server(dispatcher_, std::move(ours), std::make_unique<test::LoopbackTransport>(wire_),
                                     StreamInfo());
    connection_->addCallbacks(callbacks_);
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

TEST_F(ConnectionTest, LastActivityIsTheTurnOfTheLastByte) {
  start();
  const base::MonotonicTime made = connection_->lastActivity();
  dispatcher_.advance(milliseconds(10));
  receive("x");
  EXPECT_EQ(made + milliseconds(10), connection_->lastActivity());
  dispatcher_.advance(milliseconds(10));
  write("x");
  EXPECT_EQ(made + milliseconds(20), connection_->lastActivity());
}

TEST_F(ConnectionTest, AnIdleConnectionHoldsNoSlice) {
  const int64_t held = slice_pool::held();
  start();
  filter_.on_data = [this](Buffer& data, bool) {
    connection_->write(data, false);
    return FilterStatus::Continue;
  };
  receive(std::string(100000, 'x'));
  dispatcher_.runUntilIdle();
  EXPECT_EQ(100000u, wire_->outgoing.size());
  EXPECT_EQ(held, slice_pool::held());
}

TEST_F(ConnectionTest, ATransportMayAskToReadAndWriteAgain) {
  start();
  wire_->incoming = "hidden in the transport";
  dispatcher_.callback([&] { wire_->callbacks->scheduleRead(); });
  dispatcher_.runUntilIdle();
  EXPECT_EQ("hidden in the transport", filter_.bytes);
  wire_->takes = 0;
  write("x");
  wire_->takes = 1;
  dispatcher_.callback([&] { wire_->callbacks->scheduleWrite(); });
  EXPECT_EQ("x", wire_->outgoing);
}

}  // namespace
}  // namespace sluice::net
