// Pools of upstream HTTP connections, over real sockets and a codec that the test speaks for.

#include "source/cluster/http_pool.h"

#include <gtest/gtest.h>

#include "test/cluster/http_pool_fixture.h"

namespace sluice::cluster {
namespace {

TEST_F(HttpPoolTest, ARequestWaitsForItsConnectionAndLeavesItToTheNext) {
  addDefault();
  User first;
  begin(first);
  EXPECT_EQ(0, first.readies) << "it connects yet";
  EXPECT_EQ(1u, gauge("upstream_rq_pending_active"));
  EXPECT_EQ(1u, endpoint_->requestCounts().pending);
  EXPECT_EQ(endpoint_, first.upstream->endpoint());
  ASSERT_TRUE(until([&] { return first.readies == 1; }));
  EXPECT_EQ(Protocol::Http11, first.stream.protocol);
  EXPECT_EQ(0u, gauge("upstream_rq_pending_active"));
  EXPECT_EQ(1u, gauge("upstream_rq_active"));
  EXPECT_EQ(1u, endpoint_->requestCounts().active);
  const uint64_t connection = first.connectionId();
  net::UpstreamInfo info;
  first.upstream->describe(info);
  EXPECT_EQ("be", *info.cluster_name);
  EXPECT_EQ("host.test", *info.host_name);
  EXPECT_EQ(backend_.address, info.host);
  EXPECT_NE(0, info.local.port());
  EXPECT_EQ(connection, info.connection_id);
  EXPECT_TRUE(info.connect_complete.has_value());
  EXPECT_EQ(11u, info.bytes_sent);
  first.finish();
  turn();
  EXPECT_EQ(0u, gauge("upstream_rq_active"));

  User second;
  begin(second);
  EXPECT_EQ(1, second.readies) << "at once";
  EXPECT_EQ(connection, second.connectionId());
  second.finish();
  turn();
  EXPECT_EQ(1u, counter("upstream_cx_total"));
  EXPECT_EQ(1u, counter("upstream_cx_http1_total"));
  EXPECT_EQ(2u, counter("upstream_rq_total"));
  EXPECT_EQ(1u, counter("upstream_rq_pending_total"));
  EXPECT_EQ(2u, endpoint_->requestCounts().total);
  EXPECT_EQ(1u, gauge("upstream_cx_active"));
}

TEST_F(HttpPoolTest, Http1HasAConnectionForEachRequestAndTakesTheOneUsedLast) {
  addDefault();
  User a;
  User b;
  ready(a);
  ready(b);
  EXPECT_NE(a.connectionId(), b.connectionId());
  const uint64_t last = a.connectionId();
  b.finish();
  turn();
  a.finish();
  turn();
  User c;
  ready(c);
  EXPECT_EQ(last, c.connectionId());
  EXPECT_EQ(2u, counter("upstream_cx_total"));
}

TEST_F(HttpPoolTest, Http2SharesAConnectionUpToItsLimit) {
  useHttp2();
  codecs_->streams = 2;
  addDefault();
  User users[3];
  for (User& user : users) {
    ready(user);
  }
  EXPECT_EQ(users[0].connectionId(), users[1].connectionId());
  EXPECT_NE(users[0].connectionId(), users[2].connectionId());
  EXPECT_EQ(Protocol::Http2, users[2].stream.protocol);
  EXPECT_EQ(2u, counter("upstream_cx_http2_total"));
  users[0].finish();
  User next;
  begin(next);
  EXPECT_EQ(1, next.readies);
  EXPECT_EQ(2u, counter("upstream_cx_total"));
}

TEST_F(HttpPoolTest, APeerThatAllowsFewerStreamsGetsFewer) {
  useHttp2();
  addDefault();
  User a;
  ready(a);
  codecs_->all[0]->callbacks_.onMaxConcurrentStreams(1);
  User b;
  begin(b);
  EXPECT_EQ(0, b.readies);
  codecs_->all[0]->callbacks_.onMaxConcurrentStreams(50);
  ASSERT_TRUE(until([&] { return b.readies == 1; }));
  EXPECT_EQ(a.connectionId(), b.connectionId());
}

TEST_F(HttpPoolTest, TheDownstreamsProtocolIsUsedWhereTheClusterSaysSo) {
  change([](HttpOptions& http) { http.protocol = HttpProtocolChoice::Downstream; });
  addDefault();
  User one;
  ready(one);
  EXPECT_EQ(Protocol::Http11, one.stream.protocol);
  User two;
  begin(two, {.downstream_protocol = Protocol::Http2});
  ASSERT_TRUE(until([&] { return two.readies == 1; }));
  EXPECT_EQ(Protocol::Http2, two.stream.protocol);
  EXPECT_EQ(2u, breakers_->of(false).pools.count());
}

TEST_F(HttpPoolTest, AGoAwayEndsTheConnectionAfterItsRequests) {
  useHttp2();
  addDefault();
  User a;
  ready(a);
  net::Socket peer = accept();
  test::sendSome(peer, "goaway");
  ASSERT_TRUE(until([&] { return counter("upstream_cx_close_notify") == 1; }));
  User b;
  ready(b);
  EXPECT_NE(a.connectionId(), b.connectionId());
  EXPECT_EQ(2u, gauge("upstream_cx_active"));
  a.finish();
  turn();
  EXPECT_EQ(1u, gauge("upstream_cx_active"));
  EXPECT_EQ(1u, counter("upstream_cx_destroy_local"));
  EXPECT_EQ(0u, counter("upstream_cx_destroy_with_active_rq"));
}

TEST_F(HttpPoolTest, AnIdleConnectionEndsAfterItsTimeout) {
  change([](HttpOptions& http) { http.idle_timeout = milliseconds(30); });
  addDefault();
  User a;
  ready(a);
  const base::MonotonicTime used = dispatcher_.now();
  ASSERT_TRUE(until([&] { return dispatcher_.now() - used > milliseconds(60); }));
  EXPECT_EQ(1u, gauge("upstream_cx_active")) << "it is not idle";
  a.finish();
  turn();
  const base::MonotonicTime idle = dispatcher_.now();
  ASSERT_TRUE(until([&] { return gauge("upstream_cx_active") == 0; }));
  EXPECT_GE(std::chrono::steady_clock::now() - idle, milliseconds(29));
  EXPECT_EQ(1u, counter("upstream_cx_idle_timeout"));
  turn();
  EXPECT_EQ(0u, breakers_->of(false).pools.count()) << "a pool with nothing in it goes";
}

TEST_F(HttpPoolTest, AConnectionLivesNoLongerThanItsDuration) {
  change([](HttpOptions& http) { http.max_connection_duration = milliseconds(20); });
  addDefault();
  User a;
  ready(a);
  ASSERT_TRUE(until([&] { return counter("upstream_cx_max_duration_reached") == 1; }));
  EXPECT_FALSE(a.reset.has_value()) << "its request is let be";
  User b;
  ready(b);
  EXPECT_NE(a.connectionId(), b.connectionId());
  a.finish();
  turn();
  EXPECT_EQ(1u, gauge("upstream_cx_active"));
}

TEST_F(HttpPoolTest, AConnectionServesNoMoreThanItsRequests) {
  change([](HttpOptions& http) { http.max_requests_per_connection = 2; });
  addDefault();
  uint64_t ids[3];
  for (uint64_t& id : ids) {
    User user;
    ready(user);
    id = user.connectionId();
    user.finish();
    turn();
  }
  EXPECT_EQ(ids[0], ids[1]);
  EXPECT_NE(ids[1], ids[2]);
  EXPECT_EQ(1u, counter("upstream_cx_max_requests"));
  EXPECT_EQ(2u, counter("upstream_cx_total"));
}

TEST_F(HttpPoolTest, AnExclusiveRequestTakesItsConnectionWithIt) {
  addDefault();
  User a;
  begin(a, {.exclusive = true});
  ASSERT_TRUE(until([&] { return a.readies == 1; }));
  a.finish();
  turn();
  EXPECT_EQ(0u, gauge("upstream_cx_active"));
}

TEST_F(HttpPoolTest, ARefusedConnectionFailsAllThatWaitForIt) {
  backend_.socket.close();
  addDefault();
  User a;
  User b;
  begin(a);
  begin(b);
  a.then = [&] { a.upstream.reset(); };
  ASSERT_TRUE(until([&] { return a.failure.has_value() && b.failure.has_value(); }));
  EXPECT_EQ(PoolFailure::RemoteConnectionFailure, *a.failure);
  EXPECT_NE(std::string::npos, a.details.find("Connection refused")) << a.details;
  EXPECT_EQ(2u, counter("upstream_rq_pending_failure_eject"));
  ASSERT_TRUE(until([&] { return counter("upstream_cx_connect_fail") == 2; }));
  turn();
  EXPECT_EQ(0u, breakers_->of(false).pools.count());
}

TEST_F(HttpPoolTest, ARetryInsideAFailureGetsANewConnection) {
  test::ListeningSocket other = test::listenOnLoopback();
  auto good = std::make_shared<Endpoint>(other.address, "");
  backend_.socket.close();
  add(makeInfo(), makeSet({endpoint_}));
  User a;
  User retry;
  begin(a);
  a.then = [&] {
    a.upstream.reset();
    add(makeInfo(), makeSet({good}));
    begin(retry);
  };
  ASSERT_TRUE(until([&] { return retry.readies == 1; }));
  EXPECT_EQ(good, retry.upstream->endpoint());
}

TEST_F(HttpPoolTest, ConnectingTakesNoLongerThanItsTimeout) {
  const test::FullListener full;
  auto info = makeInfo();
  info->connect_timeout = milliseconds(50);
  add(std::move(info), makeSet({std::make_shared<Endpoint>(full.address(), "")}));
  User a;
  begin(a);
  ASSERT_TRUE(until([&] { return a.failure.has_value() || a.readies > 0; }));
  EXPECT_EQ(PoolFailure::ConnectTimeout, a.failure);
  EXPECT_EQ(1u, counter("upstream_cx_connect_timeout"));
  EXPECT_EQ(1u, counter("upstream_cx_connect_fail"));
}

TEST_F(HttpPoolTest, AConnectionThatEndsResetsItsRequests) {
  useHttp2();
  addDefault();
  User tells;
  User silent;
  silent.tells_end = false;
  ready(tells);
  ready(silent);
  accept().close();
  ASSERT_TRUE(until([&] { return tells.reset.has_value() && silent.reset.has_value(); }));
  EXPECT_EQ(ResetReason::ConnectionTermination, *tells.reset);
  EXPECT_EQ(1u, counter("upstream_cx_destroy_remote_with_active_rq"));
  EXPECT_EQ(0u, gauge("upstream_rq_active")) << "also of one whose user says nothing";
  turn();
  silent.upstream->onStreamEnd();
}

TEST_F(HttpPoolTest, WhatIsNotHttpEndsTheConnection) {
  addDefault();
  User a;
  ready(a);
  net::Socket peer = accept();
  test::sendSome(peer, "bad");
  ASSERT_TRUE(until([&] { return a.reset.has_value(); }));
  EXPECT_EQ(ResetReason::ProtocolError, *a.reset);
  EXPECT_EQ(1u, counter("upstream_cx_protocol_error"));
  EXPECT_EQ(0u, gauge("upstream_cx_active"));
}

TEST_F(HttpPoolTest, WhoGoesWhileItWaitsIsCancelled) {
  addDefault();
  User a;
  begin(a);
  a.upstream.reset();
  EXPECT_EQ(1u, counter("upstream_rq_cancelled"));
  EXPECT_EQ(0u, breakers_->pending().count());
  User b;
  ready(b);
  EXPECT_EQ(1u, counter("upstream_cx_total")) << "the connection on its way serves the next";
}

TEST_F(HttpPoolTest, WhoGoesWithItsStreamUnfinishedResetsIt) {
  addDefault();
  User one;
  ready(one);
  one.upstream.reset();
  EXPECT_EQ(0u, gauge("upstream_cx_active")) << "there is no other way in HTTP/1";
  EXPECT_EQ(1u, counter("upstream_cx_destroy_local_with_active_rq"));
  useHttp2();
  add(makeInfo(), makeSet({endpoint_}));
  User two;
  ready(two);
  two.upstream.reset();
  EXPECT_EQ(1u, counter("upstream_rq_tx_reset"));
  EXPECT_EQ(1u, gauge("upstream_cx_active"));
  EXPECT_EQ(0u, gauge("upstream_rq_active"));
}

TEST_F(HttpPoolTest, AnExchangeThatIsNotCompleteCostsItsHttp1Connection) {
  addDefault();
  User a;
  ready(a);
  a.upstream->onStreamEnd();
  turn();
  EXPECT_EQ(0u, gauge("upstream_cx_active"));
}

TEST_F(HttpPoolTest, ConnectionsAreLimitedAndTheRestWaits) {
  thresholds_.max_connections = 1;
  thresholds_.max_pending_requests = 1;
  addDefault();
  User a;
  ready(a);
  User b;
  begin(b);
  EXPECT_EQ(0, b.readies);
  EXPECT_EQ(1u, counter("upstream_cx_overflow"));
  EXPECT_EQ(1u, gauge("circuit_breakers.default.cx_open"));
  EXPECT_EQ(1u, gauge("circuit_breakers.default.rq_pending_open"));
  User c;
  begin(c);
  EXPECT_EQ(PoolFailure::Overflow, c.failure);
  EXPECT_EQ(1u, counter("upstream_rq_pending_overflow"));
  a.finish();
  ASSERT_TRUE(until([&] { return b.readies == 1; }));
  EXPECT_EQ(a.connectionId(), b.connectionId());
}

TEST_F(HttpPoolTest, AnotherEndpointGetsItsFirstConnectionBeyondTheLimit) {
  thresholds_.max_connections = 1;
  test::ListeningSocket other = test::listenOnLoopback();
  add(makeInfo(), makeSet({endpoint_, std::make_shared<Endpoint>(other.address, "")}));
  User a;
  User b;
  ready(a);
  ready(b);
  EXPECT_NE(a.upstream->endpoint(), b.upstream->endpoint());
  EXPECT_EQ(2u, breakers_->connections().count());
}

TEST_F(HttpPoolTest, RequestsAreLimitedByPriority) {
  useHttp2();
  thresholds_.max_requests = 1;
  addDefault();
  User a;
  ready(a);
  User b;
  begin(b);
  EXPECT_EQ(PoolFailure::Overflow, b.failure);
  EXPECT_EQ(1u, counter("upstream_rq_active_overflow"));
  EXPECT_EQ(1u, gauge("circuit_breakers.default.rq_open"));
  User high;
  begin(high, {.high_priority = true});
  ASSERT_TRUE(until([&] { return high.readies == 1; }));
  EXPECT_NE(a.connectionId(), high.connectionId());
  EXPECT_EQ(1u, breakers_->of(true).requests.count());
}

TEST_F(HttpPoolTest, PoolsAreLimited) {
  thresholds_.max_connection_pools = 1;
  test::ListeningSocket other = test::listenOnLoopback();
  add(makeInfo(), makeSet({endpoint_, std::make_shared<Endpoint>(other.address, "")}));
  User a;
  ready(a);
  User b;
  begin(b);
  EXPECT_EQ(PoolFailure::NoHealthyUpstream, b.failure);
  EXPECT_EQ(1u, counter("upstream_cx_pool_overflow"));
  EXPECT_EQ(1u, gauge("circuit_breakers.default.cx_pool_open"));
}

TEST_F(HttpPoolTest, NoEndpointsIsNoHealthyUpstream) {
  add(makeInfo(), makeSet({}));
  User a;
  begin(a);
  EXPECT_EQ(PoolFailure::NoHealthyUpstream, a.failure);
  EXPECT_EQ(nullptr, a.upstream->entry());
  EXPECT_EQ(nullptr, a.upstream->endpoint());
  EXPECT_EQ(1u, counter("upstream_cx_none_healthy"));
}

TEST_F(HttpPoolTest, ARejectedEndpointIsPickedAgainWithinBounds) {
  test::ListeningSocket other = test::listenOnLoopback();
  auto second = std::make_shared<Endpoint>(other.address, "");
  add(makeInfo(), makeSet({endpoint_, second}));
  int asked = 0;
  const auto reject = [&](const EndpointSet::Entry& entry) {
    ++asked;
    return entry.endpoint == endpoint_;
  };
  absl::FunctionRef<bool(const EndpointSet::Entry&)> wants = reject;
  for (int i = 0; i < 4; ++i) {
    User user;
    user.upstream = cluster().newHttpStream(user, user, LoadBalancerContext(), {.reject = &wants, .max_host_picks = 3});
    EXPECT_EQ(second, user.upstream->endpoint());
  }
  asked = 0;
  const auto reject_all = [&](const EndpointSet::Entry&) {
    ++asked;
    return true;
  };
  absl::FunctionRef<bool(const EndpointSet::Entry&)> wants_none = reject_all;
  User user;
  user.upstream =
      cluster().newHttpStream(user, user, LoadBalancerContext(), {.reject = &wants_none, .max_host_picks = 3});
  EXPECT_NE(nullptr, user.upstream->endpoint());
  EXPECT_EQ(2, asked);
}

TEST_F(HttpPoolTest, PoolsSurviveAnUpdateThatKeepsTheEndpointAndTheRecipe) {
  addDefault();
  User a;
  ready(a);
  const uint64_t id = a.connectionId();
  a.finish();
  turn();
  auto info = makeInfo();
  info->connect_timeout = milliseconds(1234);
  test::ListeningSocket other = test::listenOnLoopback();
  add(std::move(info), makeSet({endpoint_, std::make_shared<Endpoint>(other.address, "")}));
  add(makeInfo(), makeSet({endpoint_}));
  User b;
  begin(b);
  EXPECT_EQ(1, b.readies);
  EXPECT_EQ(id, b.connectionId());
}

TEST_F(HttpPoolTest, AnEndpointThatGoesTakesItsIdleConnectionsAndLeavesTheOthersTheirRequests) {
  addDefault();
  User idle;
  User busy;
  ready(idle);
  ready(busy);
  idle.finish();
  turn();
  add(makeInfo(), makeSet({}));
  EXPECT_EQ(1u, gauge("upstream_cx_active"));
  EXPECT_FALSE(busy.reset.has_value());
  busy.finish();
  turn();
  EXPECT_EQ(0u, gauge("upstream_cx_active"));
}

TEST_F(HttpPoolTest, WhoWaitsForAnEndpointThatGoesIsStillServed) {
  addDefault();
  User a;
  begin(a);
  add(makeInfo(), makeSet({}));
  ASSERT_TRUE(until([&] { return a.readies == 1; }));
  a.finish();
  turn();
  EXPECT_EQ(0u, gauge("upstream_cx_active"));
}

TEST_F(HttpPoolTest, ANewRecipeIsForNewRequests) {
  addDefault();
  User a;
  ready(a);
  change([](HttpOptions& http) { http.idle_timeout = milliseconds(77); });
  add(makeInfo(), makeSet({endpoint_}));
  User b;
  ready(b);
  EXPECT_NE(a.connectionId(), b.connectionId());
  a.finish();
  b.finish();
  turn();
  EXPECT_EQ(1u, gauge("upstream_cx_active")) << "the old one has gone";
}

TEST_F(HttpPoolTest, AnUnhealthyEndpointsConnectionsCloseOnlyWhereAskedFor) {
  addDefault();
  User a;
  ready(a);
  a.finish();
  turn();
  add(makeInfo(), makeSet({endpoint_}, EdsHealth::Unhealthy));
  EXPECT_EQ(1u, gauge("upstream_cx_active"));
  auto info = makeInfo();
  info->close_connections_on_health_failure = true;
  add(std::move(info), makeSet({endpoint_}, EdsHealth::Unhealthy));
  EXPECT_EQ(0u, gauge("upstream_cx_active"));
}

TEST_F(HttpPoolTest, ARemovedClusterServesItsRequestsToTheEnd) {
  addDefault();
  User busy;
  User idle;
  User waits;
  ready(busy);
  ready(idle);
  idle.finish();
  turn();
  begin(waits);
  waits.finish();
  turn();
  clusters_->apply({{name_, nullptr, nullptr}});
  EXPECT_EQ(1u, gauge("upstream_cx_active"));
  busy.finish();
  busy.upstream.reset();
  idle.upstream.reset();
  waits.upstream.reset();
  turn();
  EXPECT_EQ(0u, gauge("upstream_cx_active"));
}

TEST_F(HttpPoolTest, AtTheEndIdleConnectionsCloseWithoutAFurtherTurn) {
  addDefault();
  User a;
  ready(a);
  a.finish();
  turn();
  a.upstream.reset();
  clusters_.reset();
  EXPECT_EQ(0u, gauge("upstream_cx_active"));
}

TEST_F(HttpPoolTest, ConnectionsAreMadeAheadForAnEndpoint) {
  auto info = makeInfo();
  info->preconnect.per_endpoint = 2;
  add(std::move(info), makeSet({endpoint_}));
  User a;
  ready(a);
  EXPECT_EQ(2u, counter("upstream_cx_total"));
  User b;
  begin(b);
  EXPECT_EQ(4u, counter("upstream_cx_total"));
}

TEST_F(HttpPoolTest, ConnectionsAreMadeAheadForTheNextEndpoint) {
  test::ListeningSocket other = test::listenOnLoopback();
  auto second = std::make_shared<Endpoint>(other.address, "");
  auto info = makeInfo();
  info->preconnect.predictive = 2;
  add(std::move(info), makeSet({endpoint_, second}));
  User a;
  ready(a);
  EXPECT_EQ(2u, counter("upstream_cx_total"));
  ASSERT_TRUE(until([&] { return store_.histogramCount("cluster.be.upstream_cx_connect_ms") == 2; }));
  User b;
  begin(b);
  EXPECT_EQ(1, b.readies) << "its connection was there";
  EXPECT_NE(a.upstream->endpoint(), b.upstream->endpoint());
}

}  // namespace
}  // namespace sluice::cluster
