#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <utility>

#include <gtest/gtest.h>

#include "source/event/libevent_dispatcher.h"
#include "source/net/connection.h"
#include "source/net/raw_transport_socket.h"
#include "test/support/sockets.h"
#include "test/support/turn_until.h"

namespace sluice::net {

/** Two connections, each writing to the other what it reads: the least that is a TCP proxy. */
class Relay {
 public:
  /** Over two accepted (or otherwise connected) sockets. */
  Relay(event::Dispatcher& dispatcher, Socket left, Socket right, uint32_t buffer_limit, bool splice)
      : dispatcher_(dispatcher), left_(*this), right_(*this) {
    left_.other = &right_;
    right_.other = &left_;
    left_.connection = make(std::move(left), left_, buffer_limit);
    right_.connection = make(std::move(right), right_, buffer_limit);
    if (splice) {
      left_.connection->spliceTo(*right_.connection);
      right_.connection->spliceTo(*left_.connection);
    }
    left_.connection->initializeReadFilters();
    right_.connection->initializeReadFilters();
  }
  ~Relay() {
    for (Side* side : {&left_, &right_}) {
      if (side->connection != nullptr) {
        side->connection->removeCallbacks(*side);
        side->connection->close(CloseType::NoFlush);
        dispatcher_.deferredDelete(std::move(side->connection));
      }
    }
    dispatcher_.clearDeferredDeletes();
  }

  Connection& left() { return *left_.connection; }
  Connection& right() { return *right_.connection; }
  bool closed() const { return left_.closed && right_.closed; }

  struct Side : public ConnectionCallbacks {
    explicit Side(Relay& relay) : relay(relay) {}
    void onEvent(ConnectionEvent event) override {
      EXPECT_NE(ConnectionEvent::Connected, event);
      EXPECT_FALSE(closed) << "closed twice";
      closed = true;
      other->connection->close(CloseType::FlushWrite);
    }
    void onAboveWriteBufferHighWatermark() override {
      ++paused;
      other->connection->readDisable(true);
    }
    void onBelowWriteBufferLowWatermark() override {
      ++resumed;
      other->connection->readDisable(false);
    }

    Relay& relay;
    Side* other = nullptr;
    std::unique_ptr<Connection> connection;
    bool closed = false;
    int data_calls = 0;
    int ends = 0;
    int paused = 0;
    int resumed = 0;
  };
  Side& leftSide() { return left_; }
  Side& rightSide() { return right_; }

 private:
  class Filter : public ReadFilter {
   public:
    explicit Filter(Side& side) : side_(side) {}
    void initialize(ReadFilterCallbacks&) override {}
    FilterStatus onNewConnection() override { return FilterStatus::Continue; }
    FilterStatus onData(Buffer& data, bool end_stream) override {
      ++side_.data_calls;
      side_.ends += end_stream ? 1 : 0;
      side_.other->connection->write(data, end_stream);
      return FilterStatus::StopIteration;
    }

   private:
    Side& side_;
  };

  std::unique_ptr<Connection> make(Socket socket, Side& side, uint32_t buffer_limit) {
    auto connection = Connection::server(dispatcher_, std::move(socket), std::make_unique<RawTransportSocket>(), {});
    connection->enableHalfClose(true);
    connection->setBufferLimit(buffer_limit);
    connection->addCallbacks(side);
    connection->addReadFilter(std::make_unique<Filter>(side));
    return connection;
  }

  event::Dispatcher& dispatcher_;
  Side left_;
  Side right_;
};

}  // namespace sluice::net
