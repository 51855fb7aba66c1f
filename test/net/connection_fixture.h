#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

#include "source/net/connection.h"
#include "test/net/recorders.h"
#include "test/support/fake_dispatcher.h"
#include "test/support/loopback_transport.h"
#include "test/support/sockets.h"

namespace sluice::net {

/** A connection over a transport of strings and a dispatcher without time: what happens, in which turn, how often. */
class ConnectionTest : public testing::Test {
 public:
  using Events = std::vector<ConnectionEvent>;

  ConnectionTest() { connect(); }

  void connect() {
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
    using namespace event::ready;
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

}  // namespace sluice::net
