// Workers' clusters and their TCP connections, over real sockets.

#include "source/cluster/local_clusters.h"

#include <atomic>
#include <functional>
#include <thread>

#include <gtest/gtest.h>

#include "source/cluster/tcp_connection.h"
#include "test/cluster/local_clusters_fixture.h"

namespace sluice::cluster {
namespace {

using std::chrono::milliseconds;

/** Records what it is told, and may do something about it. */
struct User : TcpUpstreamCallbacks {
  void onUpstreamConnected() override {
    ++connected;
    if (then) {
      then();
    }
  }
  void onUpstreamFailure(TcpFailure why, absl::string_view text) override {
    failure = why;
    details = std::string(text);
    if (then) {
      then();
    }
  }

  int connected = 0;
  std::optional<TcpFailure> failure;
  std::string details;
  std::function<void()> then;
};

class LocalClustersTest : public test::LocalClustersFixture {
 protected:
  std::unique_ptr<TcpUpstream> connect(User& user) {
    TcpConnectResult result = cluster().connectTcp(user, LoadBalancerContext());
    return std::move(std::get<std::unique_ptr<TcpUpstream>>(result));
  }
  TcpFailure refused() {
    User user;
    return std::get<TcpFailure>(cluster().connectTcp(user, LoadBalancerContext()));
  }
  std::unique_ptr<TcpUpstream> connected(User& user) {
    std::unique_ptr<TcpUpstream> upstream = connect(user);
    EXPECT_TRUE(until([&] { return user.connected == 1; }));
    return upstream;
  }
};

TEST_F(LocalClustersTest, AConnectionIsCountedFromBeginningToEnd) {
  addDefault();
  User user;
  std::unique_ptr<TcpUpstream> upstream = connect(user);
  EXPECT_EQ(0, user.connected) << "from a later turn";
  EXPECT_EQ(1, counter("upstream_cx_total"));
  EXPECT_EQ(1, gauge("upstream_cx_active"));
  EXPECT_EQ(1, gauge("upstream_rq_pending_active"));
  ASSERT_TRUE(until([&] { return user.connected == 1; }));
  EXPECT_EQ(0, gauge("upstream_rq_pending_active"));
  EXPECT_EQ(1, gauge("upstream_rq_active"));
  EXPECT_EQ(1, store_.histogramCount("cluster.be.upstream_cx_connect_ms"));

  net::Socket peer;
  net::Address remote;
  ASSERT_TRUE(until([&] { return net::acceptConnection(backend_.socket.fd(), peer, remote) == 0; }));
  net::Buffer data;
  data.append("hello");
  upstream->connection().write(data, false);
  test::Received received;
  ASSERT_TRUE(until([&] {
    test::receiveSome(peer, received);
    return received.bytes == "hello";
  }));
  EXPECT_EQ(5, counter("upstream_cx_tx_bytes_total"));

  net::UpstreamInfo info;
  upstream->describe(info);
  EXPECT_EQ("be", *info.cluster_name);
  EXPECT_EQ("host.test", *info.host_name);
  EXPECT_EQ(backend_.address, info.host);
  EXPECT_EQ(remote, info.local);
  EXPECT_EQ(5u, info.bytes_sent);
  EXPECT_TRUE(info.connect_complete.has_value());

  peer.close();
  upstream->connection().close(net::CloseType::NoFlush);
  EXPECT_EQ(0, gauge("upstream_cx_active"));
  EXPECT_EQ(0, gauge("upstream_rq_active"));
  EXPECT_EQ(1, counter("upstream_cx_destroy"));
  EXPECT_EQ(1, counter("upstream_cx_destroy_local"));
  EXPECT_EQ(1, counter("upstream_cx_destroy_local_with_active_rq"));
  EXPECT_EQ(1, store_.histogramCount("cluster.be.upstream_cx_length_ms"));
  EXPECT_EQ(1u, endpoint_->counts().cx_total);
  EXPECT_EQ(0u, endpoint_->counts().cx_active);
  upstream.reset();
  EXPECT_EQ(1, counter("upstream_cx_destroy")) << "once";
}

TEST_F(LocalClustersTest, ARefusedConnectionIsAFailure) {
  backend_.socket.close();
  addDefault();
  User user;
  std::unique_ptr<TcpUpstream> upstream = connect(user);
  user.then = [&] { upstream.reset(); };
  ASSERT_TRUE(until([&] { return user.failure.has_value(); }));
  EXPECT_EQ(TcpFailure::ConnectFailure, *user.failure);
  EXPECT_NE(std::string::npos, user.details.find("Connection refused")) << user.details;
  EXPECT_EQ(1, counter("upstream_cx_connect_fail"));
  EXPECT_EQ(1, counter("upstream_cx_destroy_remote"));
  EXPECT_EQ(0, counter("upstream_cx_destroy_with_active_rq"));
  EXPECT_EQ(1, counter("upstream_rq_pending_failure_eject"));
  EXPECT_EQ(0, gauge("upstream_cx_active"));
  EXPECT_EQ(0, gauge("upstream_rq_pending_active"));
  EXPECT_EQ(1u, endpoint_->counts().cx_connect_fail);
  EXPECT_EQ(0u, breakers_->connections().count());
  EXPECT_EQ(0u, breakers_->pending().count());
}

TEST_F(LocalClustersTest, ConnectingTakesNoLongerThanItsTimeout) {
  const test::FullListener full;
  auto info = makeInfo();
  info->connect_timeout = milliseconds(60);
  add(std::move(info), makeSet({std::make_shared<Endpoint>(full.address(), "")}));
  User user;
  // Time is that of the loop's turn.
  const base::MonotonicTime begin = dispatcher_.now();
  std::unique_ptr<TcpUpstream> upstream = connect(user);
  user.then = [&] { upstream.reset(); };
  ASSERT_TRUE(until([&] { return user.failure.has_value() || user.connected > 0; }));
  ASSERT_EQ(0, user.connected);
  EXPECT_EQ(TcpFailure::ConnectTimeout, *user.failure);
  EXPECT_GE(std::chrono::steady_clock::now() - begin, milliseconds(60));
  EXPECT_EQ(1, counter("upstream_cx_connect_timeout"));
  EXPECT_EQ(1, counter("upstream_cx_connect_fail"));
  EXPECT_EQ(1, counter("upstream_cx_destroy_local"));
  EXPECT_EQ(0u, breakers_->connections().count());
}

TEST_F(LocalClustersTest, AnAttemptThatIsGivenUpIsNoFailure) {
  addDefault();
  User user;
  connect(user).reset();
  EXPECT_EQ(0, counter("upstream_cx_connect_fail"));
  EXPECT_EQ(1, counter("upstream_cx_destroy_local"));
  EXPECT_EQ(0, gauge("upstream_cx_active"));
  EXPECT_EQ(0u, breakers_->pending().count());
  EXPECT_EQ(0u, endpoint_->counts().cx_active);
}

TEST_F(LocalClustersTest, TheCircuitBreakerHoldsAtItsLimitAndGivesBack) {
  auto info = makeInfo();
  breakers_->setThresholds({.max_connections = 1}, {}, *scope_);
  add(std::move(info), makeSet({endpoint_}));
  User user;
  std::unique_ptr<TcpUpstream> upstream = connected(user);
  EXPECT_EQ(1, gauge("circuit_breakers.default.cx_open"));
  EXPECT_EQ(TcpFailure::Overflow, refused());
  EXPECT_EQ(1, counter("upstream_cx_overflow"));
  upstream.reset();
  EXPECT_EQ(0, gauge("circuit_breakers.default.cx_open"));
  User again;
  EXPECT_NE(nullptr, connected(again));
}

TEST_F(LocalClustersTest, AttemptsUnderWayCountAgainstPendingRequests) {
  auto info = makeInfo();
  breakers_->setThresholds({.max_pending_requests = 1}, {}, *scope_);
  add(std::move(info), makeSet({endpoint_}));
  User first;
  std::unique_ptr<TcpUpstream> pending = connect(first);
  EXPECT_EQ(TcpFailure::Overflow, refused());
  EXPECT_EQ(1, counter("upstream_rq_pending_overflow"));
  EXPECT_EQ(1u, endpoint_->counts().cx_active);
  ASSERT_TRUE(until([&] { return first.connected == 1; }));
  User second;
  EXPECT_NE(nullptr, connected(second));
  EXPECT_EQ(1u, breakers_->connections().count()) << "the second has gone again, the refused one took no place";
}

TEST_F(LocalClustersTest, AnEndpointsOwnLimit) {
  auto info = makeInfo();
  info->max_connections_per_endpoint = 1;
  add(std::move(info), makeSet({endpoint_}));
  User user;
  std::unique_ptr<TcpUpstream> upstream = connected(user);
  EXPECT_EQ(TcpFailure::Overflow, refused());
  upstream.reset();
  User again;
  EXPECT_NE(nullptr, connected(again));
}

TEST_F(LocalClustersTest, AnEndpointsOwnLimitHoldsAcrossThreads) {
  constexpr uint32_t kLimit = 2;
  std::atomic<uint32_t> held{0};
  std::atomic<uint32_t> most{0};
  const auto worker = [&] {
    for (int i = 0; i < 200'000; ++i) {
      if (endpoint_->tryAcquireConnection(kLimit)) {
        const uint32_t now = ++held;
        uint32_t before = most;
        while (before < now && !most.compare_exchange_weak(before, now)) {
        }
        --held;
        endpoint_->releaseConnection();
      }
    }
  };
  std::vector<std::thread> workers;
  for (int i = 0; i < 4; ++i) {
    workers.emplace_back(worker);
  }
  for (std::thread& each : workers) {
    each.join();
  }
  EXPECT_LE(most, kLimit);
  EXPECT_GE(most, 1u);
  EXPECT_EQ(0u, endpoint_->counts().cx_active);
}

TEST_F(LocalClustersTest, NoEndpointsIsNoHealthyUpstream) {
  add(makeInfo(), makeSet({}));
  EXPECT_EQ(TcpFailure::NoHealthyUpstream, refused());
  EXPECT_EQ(1, counter("upstream_cx_none_healthy"));
  EXPECT_EQ(0u, breakers_->connections().count());
}

TEST_F(LocalClustersTest, AConnectionOutlivesItsEndpointAndItsCluster) {
  addDefault();
  User user;
  std::unique_ptr<TcpUpstream> upstream = connected(user);
  net::Socket peer;
  net::Address remote;
  ASSERT_TRUE(until([&] { return net::acceptConnection(backend_.socket.fd(), peer, remote) == 0; }));
  const std::weak_ptr<Endpoint> endpoint = endpoint_;
  endpoint_.reset();
  add(makeInfo(), makeSet({}));
  clusters_->apply({{name_, nullptr, nullptr}});
  EXPECT_EQ(nullptr, clusters_->find("be"));
  EXPECT_FALSE(endpoint.expired());
  net::Buffer data;
  data.append("still here");
  upstream->connection().write(data, false);
  test::Received received;
  ASSERT_TRUE(until([&] {
    test::receiveSome(peer, received);
    return received.bytes == "still here";
  }));
  clusters_.reset();
  upstream.reset();
  EXPECT_TRUE(endpoint.expired()) << "nothing keeps it beyond its last connection";
  EXPECT_EQ(0, gauge("upstream_cx_active"));
}

TEST_F(LocalClustersTest, StatisticsGoWithTheLastConnectionOfARemovedCluster) {
  auto info = makeInfo();
  const std::weak_ptr<stats::Scope> scope = scope_;
  info->scope = std::move(scope_);
  breakers_.reset();
  add(std::move(info), makeSet({endpoint_}));
  User user;
  std::unique_ptr<TcpUpstream> upstream = connected(user);
  clusters_->apply({{name_, nullptr, nullptr}});
  EXPECT_FALSE(scope.expired());
  upstream.reset();
  EXPECT_TRUE(scope.expired());
}

TEST_F(LocalClustersTest, AnUpdateIsForNewConnections) {
  addDefault();
  User user;
  std::unique_ptr<TcpUpstream> upstream = connected(user);
  const ClusterInfo* before = &cluster().info();
  test::ListeningSocket other = test::listenOnLoopback();
  add(makeInfo(), makeSet({std::make_shared<Endpoint>(other.address, "")}));
  EXPECT_NE(before, &cluster().info());
  User second;
  std::unique_ptr<TcpUpstream> newer = connected(second);
  net::UpstreamInfo info;
  newer->describe(info);
  EXPECT_EQ(other.address, info.host);
  EXPECT_EQ(net::Connection::State::Open, upstream->connection().state());
  EXPECT_EQ(2, gauge("upstream_cx_active"));
}

TEST_F(LocalClustersTest, ManyUpdatesUnderAConnectionLeaveNothingBehind) {
  addDefault();
  User user;
  std::unique_ptr<TcpUpstream> upstream = connected(user);
  std::vector<std::weak_ptr<const ClusterInfo>> versions;
  for (int i = 0; i < 100; ++i) {
    std::shared_ptr<const ClusterInfo> info = makeInfo();
    versions.push_back(info);
    clusters_->apply({{name_, std::move(info), makeSet({endpoint_})}});
  }
  EXPECT_EQ(1, std::count_if(versions.begin(), versions.end(), [](const auto& version) { return !version.expired(); }));
}

TEST_F(LocalClustersTest, PausedReadingIsCounted) {
  addDefault();
  User user;
  std::unique_ptr<TcpUpstream> upstream = connected(user);
  upstream->pauseReading();
  EXPECT_FALSE(upstream->connection().readEnabled());
  upstream->resumeReading();
  EXPECT_TRUE(upstream->connection().readEnabled());
  upstream->countAttemptsExceeded();
  EXPECT_EQ(1, counter("upstream_flow_control_paused_reading_total"));
  EXPECT_EQ(1, counter("upstream_flow_control_resumed_reading_total"));
  EXPECT_EQ(1, counter("upstream_cx_connect_attempts_exceeded"));
}

TEST_F(LocalClustersTest, PanicIsCounted) {
  std::vector<EndpointSet::Entry> entries(1);
  entries[0].endpoint = endpoint_;
  entries[0].health = EdsHealth::Unhealthy;
  add(makeInfo(), std::make_shared<EndpointSet>(std::move(entries), std::vector<Locality>(1), HealthRules()));
  User user;
  EXPECT_NE(nullptr, connected(user));
  EXPECT_EQ(1, counter("lb_healthy_panic"));
}

}  // namespace
}  // namespace sluice::cluster
