// Requests find their routes, and go where these send them.

#include "gtest/gtest.h"

#include "test/integration/harness/http.h"

namespace sluice::integration {
namespace {

class HttpRoutingTest : public ::testing::Test {
 protected:
  void start(const Yamls& hosts, const std::string& extra = "", const std::string& table_extra = "") {
    proxy_ = std::make_unique<Proxy>(
        staticResources({cluster("a", a_.port()), cluster("b", b_.port())},
                        {httpListener("front", httpConnectionManager(routeConfig(hosts, table_extra), extra))}));
    ASSERT_TRUE(proxy_->waitReady());
    port_ = proxy_->listenerPort("front").value_or(0);
  }
  void startRoutes(const Yamls& routes) { start({virtualHost("all", {"*"}, routes)}); }
  HttpMessage get(const std::string& path, const std::string& headers = "", const std::string& host = "test.com") {
    return httpGet(port_, path, headers, host);
  }

  HttpServer a_{"a"};
  HttpServer b_{"b"};
  std::unique_ptr<Proxy> proxy_;
  uint16_t port_ = 0;
};

TEST_F(HttpRoutingTest, HostsByExactSuffixPrefixAndAny) {
  start({virtualHost("exact", {"one.com"}, {route("prefix: /", "direct_response: {status: 201}")}),
         virtualHost("suffix", {"*.one.com"}, {route("prefix: /", "direct_response: {status: 202}")}),
         virtualHost("prefix", {"one.*"}, {route("prefix: /", "direct_response: {status: 203}")}),
         virtualHost("any", {"*"}, {route("prefix: /", "direct_response: {status: 206}")})});
  EXPECT_EQ(get("/", "", "one.com").status(), 201);
  EXPECT_EQ(get("/", "", "ONE.com").status(), 201);
  EXPECT_EQ(get("/", "", "x.y.one.com").status(), 202);
  EXPECT_EQ(get("/", "", "one.org").status(), 203);
  EXPECT_EQ(get("/", "", "two.org").status(), 206);
}

TEST_F(HttpRoutingTest, NoHostAndNoRouteAreNotFound) {
  start({virtualHost("one", {"one.com"}, {route("path: /a", "route: {cluster: a}")})});
  EXPECT_EQ(get("/a", "", "two.com").status(), 404);
  EXPECT_EQ(get("/b", "", "one.com").status(), 404);
  EXPECT_EQ(get("/a", "", "one.com").body, "a");
  EXPECT_TRUE(proxy_->waitForStat("http.h.no_route", 2));
}

TEST_F(HttpRoutingTest, TheFirstRouteThatMatchesTakesIt) {
  startRoutes(
      {route("path: /exact", "direct_response: {status: 201}"),
       route("safe_regex: {regex: \"/r[0-9]+\"}", "direct_response: {status: 202}"),
       route("path_separated_prefix: /sep", "direct_response: {status: 203}"),
       route("prefix: /q, query_parameters: [{name: debug, present_match: true}]", "direct_response: {status: 205}"),
       route("prefix: /, headers: [{name: x-to, string_match: {exact: b}}]", "route: {cluster: b}"),
       route("prefix: /, headers: [{name: \":method\", string_match: {exact: POST}}]",
             "direct_response: {status: 206}"),
       routeTo("a")});
  EXPECT_EQ(get("/exact").status(), 201);
  EXPECT_EQ(get("/exact?x=1").status(), 201);
  EXPECT_EQ(get("/r42").status(), 202);
  EXPECT_EQ(get("/sep/x").status(), 203);
  EXPECT_EQ(get("/separate").body, "a");
  EXPECT_EQ(get("/q?debug").status(), 205);
  EXPECT_EQ(get("/q").body, "a");
  EXPECT_EQ(get("/", "x-to: b\r\n").body, "b");
  HttpClient client(port_);
  EXPECT_EQ(client.request("POST", "/", "", "body").status(), 206);
}

TEST_F(HttpRoutingTest, RewritesPathAndHost) {
  startRoutes({route("prefix: /old/", "route: {cluster: a, prefix_rewrite: /new/, host_rewrite_literal: inner}"),
               route("prefix: /r",
                     "route: {cluster: a, regex_rewrite: {pattern: {regex: \"^/r/(.*)$\"}, "
                     "substitution: \"/got/\\\\1\"}}")});
  EXPECT_EQ(get("/old/x?y=1").header("x-request"), "GET /new/x?y=1");
  EXPECT_EQ(get("/r/thing").header("x-request"), "GET /got/thing");
  const std::vector<HttpMessage> seen = a_.requests();
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_EQ(seen[0].header("host"), "inner");
  EXPECT_EQ(seen[0].header("x-envoy-original-path"), "/old/x?y=1");
  EXPECT_EQ(seen[1].header("host"), "test.com");
}

TEST_F(HttpRoutingTest, RedirectsAndAnswersByItself) {
  startRoutes({route("prefix: /tls", "redirect: {https_redirect: true}"),
               route("prefix: /moved", "redirect: {path_redirect: /here, response_code: FOUND}"),
               route("prefix: /said", "direct_response: {status: 418, body: {inline_string: short and stout}}")});
  EXPECT_EQ(get("/tls/x?y").status(), 301);
  EXPECT_EQ(get("/tls/x?y").header("location"), "https://test.com/tls/x?y");
  EXPECT_EQ(get("/moved").status(), 302);
  EXPECT_EQ(get("/moved").header("location"), "http://test.com/here");
  EXPECT_EQ(get("/said").status(), 418);
  EXPECT_EQ(get("/said").body, "short and stout");
}

TEST_F(HttpRoutingTest, WhatWasMadeIsSaidToBeWhereItWasAskedFor) {
  startRoutes(
      {route("prefix: /made", "direct_response: {status: 201}"), route("prefix: /", "direct_response: {status: 200}")});
  EXPECT_EQ(get("/made?x").header("location"), "http://test.com/made?x");
  EXPECT_FALSE(get("/").has("location"));
}

TEST_F(HttpRoutingTest, WeightsShareTheRequests) {
  startRoutes({route("prefix: /",
                     "route: {weighted_clusters: {clusters: [{name: a, weight: 75}, "
                     "{name: b, weight: 25}]}}")});
  HttpClient client(port_);
  int of_a = 0;
  for (int i = 0; i < 400; ++i) {
    of_a += client.get("/").body == "a" ? 1 : 0;
  }
  EXPECT_GT(of_a, 250);
  EXPECT_LT(of_a, 350);
}

TEST_F(HttpRoutingTest, AMissingClusterIsSaid) {
  startRoutes({route("prefix: /", "route: {cluster_header: x-cluster}")});
  EXPECT_EQ(get("/").status(), 503);
  EXPECT_EQ(get("/", "x-cluster: none\r\n").status(), 503);
  EXPECT_EQ(get("/", "x-cluster: b\r\n").body, "b");
  EXPECT_TRUE(proxy_->waitForStat("http.h.no_cluster", 2));
}

TEST_F(HttpRoutingTest, ARouteThatIsNotForForwardingHasNoCluster) {
  startRoutes({route("prefix: /none", "non_forwarding_action: {}"), routeTo("a")});
  EXPECT_EQ(get("/none").status(), 503);
  EXPECT_TRUE(proxy_->waitForStat("http.h.no_cluster", 1));
  EXPECT_EQ(get("/").body, "a") << "it lives";
}

TEST_F(HttpRoutingTest, HeadersAreAddedAndRemovedAtEveryLevel) {
  start({virtualHost("all", {"*"},
                     {route("prefix: /", "route: {cluster: a}",
                            "request_headers_to_add: [{header: {key: x-level, value: route}}], "
                            "response_headers_to_add: [{header: {key: x-from, value: \"%UPSTREAM_CLUSTER%\"}}], "
                            "response_headers_to_remove: [x-request]")},
                     "request_headers_to_add: [{header: {key: x-level, value: host}}]")},
        "", "request_headers_to_add: [{header: {key: x-path, value: \"%REQ(:path)%\"}}]");
  const HttpMessage answer = get("/p");
  EXPECT_EQ(answer.header("x-from"), "a");
  EXPECT_FALSE(answer.has("x-request"));
  ASSERT_EQ(a_.requests().size(), 1u);
  const HttpMessage seen = a_.requests()[0];
  EXPECT_EQ(seen.header("x-level"), "route");
  EXPECT_EQ(
      std::count(seen.headers.begin(), seen.headers.end(), std::pair<std::string, std::string>("x-level", "host")), 1);
  EXPECT_EQ(seen.header("x-path"), "/p");
}

TEST_F(HttpRoutingTest, MirrorsGoToTheirClusterAndNobodyWaitsForThem) {
  startRoutes({route("prefix: /", "route: {cluster: a, request_mirror_policies: [{cluster: b}]}")});
  HttpClient client(port_);
  EXPECT_EQ(client.request("POST", "/copy", "", "payload").body, "a");
  ASSERT_TRUE(eventually([&] { return b_.requests().size() == 1; }));
  EXPECT_EQ(b_.requests()[0].body, "payload");
  EXPECT_EQ(b_.requests()[0].header("host"), "test.com-shadow");
}

}  // namespace
}  // namespace sluice::integration
