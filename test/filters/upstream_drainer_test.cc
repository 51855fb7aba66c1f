// What a client left for its upstream when it went.

#include "source/filters/network/upstream_drainer.h"

#include "gtest/gtest.h"

#include "test/filters/tcp_proxy_fixture.h"

namespace sluice::filters {
namespace {

using std::chrono::milliseconds;
using test::Received;

class UpstreamDrainerTest : public test::TcpProxyFixture {
 protected:
  /** A client that left more than the upstream's socket takes, and has gone. */
  net::Socket leaveBytes(TcpProxySettings settings, size_t& sent) {
    setCluster();
    auto downstream = open(std::move(settings));
    net::Socket peer = accept();
    const std::string part(65536, 'x');
    size_t quiet = 0;
    EXPECT_TRUE(until([&] {
      const size_t now = test::sendSome(downstream->client, part);
      sent += now;
      quiet = now == 0 ? quiet + 1 : 0;
      // Until it is paused for good: then some wait in our buffer.
      return quiet > 2000;
    }));
    // What is still in the client's socket is read before its end is.
    Received up;
    ::shutdown(downstream->client.fd(), SHUT_RDWR);
    downstream->client.close();
    EXPECT_TRUE(until([&] {
      test::receiveSome(peer, up, 65536);
      return downstream->closed || up.bytes.size() >= sent;
    }));
    taken_ = up.bytes.size();
    return peer;
  }
  size_t taken_ = 0;
};

TEST_F(UpstreamDrainerTest, IsDelivered) {
  size_t sent = 0;
  net::Socket peer = leaveBytes(settings(), sent);
  Received up;
  EXPECT_TRUE(ends(peer, up));
  EXPECT_TRUE(up.end);
  EXPECT_EQ(taken_ + up.bytes.size(), sent);
  peer.close();
  EXPECT_TRUE(until([&] { return gauge("cluster.be.upstream_cx_active") == 0; }));
  EXPECT_EQ(gauge("tcp.t.upstream_flush_active"), 0);
}

TEST_F(UpstreamDrainerTest, IsGivenUpWhenThePeerGoes) {
  size_t sent = 0;
  net::Socket peer = leaveBytes(settings(), sent);
  test::resetOnClose(peer);
  peer.close();
  EXPECT_TRUE(until([&] { return gauge("cluster.be.upstream_cx_active") == 0; }));
  EXPECT_EQ(gauge("tcp.t.upstream_flush_active"), 0);
}

TEST_F(UpstreamDrainerTest, IsGivenUpAfterTheIdleTimeout) {
  size_t sent = 0;
  TcpProxySettings impatient = settings();
  impatient.idle_timeout = milliseconds(200);
  net::Socket peer = leaveBytes(impatient, sent);
  EXPECT_TRUE(until([&] { return gauge("cluster.be.upstream_cx_active") == 0; }));
  EXPECT_EQ(gauge("tcp.t.upstream_flush_active"), 0);
}

TEST_F(UpstreamDrainerTest, MayStillBeThereAtTheEnd) {
  size_t sent = 0;
  net::Socket peer = leaveBytes(settings(), sent);
  // The fixture ends the worker's objects; a leak or a late callback would show.
}

}  // namespace
}  // namespace sluice::filters
