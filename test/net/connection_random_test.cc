// Thousands of random operations on relayed connections: whatever peers do and in whatever order, bytes arrive in order,
// ends arrive once and after the last byte, and nothing is left behind.

#include <memory>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "source/net/splice_pump.h"
#include "test/net/relay.h"

namespace sluice::net {
namespace {

/** What every peer sends, from its `offset`th byte on; repeats itself after a number of bytes that divides nothing. */
absl::string_view bytesAt(uint64_t offset, size_t size) {
  static constexpr size_t kPeriod = 65521;
  static const std::string* const kBytes = [] {
    std::mt19937 random(1);
    auto* bytes = new std::string(kPeriod, '\0');
    for (char& byte : *bytes) {
      byte = static_cast<char>(random());
    }
    while (bytes->size() < 5 * kPeriod) {
      bytes->append(*bytes, 0, kPeriod);
    }
    return bytes;
  }();
  return absl::string_view(*kBytes).substr(offset % kPeriod, size);
}

/** A peer of the relay: how much it sent, and what it got. */
struct Peer {
  Socket socket;
  uint64_t sent = 0;
  test::Received received;
  bool ended = false;
  bool gone = false;
};

class RandomRelay {
 public:
  RandomRelay(event::Dispatcher& dispatcher, std::mt19937& random) : dispatcher_(dispatcher), random_(random) {
    static constexpr uint32_t kLimits[] = {0, 1000, 32768, 1 << 20};
    auto left = random() % 4 == 0 ? test::unixPair() : test::tcpPair();
    auto right = random() % 4 == 0 ? test::unixPair() : test::tcpPair();
    peers_[0].socket = std::move(left.second);
    peers_[1].socket = std::move(right.second);
    relay_ = std::make_unique<Relay>(dispatcher, std::move(left.first), std::move(right.first), kLimits[random() % 4],
                                     random() % 2 == 0);
    streams_ = random() % 2 == 0;
  }

  void step() {
    Peer& peer = peers_[random_() % 2];
    switch (random_() % 16) {
      default:
        send(peer);
        break;
      case 7:
      case 8:
      case 9:
      case 10:
        if (!peer.gone) {
          test::receiveSome(peer.socket, peer.received, random_() % (streams_ ? 400000 : 3000));
        }
        break;
      case 11:
        pause(random_() % 2);
        break;
      case 12:
        if (random_() % 50 == 0) {
          end(peer);
        }
        break;
      case 13:
        if (random_() % 300 == 0 && !peer.gone) {
          if (random_() % 2 == 0) {
            test::resetOnClose(peer.socket);
          }
          peer.socket.close();
          peer.gone = broken_ = true;
        }
        break;
      case 14:
        if (random_() % 300 == 0 && !relay_->closed()) {
          closeOne();
        }
        break;
    }
    if (random_() % 3 == 0) {
      dispatcher_.run(event::Dispatcher::RunType::NonBlock);
    }
  }

  void finish() {
    pause(-1);
    for (Peer& peer : peers_) {
      end(peer);
    }
    ASSERT_TRUE(test::turnUntil(dispatcher_, [this] {
      for (Peer& peer : peers_) {
        if (!peer.gone) {
          test::receiveSome(peer.socket, peer.received);
        }
      }
      return relay_->closed();
    }));
    for (int i : {0, 1}) {
      Peer& to = peers_[i];
      const Peer& from = peers_[1 - i];
      if (to.gone) {
        continue;
      }
      test::receiveSome(to.socket, to.received);
      const std::string& got = to.received.bytes;
      ASSERT_LE(got.size(), from.sent);
      for (size_t at = 0; at < got.size(); at += 100000) {
        const absl::string_view part = absl::string_view(got).substr(at, 100000);
        ASSERT_TRUE(part == bytesAt(at, part.size())) << "bytes out of order after " << at;
      }
      if (!broken_) {
        EXPECT_EQ(from.sent, got.size());
        EXPECT_TRUE(to.received.end);
        EXPECT_EQ(0, to.received.error);
      }
    }
    if (!broken_) {
      EXPECT_EQ(1, relay_->leftSide().ends);
      EXPECT_EQ(1, relay_->rightSide().ends);
      EXPECT_EQ(peers_[0].sent, relay_->left().bytesReceived());
      EXPECT_EQ(peers_[0].sent, relay_->right().bytesSent());
      EXPECT_EQ(peers_[1].sent, relay_->left().bytesSent());
    }
  }

 private:
  void send(Peer& peer) {
    if (peer.gone || peer.ended || peer.sent > (16u << 20)) {
      return;
    }
    peer.sent += test::sendSome(peer.socket, bytesAt(peer.sent, 1 + random_() % (streams_ ? 200000 : 2000)));
  }
  void end(Peer& peer) {
    if (!peer.gone && !peer.ended) {
      peer.ended = true;
      ::shutdown(peer.socket.fd(), SHUT_WR);
    }
  }
  /** Disables or enables a side's reading on top of what the watermarks do; -1 ends all of it. */
  void pause(int side) {
    for (int i : {0, 1}) {
      Connection& connection = i == 0 ? relay_->left() : relay_->right();
      if (side == i || (side < 0 && paused_[i])) {
        paused_[i] = !paused_[i];
        connection.readDisable(paused_[i]);
      }
    }
  }
  void closeOne() {
    static constexpr CloseType kTypes[] = {CloseType::FlushWrite, CloseType::FlushWriteAndDelay, CloseType::NoFlush,
                                           CloseType::AbortReset};
    broken_ = true;
    (random_() % 2 == 0 ? relay_->left() : relay_->right()).close(kTypes[random_() % 4]);
  }

  event::Dispatcher& dispatcher_;
  std::mt19937& random_;
  std::unique_ptr<Relay> relay_;
  Peer peers_[2];
  bool streams_ = false;
  bool broken_ = false;
  bool paused_[2] = {};
};

TEST(ConnectionRandomTest, BytesArriveInOrderWhateverHappens) {
  event::LibeventDispatcher dispatcher("test");
  const int64_t held = slice_pool::held();
  for (uint32_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    {
      // Several at a time, so that they share turns, slices and pipes.
      std::vector<std::unique_ptr<RandomRelay>> relays;
      for (int i = 0; i < 4; ++i) {
        relays.push_back(std::make_unique<RandomRelay>(dispatcher, random));
      }
      for (int step = 0; step < 1500; ++step) {
        relays[random() % relays.size()]->step();
      }
      for (const auto& relay : relays) {
        relay->finish();
        if (testing::Test::HasFailure()) {
          return;
        }
      }
    }
    ASSERT_EQ(held, slice_pool::held());
    ASSERT_EQ(0u, pipe_pool::lent());
  }
}

}  // namespace
}  // namespace sluice::net
