#include "source/http/route_table.h"

#include <random>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "envoy/config/core/v3/base.pb.h"

#include "test/http/route_fixture.h"
#include "test/support/fake_tls_info.h"

namespace sluice::http {
namespace {

using test::FakeRequest;

std::string direct(absl::string_view name, absl::string_view match) {
  return absl::StrCat("{name: ", name, ", match: ", match, ", direct_response: {status: 200}}");
}

class RouteTableTest : public test::RouteFixture {
 protected:
  /** One host for all with these routes. */
  std::unique_ptr<RouteTable> routes(const std::vector<std::string>& list, absl::string_view more = "") {
    std::string text = absl::StrCat("{virtual_hosts: [{name: v, domains: ['*'], routes: [");
    for (const std::string& route : list) {
      absl::StrAppend(&text, route, ", ");
    }
    return good(absl::StrCat(text, "]}]", more, "}"));
  }
  static std::string hostOf(const RouteTable& table, absl::string_view authority) {
    const VirtualHost* const host = table.findHost(authority);
    return host == nullptr ? "" : host->name;
  }
};

TEST_F(RouteTableTest, HostsAreFoundFromTheMostSpecificOn) {
  const auto table = good(R"({virtual_hosts: [
    {name: any, domains: ["*"]}, {name: exact, domains: [www.foo.com, WWW.Bar.com]},
    {name: suffix, domains: ["*.foo.com"]}, {name: longer, domains: ["*.a.foo.com"]}, {name: dash, domains: ["*-x.foo.com"]},
    {name: prefix, domains: ["foo.*"]}, {name: longer_prefix, domains: ["foo.bar.*"]}, {name: port, domains: ["p.com:8080"]}]})");
  EXPECT_EQ(hostOf(*table, "www.foo.com"), "exact");
  EXPECT_EQ(hostOf(*table, "wWw.foo.COM"), "exact");
  EXPECT_EQ(hostOf(*table, "www.bar.com"), "exact");
  EXPECT_EQ(hostOf(*table, "b.foo.com"), "suffix");
  EXPECT_EQ(hostOf(*table, "b.a.foo.com"), "longer");
  EXPECT_EQ(hostOf(*table, "b-x.foo.com"), "dash");
  EXPECT_EQ(hostOf(*table, ".foo.com"), "any");
  EXPECT_EQ(hostOf(*table, "foo.org"), "prefix");
  EXPECT_EQ(hostOf(*table, "foo.bar.org"), "longer_prefix");
  EXPECT_EQ(hostOf(*table, "p.com:8080"), "port");
  EXPECT_EQ(hostOf(*table, "p.com"), "any");
  EXPECT_EQ(hostOf(*table, "www.foo.com:80"), "any");
  EXPECT_EQ(hostOf(*table, ""), "");
}

TEST_F(RouteTableTest, PortsAreIgnoredOnRequest) {
  const auto table = good(R"({ignore_port_in_host_matching: true, virtual_hosts: [
    {name: a, domains: [a.com]}, {name: six, domains: ["[::1]"]}, {name: odd, domains: ["odd:port"]}]})");
  EXPECT_EQ(hostOf(*table, "a.com:8080"), "a");
  EXPECT_EQ(hostOf(*table, "a.com"), "a");
  EXPECT_EQ(hostOf(*table, "[::1]:80"), "six");
  EXPECT_EQ(hostOf(*table, "[::1]"), "six");
  EXPECT_EQ(hostOf(*table, "odd:port"), "odd");
  EXPECT_EQ(hostOf(*table, "other"), "");
}

TEST_F(RouteTableTest, HostsThatRequireTlsRedirectToIt) {
  const auto table = good(R"({virtual_hosts: [
    {name: all, domains: [all], require_tls: ALL, routes: [{match: {prefix: /}, direct_response: {status: 200}}]},
    {name: ext, domains: [ext], require_tls: EXTERNAL_ONLY,
     routes: [{match: {prefix: /}, direct_response: {status: 200}}]}]})");
  const auto redirects = [&](absl::string_view host, const std::vector<std::pair<std::string, std::string>>& more) {
    const Route* const found = table->find(FakeRequest(host, "/", more).query());
    return found != nullptr && found->kind == Route::Kind::Redirect && found->redirect->https;
  };
  EXPECT_TRUE(redirects("all", {{"x-forwarded-proto", "http"}}));
  EXPECT_TRUE(redirects("all", {{"x-forwarded-proto", "http"}, {"x-envoy-internal", "true"}}));
  EXPECT_FALSE(redirects("all", {{"x-forwarded-proto", "https"}}));
  EXPECT_TRUE(redirects("ext", {{"x-forwarded-proto", "http"}}));
  EXPECT_FALSE(redirects("ext", {{"x-forwarded-proto", "http"}, {"x-envoy-internal", "true"}}));
}

TEST_F(RouteTableTest, AHeaderMayNameTheHost) {
  const auto table = good(R"({vhost_header: X-Host, virtual_hosts: [
    {name: a, domains: [a.com], routes: [{name: ra, match: {prefix: ""}, direct_response: {status: 200}}]}]})");
  EXPECT_EQ(FakeRequest("b.com", "/", {{"x-host", "a.com"}}).routeIn(*table), "ra");
  EXPECT_EQ(FakeRequest("a.com", "/").routeIn(*table), "");
}

TEST_F(RouteTableTest, PathsMatch) {
  const auto table =
      routes({direct("exact", "{path: /exact}"), direct("nocase", "{path: /NoCase, case_sensitive: false}"),
              direct("sep", "{path_separated_prefix: /sep}"), direct("regex", "{safe_regex: {regex: '/r/[0-9]+'}}"),
              direct("prefix", "{prefix: /pre}"), direct("pnocase", "{prefix: /CASE, case_sensitive: false}")});
  const auto route = [&](absl::string_view path) { return FakeRequest("h", path).routeIn(*table); };
  EXPECT_EQ(route("/exact"), "exact");
  EXPECT_EQ(route("/exact?q"), "exact");
  EXPECT_EQ(route("/exact#f"), "exact");
  EXPECT_EQ(route("/exact/"), "");
  EXPECT_EQ(route("/EXACT"), "");
  EXPECT_EQ(route("/nOCASE"), "nocase");
  EXPECT_EQ(route("/sep"), "sep");
  EXPECT_EQ(route("/sep/a"), "sep");
  EXPECT_EQ(route("/sepa"), "");
  EXPECT_EQ(route("/r/12?x=/"), "regex");
  EXPECT_EQ(route("/r/12/"), "");
  EXPECT_EQ(route("/prefix"), "prefix");
  EXPECT_EQ(route("/pr?e"), "");
  EXPECT_EQ(route("/caSE/x"), "pnocase");
}

TEST_F(RouteTableTest, ParametersOfThePathAreIgnoredOnRequest) {
  const auto list = std::vector<std::string>{direct("exact", "{path: /a/b}")};
  EXPECT_EQ(FakeRequest("h", "/a;x=1/b;y?q").routeIn(*routes(list)), "");
  EXPECT_EQ(FakeRequest("h", "/a;x=1/b;y?q").routeIn(*routes(list, ", ignore_path_parameters_in_path_matching: true")),
            "exact");
}

TEST_F(RouteTableTest, ConnectMatchesWithoutAPath) {
  const auto table = routes({direct("all", "{prefix: ''}"), direct("connect", "{connect_matcher: {}}")});
  FakeRequest request("h:443", "/");
  request.headers.remove(HeaderId::Path);
  request.headers.set(HeaderId::Method, "CONNECT");
  EXPECT_EQ(request.routeIn(*table), "connect");
  EXPECT_EQ(FakeRequest("h", "/").routeIn(*table), "all");
}

TEST_F(RouteTableTest, AllConditionsMustHold) {
  const auto table = routes(
      {direct("grpc", "{prefix: /, grpc: {}}"),
       direct("both",
              "{prefix: /, headers: [{name: x-a, exact_match: v}], query_parameters: [{name: q, string_match: {exact: "
              "'1'}}]}"),
       direct("tls", "{prefix: /, tls_context: {presented: true}}"),
       direct("half", "{prefix: /, runtime_fraction: {default_value: {numerator: 50}}}"),
       direct("meta", "{prefix: /, dynamic_metadata: [{filter: f, path: [{key: k}], value: {bool_match: true}}]}"),
       direct("rest", "{prefix: /}")});
  EXPECT_EQ(FakeRequest("h", "/", {{"content-type", "application/grpc"}}).routeIn(*table, 99), "grpc");
  EXPECT_EQ(FakeRequest("h", "/", {{"content-type", "application/grpc+proto"}}).routeIn(*table, 99), "grpc");
  EXPECT_EQ(FakeRequest("h", "/", {{"content-type", "application/grpc-web"}}).routeIn(*table, 99), "rest");
  EXPECT_EQ(FakeRequest("h", "/?q=1", {{"x-a", "v"}}).routeIn(*table, 99), "both");
  EXPECT_EQ(FakeRequest("h", "/?q=2", {{"x-a", "v"}}).routeIn(*table, 99), "rest");
  EXPECT_EQ(FakeRequest("h", "/?q=1").routeIn(*table, 99), "rest");
  EXPECT_EQ(FakeRequest("h", "/").routeIn(*table, 149), "half");
  EXPECT_EQ(FakeRequest("h", "/").routeIn(*table, 150), "rest");
  const FakeRequest request("h", "/");
  FakeRequest shown("h", "/");
  test::FakeTlsInfo tls;
  shown.info.downstream_tls = &tls;
  EXPECT_EQ(shown.routeIn(*table, 99), "rest");
  tls.peer_certificate.emplace();
  EXPECT_EQ(shown.routeIn(*table, 99), "tls");
  FakeRequest tagged("h", "/");
  tagged.info.makeExtras().metadata = std::make_unique<envoy::config::core::v3::Metadata>();
  (*(*tagged.info.extras->metadata->mutable_filter_metadata())["f"].mutable_fields())["k"].set_bool_value(true);
  EXPECT_EQ(tagged.routeIn(*table, 99), "meta");
}

TEST_F(RouteTableTest, VirtualClustersAreFoundInOrder) {
  const auto table = good(R"({virtual_hosts: [{name: v, domains: ["*"], virtual_clusters: [
    {name: posts, headers: [{name: ":method", exact_match: POST}]},
    {name: users, headers: [{name: ":path", prefix_match: /users}]}]}]})");
  const VirtualHost& host = *table->findHost("h");
  const FakeRequest users("h", "/users/1");
  ASSERT_NE(findVirtualCluster(host, users.headers), nullptr);
  EXPECT_EQ(findVirtualCluster(host, users.headers)->name, "users");
  EXPECT_EQ(findVirtualCluster(host, FakeRequest("h", "/x").headers), nullptr);
  findVirtualCluster(host, users.headers)->stats->upstream_rq_total.inc();
  host.other_cluster_stats->upstream_rq_total.inc();
  EXPECT_EQ(store_.counterValue("vhost.v.vcluster.users.upstream_rq_total"), 1u);
  EXPECT_EQ(store_.counterValue("vhost.v.vcluster.other.upstream_rq_total"), 1u);
}

TEST_F(RouteTableTest, RoutesWithAStatPrefixCount) {
  constexpr absl::string_view kText = R"({virtual_hosts: [{name: v, domains: ["*"], routes: [
    {match: {path: /a}, direct_response: {status: 200}, stat_prefix: first},
    {match: {path: /b}, direct_response: {status: 200}, stat_prefix: first},
    {match: {path: /c}, direct_response: {status: 200}}]}]})";
  auto table = good(kText);
  const Route* const a = table->find(FakeRequest("h", "/a").query());
  const Route* const b = table->find(FakeRequest("h", "/b").query());
  EXPECT_EQ(table->find(FakeRequest("h", "/c").query())->stats, nullptr);
  a->stats->upstream_rq_total.inc();
  a->stats->codes.countResponse(204);
  b->stats->codes.countResponse(999);
  // A code's counter, which came with its first use, stays when the next table takes over.
  auto next = good(kText);
  table = nullptr;
  EXPECT_EQ(store_.counterValue("vhost.v.route.first.upstream_rq_total"), 1u);
  EXPECT_EQ(store_.counterValue("vhost.v.route.first.upstream_rq_204"), 1u);
  EXPECT_EQ(store_.counterValue("vhost.v.route.first.upstream_rq_2xx"), 1u);
  EXPECT_EQ(store_.counterValue("vhost.v.route.first.upstream_rq_unknown"), 1u);
  EXPECT_EQ(store_.counterValue("vhost.v.route.first.upstream_rq_completed"), 2u);
  next = nullptr;
  EXPECT_EQ(store_.counterValue("vhost.v.route.first.upstream_rq_204"), 0u);
}

/** The index must find what walking the routes would find, whatever is in them. */
TEST_F(RouteTableTest, TheIndexFindsWhatAWalkFinds) {
  std::mt19937 random(7);
  const auto path = [&] {
    std::string text;
    for (uint32_t i = random() % 4; i-- > 0;) {
      absl::StrAppend(&text, "/", std::string(1, "abAB"[random() % 4]));
    }
    return text + (random() % 4 == 0 ? "a" : "") + (random() % 8 == 0 ? "/" : "");
  };
  for (int round = 0; round < 40; ++round) {
    std::vector<RouteMatch> matches;
    for (int i = 0; i < 60; ++i) {
      RouteMatch& match = matches.emplace_back();
      match.path.kind = static_cast<PathMatch::Kind>(random() % 3);
      match.path.text = path();
      if (random() % 4 == 0) {
        match.path.ignore_case = true;
        match.path.text = absl::AsciiStrToLower(match.path.text);
      }
      if (random() % 10 == 0) {
        match.path.kind = PathMatch::Kind::Connect;
      }
      if (random() % 3 == 0) {
        auto conditions = std::make_unique<RouteConditions>();
        conditions->fraction = runtime::Fraction{static_cast<uint32_t>(random() % 100), 100};
        match.conditions = std::move(conditions);
      }
    }
    const PathIndex index(matches);
    for (int i = 0; i < 200; ++i) {
      const FakeRequest request("h", path());
      const RouteQuery query = request.query(random());
      const QueryPath query_path = QueryPath::of(request.headers, false, request.headers.arena());
      uint32_t expected = PathIndex::kNone;
      for (uint32_t at = 0; at < matches.size() && expected == PathIndex::kNone; ++at) {
        expected = matches[at].matches(query_path, query) ? at : expected;
      }
      EXPECT_EQ(index.find(query_path.text, [&](uint32_t at) { return matches[at].matches(query_path, query); }),
                expected)
          << request.headers.get(HeaderId::Path);
    }
  }
}

TEST_F(RouteTableTest, TenThousandRoutesAreNotWalked) {
  std::vector<RouteMatch> matches(10000);
  for (size_t i = 0; i < matches.size(); ++i) {
    matches[i].path.kind = i % 2 == 0 ? PathMatch::Kind::Prefix : PathMatch::Kind::Exact;
    matches[i].path.text = absl::StrCat("/service/", i, "/");
  }
  const PathIndex index(matches);
  int asked = 0;
  EXPECT_EQ(index.find("/service/9998/x", [&](uint32_t) { return ++asked > 0; }), 9998u);
  EXPECT_EQ(index.find("/service/9999/", [&](uint32_t) { return ++asked > 0; }), 9999u);
  EXPECT_EQ(index.find("/other", [&](uint32_t) { return ++asked > 0; }), PathIndex::kNone);
  EXPECT_EQ(asked, 2);
}

}  // namespace
}  // namespace sluice::http
