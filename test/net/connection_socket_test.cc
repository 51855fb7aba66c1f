// Connections over real sockets and the real loop.

#include <netinet/tcp.h>
#include <sys/resource.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "source/event/libevent_dispatcher.h"
#include "source/net/connection.h"
#include "source/net/raw_transport_socket.h"
#include "test/net/recorders.h"
#include "test/net/relay.h"
#include "test/support/sockets.h"

namespace sluice::net {
namespace {

using Events = std::vector<ConnectionEvent>;
using std::chrono::milliseconds;

class ConnectionSocketTest : public testing::Test {
 protected:
  /** A server connection, and its peer as a plain socket. */
  void accept(std::pair<Socket, Socket> pair) {
    peer_ = std::move(pair.second);
    connection_ = Connection::server(dispatcher_, std::move(pair.first), std::make_unique<RawTransportSocket>(), {});
    connection_->addCallbacks(callbacks_);
    connection_->enableHalfClose(true);
    connection_->addReadFilter(std::make_unique<RecordingFilter>(filter_));
    connection_->initializeReadFilters();
  }
  void connect(const Address& to, const ClientSocketOptions& options = {}) {
    connection_ = Connection::client(dispatcher_, to, std::make_unique<RawTransportSocket>(), options);
    connection_->addCallbacks(callbacks_);
    connection_->addReadFilter(std::make_unique<RecordingFilter>(filter_));
    connection_->connect();
    EXPECT_TRUE(callbacks_.events.empty()) << "the outcome comes from a later turn";
  }
  bool until(const std::function<bool()>& done) { return test::turnUntil(dispatcher_, done); }
  bool untilEvents(const Events& events) {
    return until([&] { return callbacks_.events.size() >= events.size(); }) && callbacks_.events == events;
  }
  void turn(int turns = 3) {
    for (int i = 0; i < turns; ++i) {
      dispatcher_.run(event::Dispatcher::RunType::NonBlock);
    }
  }

  event::LibeventDispatcher dispatcher_{"test"};
  RecordingCallbacks callbacks_;
  Recorded filter_;
  Socket peer_;
  std::unique_ptr<Connection> connection_;
};

TEST_F(ConnectionSocketTest, ConnectsWritesAndReads) {
  const test::ListeningSocket listening = test::listenOnLoopback();
  connect(listening.address);
  writeText(*connection_, "early");
  ASSERT_TRUE(untilEvents({ConnectionEvent::Connected}));
  ASSERT_TRUE(until([&] {
    Address remote;
    return acceptConnection(listening.socket.fd(), peer_, remote) == 0;
  }));
  test::Received received;
  ASSERT_TRUE(until([&] {
    test::receiveSome(peer_, received);
    return received.bytes == "early";
  }));
  test::sendSome(peer_, "hello");
  ASSERT_TRUE(until([&] { return filter_.bytes == "hello"; }));
  EXPECT_EQ(1, filter_.new_connections);
  EXPECT_EQ(listening.address, remoteAddress(connection_->socket()));
}

TEST_F(ConnectionSocketTest, ARefusedConnectionSaysSo) {
  test::ListeningSocket listening = test::listenOnLoopback();
  listening.socket.close();
  connect(listening.address);
  ASSERT_TRUE(untilEvents({ConnectionEvent::RemoteClose}));
  EXPECT_EQ("delayed connect error: Connection refused", connection_->failureReason());
}

TEST_F(ConnectionSocketTest, AFailureAtOnceComesFromALaterTurnToo) {
  connect(Address::pipe("/nonexistent/path.sock").value());
  ASSERT_TRUE(untilEvents({ConnectionEvent::RemoteClose}));
  EXPECT_EQ("immediate connect error: No such file or directory", connection_->failureReason());
}

TEST_F(ConnectionSocketTest, ASourceThatCannotBeBoundIsOurFailure) {
  ClientSocketOptions options;
  options.source = Address::ip("192.0.2.1", 0).value();
  connect(Address::ip("127.0.0.1", 1).value(), options);
  ASSERT_TRUE(untilEvents({ConnectionEvent::LocalClose}));
  EXPECT_EQ("cannot bind a connection to 127.0.0.1:1: Cannot assign requested address", connection_->failureReason());
}

TEST_F(ConnectionSocketTest, RunningOutOfDescriptorsIsOurFailure) {
  rlimit before;
  ASSERT_EQ(0, ::getrlimit(RLIMIT_NOFILE, &before));
  const Socket next(::dup(0));
  rlimit none = before;
  none.rlim_cur = next.fd();
  ASSERT_EQ(0, ::setrlimit(RLIMIT_NOFILE, &none));
  connect(Address::ip("127.0.0.1", 1).value());
  ::setrlimit(RLIMIT_NOFILE, &before);
  ASSERT_TRUE(untilEvents({ConnectionEvent::LocalClose}));
  EXPECT_EQ("cannot make a socket for a connection to 127.0.0.1:1: Too many open files", connection_->failureReason());
}

TEST_F(ConnectionSocketTest, ClosedWhileConnectingItRaisesOneEvent) {
  const test::ListeningSocket listening = test::listenOnLoopback();
  connect(listening.address);
  connection_->close(CloseType::FlushWrite);
  EXPECT_EQ(Events{ConnectionEvent::LocalClose}, callbacks_.events);
  turn();
  EXPECT_EQ(1u, callbacks_.events.size());
}

TEST_F(ConnectionSocketTest, ConnectsToAUnixSocket) {
  ListenSocketOptions options;
  options.address = Address::pipe("@sluice-connection-test-" + std::to_string(::getpid())).value();
  Socket listening = bindListenSocket(options).value();
  ASSERT_TRUE(startListening(listening, options, 1).ok());
  connect(options.address);
  ASSERT_TRUE(untilEvents({ConnectionEvent::Connected}));
  Address remote;
  ASSERT_EQ(0, acceptConnection(listening.fd(), peer_, remote));
  test::sendSome(peer_, "hello");
  ASSERT_TRUE(until([&] { return filter_.bytes == "hello"; }));
}

TEST_F(ConnectionSocketTest, LastBytesAndEndInOnePacketAreOneCall) {
  accept(test::tcpPair());
  turn();
  const int cork = 1;
  ASSERT_EQ(0, ::setsockopt(peer_.fd(), IPPROTO_TCP, TCP_CORK, &cork, sizeof(cork)));
  test::sendSome(peer_, "last");
  ::shutdown(peer_.fd(), SHUT_WR);
  ASSERT_TRUE(until([&] { return filter_.ends > 0; }));
  EXPECT_EQ("last", filter_.bytes);
  EXPECT_EQ(1, filter_.data_calls);
  turn();
  EXPECT_EQ(1, filter_.ends);
  EXPECT_TRUE(callbacks_.events.empty());
  writeText(*connection_, "and the answer", true);
  test::Received received;
  ASSERT_TRUE(until([&] {
    test::receiveSome(peer_, received);
    return received.end;
  }));
  EXPECT_EQ("and the answer", received.bytes);
  EXPECT_EQ(Events{ConnectionEvent::RemoteClose}, callbacks_.events);
}

TEST_F(ConnectionSocketTest, AnEndThatWasThereBeforeUsIsSeen) {
  auto pair = test::tcpPair();
  test::sendSome(pair.second, "all of it");
  ::shutdown(pair.second.fd(), SHUT_WR);
  accept(std::move(pair));
  ASSERT_TRUE(until([&] { return filter_.ends == 1; }));
  EXPECT_EQ("all of it", filter_.bytes);
}

TEST_F(ConnectionSocketTest, OurEndLeavesTheOtherDirectionOpen) {
  accept(test::tcpPair());
  writeText(*connection_, "bye", true);
  test::Received received;
  ASSERT_TRUE(until([&] {
    test::receiveSome(peer_, received);
    return received.end;
  }));
  EXPECT_EQ("bye", received.bytes);
  test::sendSome(peer_, std::string(100000, 'x'));
  ASSERT_TRUE(until([&] { return filter_.bytes.size() == 100000; }));
  EXPECT_TRUE(callbacks_.events.empty());
  peer_.close();
  ASSERT_TRUE(untilEvents({ConnectionEvent::RemoteClose}));
  EXPECT_EQ(1, filter_.ends);
}

TEST_F(ConnectionSocketTest, APeersResetCloses) {
  accept(test::tcpPair());
  turn();
  test::resetOnClose(peer_);
  peer_.close();
  ASSERT_TRUE(untilEvents({ConnectionEvent::RemoteClose}));
  EXPECT_EQ(0, filter_.ends);
}

TEST_F(ConnectionSocketTest, APeersResetIsSeenWhileReadingIsDisabled) {
  accept(test::tcpPair());
  connection_->readDisable(true);
  turn();
  test::resetOnClose(peer_);
  peer_.close();
  ASSERT_TRUE(untilEvents({ConnectionEvent::RemoteClose}));
}

TEST_F(ConnectionSocketTest, APeersResetAfterItsEndIsSeen) {
  accept(test::tcpPair());
  ::shutdown(peer_.fd(), SHUT_WR);
  ASSERT_TRUE(until([&] { return filter_.ends == 1; }));
  test::resetOnClose(peer_);
  peer_.close();
  // A peer that has closed answers what we still send with a reset.
  writeText(*connection_, "into the void");
  ASSERT_TRUE(untilEvents({ConnectionEvent::RemoteClose}));
}

TEST_F(ConnectionSocketTest, BytesBeforeAResetAreDeliveredWhenReadingGoesOn) {
  accept(test::tcpPair());
  connection_->readDisable(true);
  turn();
  test::sendSome(peer_, "precious");
  turn();
  test::resetOnClose(peer_);
  peer_.close();
  turn();
  EXPECT_TRUE(callbacks_.events.empty());
  connection_->readDisable(false);
  ASSERT_TRUE(untilEvents({ConnectionEvent::RemoteClose}));
  EXPECT_EQ("precious", filter_.bytes);
}

TEST_F(ConnectionSocketTest, BytesBeforeAResetAreDeliveredThoughWritingMetItFirst) {
  accept(test::tcpPair());
  connection_->readDisable(true);
  turn();
  test::sendSome(peer_, "precious");
  test::resetOnClose(peer_);
  peer_.close();
  writeText(*connection_, "into the void");
  turn();
  EXPECT_TRUE(callbacks_.events.empty());
  EXPECT_TRUE(connection_->endedByError());
  connection_->readDisable(false);
  ASSERT_TRUE(untilEvents({ConnectionEvent::RemoteClose}));
  EXPECT_EQ("precious", filter_.bytes);
  EXPECT_EQ(0, filter_.ends);
}

TEST_F(ConnectionSocketTest, AResetThatCameWithTheLastBytesIsFoundLater) {
  accept(test::tcpPair());
  turn();
  test::sendSome(peer_, "last words");
  test::resetOnClose(peer_);
  peer_.close();
  turn();
  EXPECT_EQ("last words", filter_.bytes);
  ASSERT_TRUE(untilEvents({ConnectionEvent::RemoteClose}));
}

TEST_F(ConnectionSocketTest, AbortingSendsAReset) {
  accept(test::tcpPair());
  writeText(*connection_, "never seen");
  connection_->close(CloseType::AbortReset);
  EXPECT_EQ(Events{ConnectionEvent::LocalClose}, callbacks_.events);
  test::Received received;
  ASSERT_TRUE(until([&] {
    test::receiveSome(peer_, received);
    return received.error != 0 || received.end;
  }));
  EXPECT_EQ(ECONNRESET, received.error);
  EXPECT_EQ("", received.bytes);
}

TEST_F(ConnectionSocketTest, ADelayedCloseLetsAPeerThatStillSendsReadItsAnswer) {
  accept(test::tcpPair());
  connection_->setDelayedCloseTimeout(milliseconds(60000));
  test::sendSome(peer_, std::string(200000, 'x'));
  writeText(*connection_, "answer");
  connection_->close(CloseType::FlushWriteAndDelay);
  test::Received received;
  ASSERT_TRUE(until([&] {
    test::sendSome(peer_, std::string(10000, 'x'));
    test::receiveSome(peer_, received);
    return received.end;
  }));
  EXPECT_EQ("answer", received.bytes);
  EXPECT_EQ(0, received.error);
  EXPECT_EQ(Connection::State::Closing, connection_->state());
  peer_.close();
  ASSERT_TRUE(until([&] { return !callbacks_.events.empty(); }));
}

TEST_F(ConnectionSocketTest, AFlushingCloseWritesEverythingToASlowReader) {
  accept(test::tcpPair());
  const std::string answer(8 << 20, 'x');
  writeText(*connection_, answer);
  connection_->close(CloseType::FlushWrite);
  turn(10);
  EXPECT_EQ(Connection::State::Closing, connection_->state());
  test::Received received;
  ASSERT_TRUE(until([&] {
    test::receiveSome(peer_, received, 50000);
    return received.end;
  }));
  EXPECT_EQ(answer.size(), received.bytes.size());
  EXPECT_EQ(Events{ConnectionEvent::LocalClose}, callbacks_.events);
}

TEST_F(ConnectionSocketTest, APeerThatNeverReadsEndsAtTheDelayedCloseTimeout) {
  accept(test::tcpPair());
  connection_->setDelayedCloseTimeout(milliseconds(20));
  writeText(*connection_, std::string(16 << 20, 'x'));
  connection_->close(CloseType::FlushWrite);
  ASSERT_TRUE(untilEvents({ConnectionEvent::LocalClose}));
}

TEST_F(ConnectionSocketTest, ASlowReaderHoldsABoundedAmountOfOurMemory) {
  auto [left, client] = test::tcpPair();
  auto [right, server] = test::tcpPair();
  constexpr uint32_t kLimit = 256 * 1024;
  Relay relay(dispatcher_, std::move(left), std::move(right), kLimit, false);
  const std::string chunk(256 * 1024, 'x');
  size_t sent = 0;
  int64_t most = 0;
  // Until two rounds in a row move nothing: the reader's and our buffers are full.
  for (int still = 0; still < 100; ++still) {
    const size_t part = test::sendSome(client, chunk);
    turn(1);
    most = std::max(most, slice_pool::held());
    sent += part;
    still = part > 0 ? 0 : still;
  }
  EXPECT_LE(most * int64_t{kSliceAllocation}, 4 * int64_t{kLimit});
  EXPECT_GT(relay.rightSide().paused, 0);
  EXPECT_TRUE(relay.right().aboveHighWatermark());
  test::Received received;
  client.close();
  ASSERT_TRUE(until([&] {
    test::receiveSome(server, received);
    return received.end;
  }));
  EXPECT_EQ(sent, received.bytes.size());
  EXPECT_EQ(relay.rightSide().paused, relay.rightSide().resumed);
  server.close();
  EXPECT_TRUE(until([&] { return relay.closed(); }));
}

}  // namespace
}  // namespace sluice::net
