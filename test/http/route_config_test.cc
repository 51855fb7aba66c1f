#include "source/http/route_config.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

#include "source/http/header_matcher.h"
#include "test/http/route_fixture.h"

namespace sluice::http {
namespace {

using std::chrono::milliseconds;

class RouteConfigTest : public test::RouteFixture {
 protected:
  /** A table with one route to cluster a, with these fields of its action and of its virtual host. */
  const ForwardAction& action(absl::string_view fields, absl::string_view host_fields = "") {
    table_ = good(text(absl::StrCat("route: {cluster: a, ", fields, "}"), host_fields));
    return *route().forward;
  }
  const Route& route() { return static_cast<const RoutedHost*>(table_->findHost("h"))->routes.at(0); }
  static std::string text(absl::string_view route_fields, absl::string_view host_fields = "",
                          absl::string_view table_fields = "") {
    return absl::StrCat("{name: r, virtual_hosts: [{name: v, domains: ['*'], ", host_fields,
                        " routes: [{match: {prefix: /p}, ", route_fields, "}]}], ", table_fields, "}");
  }
  std::string refused(absl::string_view of) {
    EXPECT_EQ(build(of), nullptr);
    std::string mistakes = violations_.toString();
    absl::StripTrailingAsciiWhitespace(&mistakes);
    return mistakes;
  }
  std::string refusedAction(absl::string_view fields) { return refused(text(absl::StrCat("route: {", fields, "}"))); }

  std::unique_ptr<RouteTable> table_;
};

TEST_F(RouteConfigTest, DefaultsAreEnvoys) {
  const ForwardAction& forward = action("");
  EXPECT_EQ(route().cluster, "a");
  EXPECT_EQ(forward.timeout, milliseconds(15000));
  EXPECT_EQ(forward.cluster_not_found_code, 503u);
  EXPECT_EQ(forward.retry, nullptr);
  EXPECT_FALSE(forward.internal_redirect.has_value());
  EXPECT_EQ(route().matched_prefix, 2u);
  EXPECT_EQ(route().kind, Route::Kind::Forward);
  EXPECT_EQ(table_->name, "r");
  EXPECT_EQ(table_->max_direct_response_body_size_bytes, 4096u);
}

TEST_F(RouteConfigTest, ActionsAreRead) {
  const ForwardAction& forward =
      action(R"(timeout: 0s, idle_timeout: 7s, prefix_rewrite: /new, host_rewrite_literal: h2,
    append_x_forwarded_host: true, priority: HIGH, cluster_not_found_response_code: NOT_FOUND,
    max_stream_duration: {max_stream_duration: 1s, grpc_timeout_header_max: 0s, grpc_timeout_header_offset: 0.1s},
    upgrade_configs: [{upgrade_type: WebSocket}, {upgrade_type: CONNECT, connect_config: {allow_post: true}}],
    hash_policy: [{header: {header_name: X-H}, terminal: true}, {cookie: {name: c, ttl: 5s, path: /x}},
                  {connection_properties: {source_ip: true}}, {query_parameter: {name: q}}, {filter_state: {key: k}}],
    request_mirror_policies: [{cluster: b, runtime_fraction: {default_value: {numerator: 5}}}])");
  EXPECT_EQ(forward.timeout, milliseconds(0));
  EXPECT_EQ(forward.idle_timeout, milliseconds(7000));
  EXPECT_EQ(forward.path_rewrite.prefix, "/new");
  EXPECT_EQ(forward.host_rewrite, "h2");
  EXPECT_TRUE(forward.append_x_forwarded_host);
  EXPECT_TRUE(forward.high_priority);
  EXPECT_EQ(forward.cluster_not_found_code, 404u);
  EXPECT_EQ(forward.max_stream_duration, milliseconds(1000));
  EXPECT_TRUE(forward.has_grpc_timeout_header_max);
  EXPECT_EQ(forward.grpc_timeout_header_max, milliseconds(0));
  EXPECT_EQ(forward.grpc_timeout_header_offset, milliseconds(100));
  ASSERT_EQ(forward.upgrades.size(), 2u);
  EXPECT_EQ(forward.upgrades[0].type, "websocket");
  EXPECT_FALSE(forward.upgrades[0].terminate_connect);
  EXPECT_TRUE(forward.upgrades[1].terminate_connect && forward.upgrades[1].allow_post);
  ASSERT_EQ(forward.hash.size(), 5u);
  EXPECT_EQ(forward.hash[0].key, "x-h");
  EXPECT_TRUE(forward.hash[0].terminal);
  EXPECT_EQ(forward.hash[1].cookie_ttl, std::chrono::seconds(5));
  EXPECT_EQ(forward.hash[2].kind, HashPolicy::Kind::SourceIp);
  ASSERT_EQ(forward.mirrors.size(), 1u);
  EXPECT_EQ(forward.mirrors[0].share, 50'000u);
}

TEST_F(RouteConfigTest, RetriesAreTheRoutesElseTheHosts) {
  const absl::string_view host = "retry_policy: {retry_on: '5xx,unavailable', num_retries: 4}, ";
  EXPECT_EQ(action("", host).retry->num_retries, 4u);
  EXPECT_EQ(action("", host).retry->on, retry_on::k5xx | retry_on::kGrpcUnavailable);
  const RetryPolicy policy = *action(R"(retry_policy: {retry_on: "connect-failure, nonsense", per_try_timeout: 0.2s,
    retry_back_off: {base_interval: 0.01s}, retriable_status_codes: [418], retriable_headers: [{name: x-r}],
    rate_limited_retry_back_off: {reset_headers: [{name: Retry-After}, {name: x-reset, format: UNIX_TIMESTAMP}]},
    host_selection_retry_max_attempts: 5, retry_host_predicate: [{name: p, typed_config: {
      "@type": type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate}}]})",
                                     host)
                                  .retry;
  EXPECT_EQ(policy.on, retry_on::kConnectFailure);
  EXPECT_EQ(policy.num_retries, 1u);
  EXPECT_EQ(policy.per_try_timeout, milliseconds(200));
  EXPECT_EQ(policy.back_off.base, milliseconds(10));
  EXPECT_EQ(policy.back_off.max, milliseconds(100));
  EXPECT_EQ(policy.retriable_status_codes, std::vector<uint32_t>{418});
  EXPECT_EQ(policy.retriable_headers.size(), 1u);
  ASSERT_EQ(policy.reset_headers.size(), 2u);
  EXPECT_EQ(policy.reset_headers[0].name, "retry-after");
  EXPECT_TRUE(policy.reset_headers[1].unix_timestamp);
  EXPECT_TRUE(policy.avoid_previous_hosts);
  EXPECT_EQ(policy.host_selection_retry_max_attempts, 5u);
}

TEST_F(RouteConfigTest, MirrorsAndHedgesAreTheMostSpecific) {
  const absl::string_view host =
      "request_mirror_policies: [{cluster: b}], hedge_policy: {hedge_on_per_try_timeout: true}, ";
  EXPECT_EQ(action("", host).mirrors.at(0).cluster, "b");
  EXPECT_TRUE(action("", host).hedge.hedge_on_per_try_timeout);
  EXPECT_EQ(action("request_mirror_policies: [{cluster: a}]", host).mirrors.at(0).cluster, "a");
  table_ = good(text("route: {cluster: a}", "", "request_mirror_policies: [{cluster: b}]"));
  EXPECT_EQ(route().forward->mirrors.at(0).cluster, "b");
}

TEST_F(RouteConfigTest, RoutesThatDifferByTheirClusterShareTheirAction) {
  table_ = good(R"({name: r, virtual_hosts: [
    {name: v, domains: [h], routes: [{match: {prefix: /a}, route: {cluster: a, timeout: 1s}},
                                     {match: {prefix: /b}, route: {cluster: b, timeout: 1s}},
                                     {match: {prefix: /c}, route: {cluster: b, timeout: 2s}}]},
    {name: w, domains: [i], retry_policy: {retry_on: 5xx}, routes: [{match: {prefix: /a}, route: {cluster: a, timeout: 1s}}]},
    {name: x, domains: [j], routes: [{match: {prefix: /a}, route: {cluster: a, timeout: 1s}}]}]})");
  const auto routes = [this](absl::string_view host) -> const std::vector<Route>& {
    return static_cast<const RoutedHost*>(table_->findHost(host))->routes;
  };
  EXPECT_EQ(routes("h")[0].forward, routes("h")[1].forward);
  EXPECT_EQ(routes("h")[1].cluster, "b");
  EXPECT_EQ(routes("h")[2].forward->timeout, milliseconds(2000));
  EXPECT_NE(routes("i")[0].forward->retry, nullptr);
  EXPECT_EQ(routes("j")[0].forward->retry, nullptr);
}

TEST_F(RouteConfigTest, WeightsAreSummed) {
  table_ = good(text(R"(route: {weighted_clusters: {clusters: [
    {name: a, weight: 30, request_headers_to_add: [{header: {key: x, value: y}}]}, {name: b, weight: 70, host_rewrite_literal: hb}]}})"));
  const ForwardAction& forward = *route().forward;
  EXPECT_EQ(forward.total_weight, 100u);
  EXPECT_NE(forward.weighted[0].request_headers, nullptr);
  EXPECT_EQ(forward.weighted[1].host_rewrite, "hb");
  const auto weights = [this](absl::string_view clusters) {
    return refusedAction(absl::StrCat("weighted_clusters: {clusters: [", clusters, "]}"));
  };
  EXPECT_EQ(
      weights("{name: a, weight: 0}"),
      "virtual_hosts[0].routes[0].route.weighted_clusters.clusters: have no weight: their sum must be at least 1");
  EXPECT_NE(weights("{name: a, weight: 4294967295}, {name: b, weight: 1}").find("more than 4294967295"),
            std::string::npos);
  EXPECT_EQ(weights("{weight: 1}"),
            "virtual_hosts[0].routes[0].route.weighted_clusters.clusters[0]: needs either name or cluster_header");
}

TEST_F(RouteConfigTest, RedirectsAndDirectResponsesAreRead) {
  table_ =
      good(text("redirect: {https_redirect: true, host_redirect: h2, port_redirect: 8443, path_redirect: /x, "
                "response_code: PERMANENT_REDIRECT, strip_query: true}"));
  EXPECT_EQ(route().kind, Route::Kind::Redirect);
  EXPECT_TRUE(route().redirect->https && route().redirect->strip_query);
  EXPECT_EQ(route().redirect->host, "h2");
  EXPECT_EQ(route().redirect->port, 8443u);
  EXPECT_EQ(route().redirect->path.path, "/x");
  EXPECT_EQ(route().redirect->code, 308u);
  table_ = good(text("direct_response: {status: 418, body: {inline_string: teapot}}"));
  EXPECT_EQ(route().direct->status, 418u);
  EXPECT_EQ(*route().direct->body, "teapot");
  EXPECT_EQ(refused(text("direct_response: {status: 200, body: {inline_string: teapot}}", "",
                         "max_direct_response_body_size_bytes: 5")),
            "virtual_hosts[0].routes[0].direct_response.body: has 6 bytes, more than the 5 that "
            "max_direct_response_body_size_bytes allows");
}

TEST_F(RouteConfigTest, LevelsHaveTheirHeadersAndFilters) {
  table_ =
      good(text(R"(route: {cluster: a}, response_headers_to_remove: [x], metadata: {filter_metadata: {f: {k: v}}},
      typed_per_filter_config: {f: {"@type": type.googleapis.com/google.protobuf.StringValue, value: route},
        off: {"@type": type.googleapis.com/envoy.config.route.v3.FilterConfig, disabled: true},
        wrapped: {"@type": type.googleapis.com/envoy.config.route.v3.FilterConfig, config: {
          "@type": type.googleapis.com/google.protobuf.StringValue, value: in}},
        maybe: {"@type": type.googleapis.com/envoy.config.route.v3.FilterConfig, is_optional: true, config: {
          "@type": type.googleapis.com/google.protobuf.Int32Value, value: 1}}})",
                "request_headers_to_add: [{header: {key: x, value: y}}], ", "internal_only_headers: [X-Internal]"));
  EXPECT_NE(route().response_headers, nullptr);
  EXPECT_EQ(route().request_headers, nullptr);
  EXPECT_NE(route().virtual_host->request_headers, nullptr);
  EXPECT_EQ(route().virtual_host->table, &table_->level);
  ASSERT_NE(route().metadata, nullptr);
  EXPECT_EQ(table_->internal_only_headers, std::vector<std::string>{"x-internal"});
  const FilterOverrides& overrides = route().overrides;
  EXPECT_EQ(overrides.size(), 3u);
  EXPECT_EQ(static_cast<const test::FakePerRoute&>(*overrides.at("f").config).text, "route");
  EXPECT_TRUE(overrides.at("off").disabled);
  EXPECT_EQ(overrides.at("off").config, nullptr);
  EXPECT_EQ(static_cast<const test::FakePerRoute&>(*overrides.at("wrapped").config).text, "in");
  EXPECT_EQ(
      refused(text(R"(route: {cluster: a}, typed_per_filter_config: {f: {
              "@type": type.googleapis.com/google.protobuf.Int32Value, value: 1}})")),
      "virtual_hosts[0].routes[0].typed_per_filter_config[\"f\"]: no filter takes 'google.protobuf.Int32Value' as a "
      "route's settings");
}

TEST_F(RouteConfigTest, ClustersAreLookedForOnRequest) {
  const std::string there = text("route: {cluster: nope}");
  EXPECT_EQ(refused(there), "virtual_hosts[0].routes[0].route.cluster: there is no cluster 'nope' (unknown cluster)");
  EXPECT_NE(build(there, false), nullptr);
  EXPECT_NE(build(text("route: {cluster: nope}", "", "validate_clusters: false")), nullptr);
  EXPECT_EQ(build(text("route: {cluster: nope}", "", "validate_clusters: true"), false), nullptr);
  EXPECT_EQ(refusedAction("cluster: a, request_mirror_policies: [{cluster: nope}]"),
            "virtual_hosts[0].routes[0].route.request_mirror_policies[0].cluster: there is no cluster 'nope' (unknown "
            "cluster)");
}

TEST_F(RouteConfigTest, DomainsAreThereOnce) {
  EXPECT_EQ(refused("{virtual_hosts: [{name: a, domains: [x.com, '*']}, {name: b, domains: [X.com, '*']}]}"),
            "virtual_hosts[1].domains[0]: the domain 'X.com' is there twice (duplicate)\n"
            "virtual_hosts[1].domains[1]: the domain '*' is there twice (duplicate)");
}

TEST_F(RouteConfigTest, AllMistakesAreTold) {
  EXPECT_EQ(refused(R"({virtual_hosts: [{name: a, domains: [x], routes: [
      {match: {safe_regex: {regex: "("}}, route: {cluster: nope}}, {match: {prefix: /}, route: {cluster: a,
        prefix_rewrite: /x, regex_rewrite: {pattern: {regex: a}, substitution: '\1'}}}]}]})"),
            "virtual_hosts[0].routes[0].match.safe_regex.regex: '(' is no regular expression: missing ): (\n"
            "virtual_hosts[0].routes[0].route.cluster: there is no cluster 'nope' (unknown cluster)\n"
            "virtual_hosts[0].routes[1].route: has both prefix_rewrite and regex_rewrite: only one may be set\n"
            "virtual_hosts[0].routes[1].route.regex_rewrite.substitution: Rewrite schema requests 1 matches, but the "
            "regexp only has 0 parenthesized subexpressions.");
}

TEST_F(RouteConfigTest, TheSupportTableRefusesTheRest) {
  EXPECT_EQ(validated(text("route: {cluster: a, retry_policy: {retry_on: 5xx}}, tracing: {}")), "");
  EXPECT_NE(validated("{name: r, vhds: {config_source: {ads: {}}}}").find("vhds: "), std::string::npos);
  EXPECT_NE(validated(text("route: {inline_cluster_specifier_plugin: {extension: {name: x, typed_config: {'@type': "
                           "type.googleapis.com/google.protobuf.Empty}}}}"))
                .find("inline_cluster_specifier_plugin: "),
            std::string::npos);
}

}  // namespace
}  // namespace sluice::http
