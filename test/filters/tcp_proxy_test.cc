// A tcp_proxy between real sockets: joining both sides, attempts, timeouts, live configuration, access logs.

#include "source/filters/network/tcp_proxy.h"

#include "gtest/gtest.h"

#include "test/filters/tcp_proxy_fixture.h"

namespace sluice::filters {
namespace {

using access_log::LogType;
using std::chrono::milliseconds;
using test::Downstream;
using test::Received;
namespace flag = net::response_flag;

class TcpProxyTest : public test::TcpProxyFixture {};

TEST_F(TcpProxyTest, JoinsBothSides) {
  setCluster();
  auto downstream = open(settings());
  net::Socket peer = accept();
  Received up;
  test::sendSome(downstream->client, "hello");
  EXPECT_TRUE(receives(peer, up, "hello"));
  test::sendSome(peer, "and back");
  EXPECT_TRUE(receives(downstream->client, downstream->got, "and back"));
  EXPECT_EQ(counter("tcp.t.downstream_cx_total"), 1);
  EXPECT_EQ(counter("tcp.t.downstream_cx_rx_bytes_total"), 5);
  EXPECT_EQ(counter("tcp.t.downstream_cx_tx_bytes_total"), 8);
  EXPECT_TRUE(logged_.empty());

  downstream->client.close();
  EXPECT_TRUE(ends(peer, up));
  peer.close();
  EXPECT_TRUE(until([&] { return downstream->closed; }));
  ASSERT_EQ(logged_.size(), 1u);
  EXPECT_EQ(logged_[0].type, LogType::TcpConnectionEnd);
  EXPECT_EQ(logged_[0].cluster, "be");
  EXPECT_EQ(logged_[0].received, 5u);
  EXPECT_EQ(logged_[0].sent, 8u);
  EXPECT_EQ(logged_[0].attempts, 1u);
  EXPECT_EQ(logged_[0].flags, 0u);
  EXPECT_TRUE(logged_[0].ended);
}

TEST_F(TcpProxyTest, ConnectionsAreSharedOutByWeight) {
  setCluster();
  TcpProxySettings shared = settings();
  shared.cluster.clear();
  shared.weighted_clusters = {{"gone", 0}, {"be", 3}};
  shared.total_weight = 3;
  auto joined = open(shared);
  net::Socket peer = accept();
  Received up;
  test::sendSome(joined->client, "hello");
  EXPECT_TRUE(receives(peer, up, "hello"));

  shared.weighted_clusters = {{"gone", 3}, {"be", 0}};
  auto lost = open(shared);
  EXPECT_TRUE(until([&] { return lost->closed; }));
  EXPECT_EQ(logged_.back().flags, flag::kNoClusterFound);

  // Other weights are no other structure; other clusters are.
  TcpProxySettings other = shared;
  other.weighted_clusters = {{"gone", 1}, {"be", 1}};
  EXPECT_EQ(config(shared)->structuralKey(), config(other)->structuralKey());
  other.weighted_clusters.pop_back();
  EXPECT_NE(config(shared)->structuralKey(), config(other)->structuralKey());
}

TEST_F(TcpProxyTest, EachEndGoesOnByItself) {
  setCluster();
  auto downstream = open(settings());
  net::Socket peer = accept();
  Received up;
  test::sendSome(downstream->client, "last");
  ::shutdown(downstream->client.fd(), SHUT_WR);
  EXPECT_TRUE(ends(peer, up));
  EXPECT_EQ(up.bytes, "last");
  EXPECT_FALSE(downstream->closed);
  test::sendSome(peer, "answer");
  EXPECT_TRUE(receives(downstream->client, downstream->got, "answer"));
  // Both directions have ended: nothing is left to wait for.
  peer.close();
  EXPECT_TRUE(ends(downstream->client, downstream->got));
  EXPECT_TRUE(until([&] { return downstream->closed; }));
  EXPECT_EQ(gauge("cluster.be.upstream_cx_active"), 0);
  EXPECT_EQ(logged_.size(), 1u);
}

TEST_F(TcpProxyTest, WithoutAClusterItClosesAndSaysSo) {
  auto downstream = open(settings());
  EXPECT_TRUE(until([&] { return downstream->closed; }));
  EXPECT_EQ(counter("tcp.t.downstream_cx_no_route"), 1);
  ASSERT_EQ(logged_.size(), 1u);
  EXPECT_EQ(logged_[0].flags, flag::kNoClusterFound);
  EXPECT_EQ(logged_[0].attempts, 0u);
}

TEST_F(TcpProxyTest, WithoutAnEndpointItClosesAndSaysSo) {
  setCluster(makeInfo(), {});
  auto downstream = open(settings());
  EXPECT_TRUE(until([&] { return downstream->closed; }));
  ASSERT_EQ(logged_.size(), 1u);
  EXPECT_EQ(logged_[0].flags, flag::kNoHealthyUpstream);
  EXPECT_EQ(logged_[0].cluster, "be");
}

TEST_F(TcpProxyTest, BeyondTheCircuitBreakerItClosesAndSaysSo) {
  auto info = makeInfo();
  info->normal_thresholds.max_connections = 1;
  breakers_->setThresholds(info->normal_thresholds, info->high_thresholds, *scope_);
  setCluster(std::move(info), {backend_.address});
  auto first = open(settings());
  net::Socket peer = accept();
  auto second = open(settings());
  EXPECT_TRUE(until([&] { return second->closed; }));
  EXPECT_FALSE(first->closed);
  ASSERT_EQ(logged_.size(), 1u);
  EXPECT_EQ(logged_[0].flags, flag::kUpstreamOverflow);
}

TEST_F(TcpProxyTest, ARefusedConnectionIsTriedAsOftenAsItMayBe) {
  setCluster(makeInfo(), {deadAddress()});
  TcpProxySettings three = settings();
  three.max_connect_attempts = 3;
  auto downstream = open(three);
  EXPECT_TRUE(until([&] { return downstream->closed; }));
  EXPECT_EQ(counter("cluster.be.upstream_cx_connect_fail"), 3);
  EXPECT_EQ(counter("cluster.be.upstream_cx_connect_attempts_exceeded"), 1);
  ASSERT_EQ(logged_.size(), 1u);
  EXPECT_EQ(logged_[0].flags, flag::kUpstreamConnectionFailure | flag::kUpstreamRetryLimitExceeded);
  EXPECT_EQ(logged_[0].attempts, 3u);
  EXPECT_NE(logged_[0].failure.find("Connection refused"), std::string::npos);
}

TEST_F(TcpProxyTest, ASingleAttemptIsALimitToo) {
  setCluster(makeInfo(), {deadAddress()});
  auto downstream = open(settings());
  EXPECT_TRUE(until([&] { return downstream->closed; }));
  ASSERT_EQ(logged_.size(), 1u);
  EXPECT_EQ(logged_[0].flags, flag::kUpstreamConnectionFailure | flag::kUpstreamRetryLimitExceeded);
}

TEST_F(TcpProxyTest, AnotherEndpointIsTriedAndLeavesNoFlag) {
  setCluster(makeInfo(), {deadAddress(), backend_.address});
  TcpProxySettings two = settings();
  two.max_connect_attempts = 2;
  // The balancer begins anywhere; of two connections one meets the dead endpoint first.
  for (int i = 0; i < 2; ++i) {
    auto downstream = open(two);
    net::Socket peer = accept();
    test::sendSome(peer, "x");
    EXPECT_TRUE(receives(downstream->client, downstream->got, "x"));
    peer.close();
    downstream->client.close();
    EXPECT_TRUE(until([&] { return downstream->closed; }));
  }
  EXPECT_GE(counter("cluster.be.upstream_cx_connect_fail"), 1);
  ASSERT_EQ(logged_.size(), 2u);
  EXPECT_EQ(logged_[0].flags | logged_[1].flags, 0u);
}

TEST_F(TcpProxyTest, TheBackOffIsWaitedFor) {
  setCluster(makeInfo(), {deadAddress()});
  TcpProxySettings slow = settings();
  slow.max_connect_attempts = 1'000'000;
  slow.backoff_base = milliseconds(1);
  slow.backoff_max = std::chrono::hours(1);
  auto downstream = open(slow);
  // Doubling from 1 ms on, a dozen attempts are soon made, and the next would be seconds away.
  EXPECT_TRUE(until([&] { return counter("cluster.be.upstream_cx_connect_fail") >= 4; }));
  EXPECT_FALSE(downstream->closed);
  // A client that leaves meanwhile takes the attempts with it.
  downstream->client.close();
  EXPECT_TRUE(until([&] { return counter("cluster.be.upstream_cx_connect_fail") >= 4; }));
  downstream.reset();
  EXPECT_EQ(gauge("cluster.be.upstream_cx_active"), 0);
  EXPECT_EQ(logged_.size(), 1u);
}

TEST_F(TcpProxyTest, AClientThatResetsTakesItsUpstreamWithIt) {
  setCluster();
  auto downstream = open(settings());
  net::Socket peer = accept();
  Received up;
  test::sendSome(downstream->client, "x");
  EXPECT_TRUE(receives(peer, up, "x"));
  test::resetOnClose(downstream->client);
  downstream->client.close();
  EXPECT_TRUE(until([&] { return downstream->closed; }));
  EXPECT_TRUE(ends(peer, up));
  EXPECT_EQ(up.error, ECONNRESET);
  EXPECT_TRUE(until([&] { return gauge("cluster.be.upstream_cx_active") == 0; }));
}

TEST_F(TcpProxyTest, AnUpstreamThatResetsIsPassedOnAsAReset) {
  setCluster();
  auto downstream = open(settings());
  net::Socket peer = accept();
  test::sendSome(peer, "half an answer");
  EXPECT_TRUE(receives(downstream->client, downstream->got, "half an answer"));
  test::resetOnClose(peer);
  peer.close();
  EXPECT_TRUE(ends(downstream->client, downstream->got));
  EXPECT_EQ(downstream->got.error, ECONNRESET);
  EXPECT_TRUE(until([&] { return downstream->closed; }));
  ASSERT_EQ(logged_.size(), 1u);
  EXPECT_EQ(logged_[0].flags, flag::kUpstreamRemoteReset);
}

TEST_F(TcpProxyTest, WhatTheUpstreamSentBeforeItClosedIsDelivered) {
  setCluster();
  auto downstream = open(settings());
  net::Socket peer = accept();
  EXPECT_EQ(test::sendSome(peer, "goodbye"), 7u);
  peer.close();
  EXPECT_TRUE(ends(downstream->client, downstream->got));
  EXPECT_EQ(downstream->got.bytes, "goodbye");
}

TEST_F(TcpProxyTest, IdleConnectionsClose) {
  setCluster();
  TcpProxySettings impatient = settings();
  impatient.idle_timeout = milliseconds(50);
  auto downstream = open(impatient);
  net::Socket peer = accept();
  EXPECT_TRUE(until([&] { return downstream->closed; }));
  EXPECT_EQ(counter("tcp.t.idle_timeout"), 1);
  EXPECT_EQ(logged_.size(), 1u);
}

TEST_F(TcpProxyTest, TheLongestLifeCountsWhileItConnects) {
  const test::FullListener full;
  auto info = makeInfo();
  info->connect_timeout = std::chrono::hours(1);
  setCluster(std::move(info), {full.address()});
  TcpProxySettings brief = settings();
  brief.max_connection_duration = milliseconds(50);
  auto downstream = open(brief);
  EXPECT_TRUE(until([&] { return downstream->closed; }));
  EXPECT_EQ(counter("tcp.t.max_downstream_connection_duration"), 1);
  ASSERT_EQ(logged_.size(), 1u);
  EXPECT_EQ(logged_[0].flags & flag::kDurationTimeout, flag::kDurationTimeout);
  EXPECT_EQ(gauge("cluster.be.upstream_cx_active"), 0);
}

TEST_F(TcpProxyTest, LogsWhenConnectedAndNowAndThen) {
  setCluster();
  TcpProxySettings chatty = settings();
  chatty.log_on_connected = true;
  chatty.log_interval = milliseconds(10);
  auto downstream = open(chatty);
  net::Socket peer = accept();
  EXPECT_TRUE(until([&] { return logged_.size() >= 4; }));
  EXPECT_EQ(logged_[0].type, LogType::TcpUpstreamConnected);
  EXPECT_EQ(logged_[1].type, LogType::TcpPeriodic);
  EXPECT_FALSE(logged_[1].ended);
  EXPECT_FALSE(downstream->closed);
}

TEST_F(TcpProxyTest, ANewIdleTimeoutReachesLiveConnections) {
  setCluster();
  auto downstream = open(settings());
  net::Socket peer = accept();
  Received up;
  test::sendSome(downstream->client, "x");
  EXPECT_TRUE(receives(peer, up, "x"));
  TcpProxySettings impatient = settings();
  impatient.idle_timeout = milliseconds(20);
  const auto next = config(impatient);
  EXPECT_TRUE(next->structuralKey() == downstream->live().shared()->structuralKey());
  dispatcher_.post([&] { downstream->live().replace(next); });
  EXPECT_TRUE(until([&] { return downstream->closed; }));
  EXPECT_EQ(counter("tcp.t.idle_timeout"), 1);
}

TEST_F(TcpProxyTest, AnIdleTimeoutThatIsTakenBackDoesNotFire) {
  setCluster();
  TcpProxySettings impatient = settings();
  impatient.idle_timeout = milliseconds(60);
  auto downstream = open(impatient);
  net::Socket peer = accept();
  dispatcher_.post([&] { downstream->live().replace(config(settings())); });
  const auto end = std::chrono::steady_clock::now() + milliseconds(150);
  EXPECT_TRUE(until([&] { return std::chrono::steady_clock::now() > end; }));
  EXPECT_FALSE(downstream->closed);
}

TEST_F(TcpProxyTest, NewStatPrefixAndAccessLogsReachLiveConnections) {
  setCluster();
  auto downstream = open(settings());
  net::Socket peer = accept();
  Received up;
  test::sendSome(downstream->client, "12345");
  EXPECT_TRUE(receives(peer, up, "12345"));
  std::vector<test::Logged> elsewhere;
  TcpProxySettings renamed = settings();
  renamed.stat_prefix = "renamed";
  renamed.access_logs = {std::make_shared<test::RecordingLogger>(elsewhere)};
  bool replaced = false;
  dispatcher_.post([&] {
    downstream->live().replace(config(renamed));
    replaced = true;
  });
  EXPECT_TRUE(until([&] { return replaced; }));
  test::sendSome(downstream->client, "678");
  EXPECT_TRUE(receives(peer, up, "12345678"));
  EXPECT_EQ(counter("tcp.renamed.downstream_cx_rx_bytes_total"), 3);
  peer.close();
  downstream->client.close();
  EXPECT_TRUE(until([&] { return downstream->closed; }));
  EXPECT_TRUE(logged_.empty());
  ASSERT_EQ(elsewhere.size(), 1u);
  EXPECT_EQ(elsewhere[0].received, 8u);
}

TEST_F(TcpProxyTest, AnotherClusterIsAnotherStructure) {
  TcpProxySettings other = settings();
  other.cluster = "other";
  EXPECT_FALSE(config(settings())->structuralKey() == config(other)->structuralKey());
}

TEST_F(TcpProxyTest, AClusterThatGoesLeavesConnectionsAlone) {
  setCluster();
  auto downstream = open(settings());
  net::Socket peer = accept();
  Received up;
  test::sendSome(downstream->client, "x");
  EXPECT_TRUE(receives(peer, up, "x"));
  clusters_->apply({{name_, nullptr, nullptr}});
  test::sendSome(downstream->client, "y");
  EXPECT_TRUE(receives(peer, up, "xy"));
}

TEST_F(TcpProxyTest, AFullSideStopsTheOther) {
  auto info = makeInfo();
  info->buffer_limit_bytes = 16384;
  setCluster(std::move(info), {backend_.address});
  auto downstream = open(settings());
  net::Socket peer = accept();
  const std::string part(65536, 'x');
  size_t sent = 0;
  size_t quiet = 0;
  // The peer takes nothing: in the end the client can send no more.
  EXPECT_TRUE(until([&] {
    const size_t now = test::sendSome(downstream->client, part);
    sent += now;
    quiet = now == 0 ? quiet + 1 : 0;
    return quiet > 2000;
  }));
  EXPECT_GE(counter("tcp.t.downstream_flow_control_paused_reading_total"), 1);
  // One reading may pass the mark by as much as it reads at once.
  EXPECT_LE(gauge("cluster.be.upstream_cx_tx_bytes_buffered"), 16384 + 131072);
  Received up;
  EXPECT_TRUE(until([&] {
    test::receiveSome(peer, up);
    return up.bytes.size() == sent;
  }));
  EXPECT_GE(counter("tcp.t.downstream_flow_control_resumed_reading_total"), 1);
}

}  // namespace
}  // namespace sluice::filters
