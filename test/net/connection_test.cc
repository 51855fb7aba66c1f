// What a connection reads and what its filters make of it.

#include "source/net/connection.h"

#include "test/net/connection_fixture.h"

namespace sluice::net {
namespace {

using event::ready::kRead;
using std::chrono::milliseconds;

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

TEST_F(ConnectionTest, AServerRaisesNothingWhenItIsOpen) {
  start();
  receive("x");
  EXPECT_TRUE(callbacks_.events.empty());
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
