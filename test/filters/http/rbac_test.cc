#include "source/filters/http/rbac.h"

#include "envoy/config/core/v3/base.pb.h"
#include "envoy/extensions/filters/http/rbac/v3/rbac.pb.h"
#include "gmock/gmock.h"
#include "google/protobuf/struct.pb.h"

#include "test/filters/http/filter_fixture.h"
#include "test/support/fake_tls_info.h"

namespace sluice::filters {
namespace {

using http::HeadersStatus;
using PerRouteProto = envoy::extensions::filters::http::rbac::v3::RBACPerRoute;
using Proto = envoy::extensions::filters::http::rbac::v3::RBAC;

class RbacTest : public test::FilterFixture {
 protected:
  /** The reply's text; empty when the request goes on. */
  std::string ask(const http::HttpFilterConfig& config,
                  const std::vector<std::pair<std::string, std::string>>& headers = {},
                  const std::string& remote = "10.1.2.3", std::shared_ptr<const http::PerRouteConfig> route = nullptr) {
    test::FakeFilterStream stream(dispatcher_);
    stream.info.downstream_remote = *net::Address::ip(remote, 1000);
    stream.info.downstream_local = *net::Address::ip("10.0.0.1", 8080);
    stream.info.downstream_tls = tls_;
    if (route != nullptr) {
      stream.per_route.push_back(std::move(route));
    }
    stream.start(config);
    stream.request(headers);
    if (stream.info.extras != nullptr && stream.info.extras->metadata != nullptr) {
      metadata_ = stream.info.extras->metadata->filter_metadata().at("envoy.filters.http.rbac");
    }
    return stream.reply;
  }
  std::unique_ptr<HttpFilterFactory> factory_ = httpRbacFactory(dispatcher_, runtime_);
  google::protobuf::Struct metadata_;
  const net::TlsInfo* tls_ = nullptr;
};

constexpr const char* kGetOnly =
    "{rules: {policies: {'get only': {permissions: [{and_rules: {rules: [{header: {name: ':method', string_match: "
    "{exact: GET}}}, {url_path: {path: {prefix: /api}}}, {destination_port: 8080}]}}], "
    "principals: [{remote_ip: {address_prefix: 10.1.0.0, prefix_len: 16}}]}}}}";
constexpr const char* kDenied = "403 RBAC: access denied (rbac_access_denied_matched_policy[none])";

TEST_F(RbacTest, AllowsWhatAPolicyMatches) {
  const auto config = make<Proto>(*factory_, kGetOnly);
  ASSERT_NE(config, nullptr) << violations_.toString();
  EXPECT_EQ(ask(*config, {{":method", "GET"}, {":path", "/api/x?q"}}), "");
  EXPECT_EQ(ask(*config, {{":method", "POST"}, {":path", "/api/x"}}), kDenied);
  EXPECT_EQ(ask(*config, {{":method", "GET"}, {":path", "/other"}}), kDenied);
  EXPECT_EQ(ask(*config, {{":method", "GET"}, {":path", "/api"}}, "10.2.0.1"), kDenied);
  EXPECT_EQ(counter("http.h.rbac.allowed"), 1u);
  EXPECT_EQ(counter("http.h.rbac.denied"), 3u);
}

TEST_F(RbacTest, DenyTellsThePolicy) {
  const auto config = make<Proto>(
      *factory_,
      "{track_per_rule_stats: true, rules: {action: DENY, policies: {'no admin': {permissions: [{url_path: "
      "{path: {exact: /admin}}}], principals: [{not_id: {header: {name: x-admin, present_match: true}}}]}}}}");
  EXPECT_EQ(ask(*config, {{":path", "/admin"}}),
            "403 RBAC: access denied (rbac_access_denied_matched_policy[no_admin])");
  EXPECT_EQ(ask(*config, {{":path", "/admin"}, {"x-admin", "1"}}), "");
  EXPECT_EQ(counter("http.h.rbac.policy.no admin.denied"), 1u);
}

TEST_F(RbacTest, ShadowRulesCountAndTellButLetPass) {
  const auto config =
      make<Proto>(*factory_,
                  "{shadow_rules_stat_prefix: dry_, shadow_rules: {action: DENY, policies: {p: {permissions: [{any: "
                  "true}], principals: [{any: true}]}}}}");
  EXPECT_EQ(ask(*config, {{":path", "/"}}), "");
  EXPECT_EQ(counter("http.h.rbac.dry_.shadow_denied"), 1u);
  EXPECT_EQ(metadata_.fields().at("dry_shadow_engine_result").string_value(), "denied");
  EXPECT_EQ(metadata_.fields().at("dry_shadow_effective_policy_id").string_value(), "p");
}

TEST_F(RbacTest, ARouteMayHaveOtherRulesOrNone) {
  const auto config = make<Proto>(*factory_, "{rules: {}}");
  EXPECT_EQ(ask(*config), kDenied);
  EXPECT_EQ(ask(*config, {}, "10.1.2.3", makePerRoute<PerRouteProto>(*factory_, "{}")), "");
  EXPECT_EQ(ask(*config, {{":method", "GET"}, {":path", "/api"}}, "10.1.2.3",
                makePerRoute<PerRouteProto>(*factory_, absl::StrCat("{rbac: ", kGetOnly, "}"))),
            "");
}

TEST_F(RbacTest, APlainConnectionIsNobody) {
  const auto config = make<Proto>(
      *factory_, "{rules: {policies: {p: {permissions: [{any: true}], principals: [{authenticated: {}}]}}}}");
  EXPECT_EQ(ask(*config), kDenied);
  const test::FakeTlsInfo tls;
  tls_ = &tls;
  EXPECT_EQ(ask(*config), "");
}

TEST_F(RbacTest, APrincipalIsAnyOfTheNamesInItsCertificate) {
  const auto config = make<Proto>(*factory_,
                                  "{rules: {policies: {p: {permissions: [{any: true}], principals: [{authenticated: "
                                  "{principal_name: {exact: me}}}]}}}}");
  test::FakeTlsInfo tls;
  tls_ = &tls;
  EXPECT_EQ(ask(*config), kDenied);
  tls.peer_certificate.emplace().subject = "me";
  EXPECT_EQ(ask(*config), "");
  tls.peer_certificate->subject = "CN=other";
  EXPECT_EQ(ask(*config), kDenied);
  tls.peer_certificate->uri_sans = {"spiffe://td/other", "me"};
  EXPECT_EQ(ask(*config), "");
  tls.peer_certificate->uri_sans = {"spiffe://td/other"};
  tls.peer_certificate->dns_sans = {"other.test", "me"};
  EXPECT_EQ(ask(*config), "");
}

TEST_F(RbacTest, WhatIsWrongIsNamed) {
  EXPECT_EQ(make<Proto>(*factory_,
                        "{rules: {policies: {p: {permissions: [{destination_ip: {address_prefix: x, "
                        "prefix_len: 8}}], principals: [{any: true}]}}}}"),
            nullptr);
  EXPECT_THAT(violations_.toString(), testing::StartsWith("f.rules.policies[\"p\"].permissions[0].destination_ip"));
}

}  // namespace
}  // namespace sluice::filters
