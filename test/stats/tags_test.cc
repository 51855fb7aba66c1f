#include "source/stats/tags.h"

#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace sluice::stats {
namespace {

struct Case {
  const char* name;
  const char* rest;
  std::vector<Tag> tags;
};

// As Envoy 1.40 shows them on /stats/prometheus, in its order.
const Case kDefaultCases[] = {
    {"listener.127.0.0.1_80.downstream_cx", "listener.downstream_cx", {{"envoy.listener_address", "127.0.0.1_80"}}},
    {"listener.[__1]_80.downstream_cx", "listener.downstream_cx", {{"envoy.listener_address", "[__1]_80"}}},
    {"listener.foo.downstream_cx", "listener.downstream_cx", {{"envoy.listener_address", "foo"}}},
    {"listener.unix__tmp_x.sock.downstream_cx",
     "listener.sock.downstream_cx",
     {{"envoy.listener_address", "unix__tmp_x"}}},
    {"listener.admin.downstream_cx", "listener.admin.downstream_cx", {}},
    {"listener.admin.main_thread.downstream_cx", "listener.admin.main_thread.downstream_cx", {}},
    {"listener.foo.worker_3.downstream_cx",
     "listener.worker.downstream_cx",
     {{"envoy.worker_id", "3"}, {"envoy.listener_address", "foo"}}},
    {"listener.127.0.0.1_80.worker_3.downstream_cx",
     "listener.worker.downstream_cx",
     {{"envoy.worker_id", "3"}, {"envoy.listener_address", "127.0.0.1_80"}}},
    {"listener.127.0.0.1_80.http.ing.downstream_rq_2xx",
     "listener.http.downstream_rq_xx",
     {{"envoy.response_code_class", "2"},
      {"envoy.http_conn_manager_prefix", "ing"},
      {"envoy.listener_address", "127.0.0.1_80"}}},
    {"listener.admin.http.admin.downstream_rq_xy",
     "listener.admin.http.downstream_rq_xy",
     {{"envoy.http_conn_manager_prefix", "admin"}}},
    {"listener.[2001_db8__1]_443.ssl.ciphers.ECDHE-RSA",
     "listener.ssl.ciphers",
     {{"envoy.ssl_cipher", "ECDHE-RSA"}, {"envoy.listener_address", "[2001_db8__1]_443"}}},
    {"listener.[2001_db8__1]_443.ssl.versions.TLSv1.3",
     "listener.ssl.versions",
     {{"envoy.ssl_version", "TLSv1.3"}, {"envoy.listener_address", "[2001_db8__1]_443"}}},
    {"listener.[2001_db8__1]_443.ssl.certificate.crt.expiration",
     "listener.ssl.certificate.expiration",
     {{"envoy.tls_certificate", "crt"}, {"envoy.listener_address", "[2001_db8__1]_443"}}},
    {"listener_manager.worker_2.dispatcher.loop_duration_us",
     "listener_manager.worker.dispatcher.loop_duration_us",
     {{"envoy.worker_id", "2"}}},
    {"server.worker_1.watchdog_miss", "server.worker.watchdog_miss", {{"envoy.worker_id", "1"}}},
    {"server.main_thread.watchdog_miss", "server.main_thread.watchdog_miss", {}},
    {"thread_local_cluster_manager.worker_0.clusters_inflated",
     "thread_local_cluster_manager.worker.clusters_inflated",
     {{"envoy.worker_id", "0"}}},
    {"workers.watchdog_miss", "workers.watchdog_miss", {}},
    {"cluster.be.upstream_cx_total", "cluster.upstream_cx_total", {{"envoy.cluster_name", "be"}}},
    {"cluster.a.b.upstream_cx_total", "cluster.b.upstream_cx_total", {{"envoy.cluster_name", "a"}}},
    {"cluster.be.upstream_rq_200",
     "cluster.upstream_rq",
     {{"envoy.response_code", "200"}, {"envoy.cluster_name", "be"}}},
    {"cluster.be.upstream_rq_2xx",
     "cluster.upstream_rq_xx",
     {{"envoy.response_code_class", "2"}, {"envoy.cluster_name", "be"}}},
    {"cluster.be.upstream_rq_xx", "cluster.upstream_rq_xx", {{"envoy.cluster_name", "be"}}},
    {"cluster.be.internal.upstream_rq_503",
     "cluster.internal.upstream_rq",
     {{"envoy.response_code", "503"}, {"envoy.cluster_name", "be"}}},
    {"cluster.be.grpc.svc.success",
     "cluster.grpc.success",
     {{"envoy.grpc_bridge_service", "svc"}, {"envoy.cluster_name", "be"}}},
    {"cluster.be.grpc.svc.meth.success",
     "cluster.grpc.success",
     {{"envoy.grpc_bridge_method", "meth"}, {"envoy.grpc_bridge_service", "svc"}, {"envoy.cluster_name", "be"}}},
    {"cluster.be.health_check.success", "cluster.health_check.success", {{"envoy.cluster_name", "be"}}},
    {"cluster.be.health_check.name.foo.success",
     "cluster.health_check.success",
     {{"envoy.health_check_name", "foo"}, {"envoy.cluster_name", "be"}}},
    {"cluster.be.ext_authz.ok", "cluster.ext_authz.ok", {{"envoy.cluster_name", "be"}}},
    {"cluster.be.ext_authz.pre.ok",
     "cluster.ext_authz.ok",
     {{"envoy.ext_authz_prefix", "pre"}, {"envoy.cluster_name", "be"}}},
    {"cluster.be.circuit_breakers.default.cx_open",
     "cluster.circuit_breakers.default.cx_open",
     {{"envoy.cluster_name", "be"}}},
    {"cluster_manager.cds.update_success", "cluster_manager.cds.update_success", {}},
    {"http.ing.downstream_cx_total", "http.downstream_cx_total", {{"envoy.http_conn_manager_prefix", "ing"}}},
    {"http.ing.downstream_rq_200",
     "http.downstream_rq",
     {{"envoy.response_code", "200"}, {"envoy.http_conn_manager_prefix", "ing"}}},
    {"http.ing.rds.rc.update_success",
     "http.rds.update_success",
     {{"envoy.rds_route_config", "rc"}, {"envoy.http_conn_manager_prefix", "ing"}}},
    {"http.ing.rds.a.b.c.update_success",
     "http.rds.update_success",
     {{"envoy.rds_route_config", "a.b.c"}, {"envoy.http_conn_manager_prefix", "ing"}}},
    {"http.ing.fault.dc.delays_injected",
     "http.fault.delays_injected",
     {{"envoy.fault_downstream_cluster", "dc"}, {"envoy.http_conn_manager_prefix", "ing"}}},
    {"http.ing.fault.delays_injected", "http.fault.delays_injected", {{"envoy.http_conn_manager_prefix", "ing"}}},
    {"http.ing.user_agent.ios.downstream_cx_total",
     "http.user_agent.downstream_cx_total",
     {{"envoy.http_user_agent", "ios"}, {"envoy.http_conn_manager_prefix", "ing"}}},
    {"http.ing.rbac.pre.allowed",
     "http.rbac.allowed",
     {{"envoy.rbac_http_prefix", "pre"}, {"envoy.http_conn_manager_prefix", "ing"}}},
    {"http.ing.rbac.pre.policy.p.shadow_denied",
     "http.rbac.policy.shadow_denied",
     {{"envoy.rbac_policy_name", "p"}, {"envoy.rbac_http_prefix", "pre"}, {"envoy.http_conn_manager_prefix", "ing"}}},
    {"http.ing.dynamodb.operation.Get.upstream_rq_total",
     "http.dynamodb.operation.upstream_rq_total",
     {{"envoy.dynamo_operation", "Get"}, {"envoy.http_conn_manager_prefix", "ing"}}},
    {"http.ing.dynamodb.table.t.capacity.Get.__partition_id=ABC1234",
     "http.dynamodb.table.capacity",
     {{"envoy.dynamo_partition_id", "ABC1234"},
      {"envoy.dynamo_operation", "Get"},
      {"envoy.dynamo_table", "t"},
      {"envoy.http_conn_manager_prefix", "ing"}}},
    {"vhost.vh.vcluster.vc.upstream_rq_200",
     "vhost.vcluster.upstream_rq",
     {{"envoy.response_code", "200"}, {"envoy.virtual_cluster", "vc"}, {"envoy.virtual_host", "vh"}}},
    {"vhost.vh.route.r.upstream_rq_total",
     "vhost.route.upstream_rq_total",
     {{"envoy.virtual_host", "vh"}, {"envoy.route", "r"}}},
    {"tcp.front.downstream_cx_total", "tcp.downstream_cx_total", {{"envoy.tcp_prefix", "front"}}},
    {"udp.front.downstream_sess_total", "udp.downstream_sess_total", {{"envoy.udp_prefix", "front"}}},
    {"grpc.g.streams_total", "grpc.streams_total", {{"envoy.google_grpc_client_prefix", "g"}}},
    {"mongo.m.cmd.find.total", "mongo.cmd.total", {{"envoy.mongo_cmd", "find"}, {"envoy.mongo_prefix", "m"}}},
    {"redis.r.downstream_cx_total", "redis.downstream_cx_total", {{"envoy.redis_prefix", "r"}}},
    {"thrift.t.request", "thrift.request", {{"envoy.thrift_prefix", "t"}}},
    {"ratelimit.rl.ok", "ratelimit.ok", {{"envoy.ratelimit_prefix", "rl"}}},
    {"auth.clientssl.a.auth_ip_allowlist", "auth.clientssl.auth_ip_allowlist", {{"envoy.clientssl_prefix", "a"}}},
    {"connection_limit.cl.active_connections",
     "connection_limit.active_connections",
     {{"envoy.connection_limit_prefix", "cl"}}},
    {"local_rate_limit.l.rate_limited",
     "local_rate_limit.rate_limited",
     {{"envoy.local_network_ratelimit_prefix", "l"}}},
    {"listener_local_ratelimit.l.rate_limited",
     "listener_local_ratelimit.rate_limited",
     {{"envoy.local_listener_ratelimit_prefix", "l"}}},
    {"foo.http_local_rate_limit.enabled",
     "http_local_rate_limit.enabled",
     {{"envoy.local_http_ratelimit_prefix", "foo"}}},
    {"a.b.http_local_rate_limit.enabled", "a.b.http_local_rate_limit.enabled", {}},
    {"dns_filter.d.queries", "dns_filter.queries", {{"envoy.dns_filter_prefix", "d"}}},
    {"pre.rbac.allowed", "rbac.allowed", {{"envoy.rbac_prefix", "pre"}}},
    {"tcp.rbac.allowed", "allowed", {{"envoy.rbac_prefix", "tcp"}, {"envoy.tcp_prefix", "rbac"}}},
    {"proxy_proto.versions.v1.found", "proxy_proto.found", {{"envoy.proxy_protocol_version", "1"}}},
    {"proxy_proto.pre.not_found_allowed", "proxy_proto.not_found_allowed", {{"envoy.proxy_protocol_prefix", "pre"}}},
    {"sds.secret.update_success", "sds.update_success", {{"envoy.xds_resource_name", "secret"}}},
    {"control_plane.connected_state", "control_plane.connected_state", {}},
    {"server.live", "server.live", {}},
};

std::string show(const std::vector<Tag>& tags) {
  std::string text;
  for (const Tag& tag : tags) {
    text += tag.name + "=" + tag.value + ",";
  }
  return text;
}

std::unique_ptr<const TagExtractor> make(TagConfig config) { return std::move(*TagExtractor::create(config)); }

TEST(TagExtractor, DefaultTagsAreEnvoys) {
  const auto extractor = make({});
  for (const Case& c : kDefaultCases) {
    std::vector<Tag> tags;
    EXPECT_EQ(extractor->extract(c.name, tags), c.rest) << c.name;
    EXPECT_EQ(show(tags), show(c.tags)) << c.name;
  }
}

TEST(TagExtractor, CanDoWithoutDefaults) {
  const auto extractor = make({false, {{"envoy.cluster_name", false, ""}, {"mesh", true, "east"}}});
  std::vector<Tag> tags;
  EXPECT_EQ(extractor->extract("cluster.be.upstream_rq_200", tags), "cluster.upstream_rq_200");
  EXPECT_EQ(show(tags), "mesh=east,envoy.cluster_name=be,");
}

// The expression with which Istio keeps a host name with dots in one tag.
TEST(TagExtractor, ExpressionsMayTakeMoreThanAToken) {
  const auto extractor =
      make({false, {{"cluster_name", false, "^cluster\\.((.+?(\\..+?\\.svc\\.cluster\\.local)?)\\.)"}}});
  std::vector<Tag> tags;
  EXPECT_EQ(extractor->extract("cluster.outbound|80||web.default.svc.cluster.local.upstream_cx_total", tags),
            "cluster.upstream_cx_total");
  EXPECT_EQ(show(tags), "cluster_name=outbound|80||web.default.svc.cluster.local,");
  tags.clear();
  EXPECT_EQ(extractor->extract("cluster.be.upstream_cx_total", tags), "cluster.upstream_cx_total");
  EXPECT_EQ(show(tags), "cluster_name=be,");
}

TEST(TagExtractor, ExpressionWithOneGroupTakesItOut) {
  const auto extractor = make({true, {{"suffix", false, "_(total)$"}}});
  std::vector<Tag> tags;
  EXPECT_EQ(extractor->extract("cluster.be.upstream_cx_total", tags), "cluster.upstream_cx_");
  EXPECT_EQ(show(tags), "envoy.cluster_name=be,suffix=total,");
}

TEST(TagExtractor, LookaheadsWork) {
  const auto extractor = make({false, {{"x", false, "^a\\.((?!secret)\\w+\\.)"}}});
  std::vector<Tag> tags;
  EXPECT_EQ(extractor->extract("a.open.total", tags), "a.total");
  EXPECT_EQ(extractor->extract("a.secret.total", tags), "a.secret.total");
}

TEST(TagExtractor, ARunawayExpressionEnds) {
  const auto extractor = make({false, {{"x", false, "^((a+)+)+$"}}});
  std::vector<Tag> tags;
  const std::string name = std::string(200, 'a') + "b";
  EXPECT_EQ(extractor->extract(name, tags), name);
  EXPECT_TRUE(tags.empty());
}

TEST(TagExtractor, RefusesWhatCannotWork) {
  EXPECT_FALSE(TagExtractor::create({true, {{"x", false, "a("}}}).ok());
  EXPECT_FALSE(TagExtractor::create({true, {{"x", false, "no_group"}}}).ok());
  EXPECT_FALSE(TagExtractor::create({true, {{"", false, "(a)"}}}).ok());
  const auto unknown = TagExtractor::create({true, {{"unknown", false, ""}}});
  ASSERT_FALSE(unknown.ok());
  EXPECT_NE(unknown.status().message().find("'unknown'"), absl::string_view::npos);
}

}  // namespace
}  // namespace sluice::stats
