// Requests that must bear a JSON Web Token.

#include "envoy/config/core/v3/base.pb.h"
#include "envoy/extensions/filters/http/jwt_authn/v3/config.pb.h"
#include "gmock/gmock.h"

#include "source/filters/http/service_filters.h"
#include "test/filters/http/filter_fixture.h"
#include "test/filters/services/jwt_signer.h"
#include "test/grpc/fake_upstreams.h"

namespace sluice::filters {
namespace {

using http::HeadersStatus;
using PerRouteProto = envoy::extensions::filters::http::jwt_authn::v3::PerRouteConfig;
using Proto = envoy::extensions::filters::http::jwt_authn::v3::JwtAuthentication;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using Fields = std::vector<std::pair<std::string, std::string>>;

class JwtAuthnTest : public test::FilterFixture {
 protected:
  std::string local() const { return absl::StrCat("local_jwks: {inline_string: '", test::keySet({&signer_}), "'}"); }
  /** One provider, which the requests for /api need. */
  std::string simple(const std::string& more = "", const std::string& requires_what = "provider_name: p") const {
    return absl::StrCat("{providers: {p: {issuer: me, ", local(), more.empty() ? "" : ", ", more,
                        "}}, rules: [{match: {prefix: /open}}, {match: {prefix: /}, requires: {", requires_what,
                        "}}]}");
  }
  void configure(const std::string& yaml) {
    config_ = make<Proto>(*factory_, yaml);
    ASSERT_NE(config_, nullptr) << violations_.toString();
  }
  /** The reply's text; empty when the request goes on. */
  std::string ask(const Fields& more = {}, const std::string& path = "/api",
                  std::shared_ptr<const http::PerRouteConfig> route = nullptr) {
    Fields fields = {{":method", "GET"}, {":path", path}, {":authority", "host"}, {":scheme", "http"}};
    fields.insert(fields.end(), more.begin(), more.end());
    stream_ = std::make_unique<test::FakeFilterStream>(dispatcher_);
    if (route != nullptr) {
      stream_->per_route.push_back(std::move(route));
    }
    stream_->start(*config_);
    status_ = stream_->request(fields);
    return stream_->reply;
  }
  std::string bearer(const std::string& payload) { return "Bearer " + signer_.token(payload); }
  std::vector<std::string> requestFields() { return test::FakeHttpStream::fields(*stream_->request_headers); }
  uint64_t now() {
    return static_cast<uint64_t>(
        std::chrono::duration_cast<std::chrono::seconds>(dispatcher_.systemNow().time_since_epoch()).count());
  }

  const test::JwtSigner signer_{"HS256", "k"};
  test::FakeUpstreams upstreams_;
  thread::SlotAllocator slots_{dispatcher_};
  const envoy::config::core::v3::Node node_;
  const std::unique_ptr<HttpFilterFactory> factory_ =
      jwtAuthnFactory({dispatcher_, slots_, store_.root(), upstreams_, tools_, node_});
  std::shared_ptr<const http::HttpFilterConfig> config_;
  std::unique_ptr<test::FakeFilterStream> stream_;
  HeadersStatus status_ = HeadersStatus::Continue;
};

TEST_F(JwtAuthnTest, LetsGoodTokensPassAndTakesThemOff) {
  configure(simple());
  EXPECT_EQ("", ask({{"authorization", bearer(R"({"iss":"me"})")}}));
  EXPECT_EQ(HeadersStatus::Continue, status_);
  EXPECT_FALSE(stream_->request_headers->has("authorization"));
  EXPECT_EQ("", ask({}, "/api?a=1&access_token=" + signer_.token(R"({"iss":"me"})")));
  EXPECT_EQ("/api?a=1", stream_->request_headers->get(http::HeaderId::Path));
  EXPECT_EQ("", ask({}, "/open"));
  EXPECT_EQ(3u, counter("http.h.jwt_authn.allowed"));
}

TEST_F(JwtAuthnTest, RefusesRequestsWithout) {
  configure(simple());
  EXPECT_EQ("401 Jwt is missing (jwt_authn_access_denied{Jwt_is_missing})", ask());
  EXPECT_THAT(stream_->reply_headers, ElementsAre("www-authenticate: Bearer realm=\"http://host/api\""));
  EXPECT_EQ(HeadersStatus::StopIteration, status_);
  EXPECT_EQ(1u, counter("http.h.jwt_authn.denied"));
}

TEST_F(JwtAuthnTest, RefusesBadTokens) {
  configure(simple("audiences: [a, 'https://b/']"));
  EXPECT_EQ("401 Jwt verification fails (jwt_authn_access_denied{Jwt_verification_fails})",
            ask({{"authorization", bearer(R"({"iss":"me","aud":"a"})") + "AAAA"}}));
  EXPECT_THAT(stream_->reply_headers,
              ElementsAre("www-authenticate: Bearer realm=\"http://host/api\", error=\"invalid_token\""));
  EXPECT_EQ("401 Jwt issuer is not configured (jwt_authn_access_denied{Jwt_issuer_is_not_configured})",
            ask({{"authorization", bearer(R"({"iss":"you"})")}}));
  EXPECT_EQ("403 Audiences in Jwt are not allowed (jwt_authn_access_denied{Audiences_in_Jwt_are_not_allowed})",
            ask({{"authorization", bearer(R"({"iss":"me","aud":["c"]})")}}));
  EXPECT_EQ("", ask({{"authorization", bearer(R"({"iss":"me","aud":["c","b"]})")}}));
  EXPECT_EQ("401 Jwt is expired (jwt_authn_access_denied{Jwt_is_expired})",
            ask({{"authorization", bearer(absl::StrCat(R"({"iss":"me","exp":)", now() - 61, "}"))}}));
  EXPECT_THAT(ask({{"authorization", "Bearer x.y"}}), HasSubstr("two dots and 3 sections"));
}

TEST_F(JwtAuthnTest, SaysNothingOfItWhenAsked) {
  std::string yaml = simple();
  yaml.insert(1, "strip_failure_response: true, ");
  configure(yaml);
  EXPECT_EQ("401  (jwt_authn_access_denied{Jwt_is_missing})", ask());
  EXPECT_THAT(stream_->reply_headers, ElementsAre());
}

TEST_F(JwtAuthnTest, LooksWhereItIsTold) {
  configure(simple("from_headers: [{name: X-Token, value_prefix: 'jwt='}], from_params: [t], from_cookies: [c]"));
  const std::string token = signer_.token(R"({"iss":"me"})");
  EXPECT_EQ("", ask({{"x-token", "a, jwt=" + token + ", b"}}));
  EXPECT_EQ("", ask({}, "/?t=" + token));
  EXPECT_EQ("", ask({{"cookie", "b=1; c=" + token}}));
  EXPECT_THAT(ask({{"authorization", "Bearer " + token}}), HasSubstr("Jwt is missing"));
}

TEST_F(JwtAuthnTest, TellsTheUpstreamAndTheOtherFilters) {
  configure(
      simple("forward: true, forward_payload_header: X-Payload, payload_in_metadata: payload, header_in_metadata: "
             "header, claim_to_headers: [{header_name: X-Sub, claim_name: sub}, {header_name: x-deep, claim_name: "
             "a.b}, {header_name: x-list, claim_name: list}], normalize_payload_in_metadata: "
             "{space_delimited_claims: [scope]}, clear_route_cache: true"));
  const std::string payload = R"({"iss":"me","sub":"ann","a":{"b":7},"list":["x"],"scope":"r w"})";
  EXPECT_EQ("", ask({{"authorization", bearer(payload)}, {"x-sub", "forged"}}));
  EXPECT_THAT(requestFields(), Contains("x-payload: " + test::base64Url(payload)));
  EXPECT_THAT(requestFields(), Contains("x-sub: ann"));
  EXPECT_THAT(requestFields(), Not(Contains("x-sub: forged")));
  EXPECT_THAT(requestFields(), Contains("x-deep: 7"));
  EXPECT_THAT(requestFields(), Contains("x-list: WyJ4Il0="));
  EXPECT_TRUE(stream_->request_headers->has("authorization"));
  EXPECT_EQ(1, stream_->cleared_routes);
  const auto& metadata = stream_->info.extras->metadata->filter_metadata().at("envoy.filters.http.jwt_authn").fields();
  EXPECT_EQ("ann", metadata.at("payload").struct_value().fields().at("sub").string_value());
  EXPECT_EQ(2, metadata.at("payload").struct_value().fields().at("scope").list_value().values_size());
  EXPECT_EQ("HS256", metadata.at("header").struct_value().fields().at("alg").string_value());
}

TEST_F(JwtAuthnTest, CombinesRequirements) {
  const test::JwtSigner other("HS256", "o");
  const std::string providers = absl::StrCat("providers: {p: {issuer: me, ", local(),
                                             "}, q: {issuer: q, from_headers: [{name: q}], local_jwks: "
                                             "{inline_string: '",
                                             test::keySet({&other}), "'}}}");
  const std::string me = bearer(R"({"iss":"me"})");
  const std::string q = other.token(R"({"iss":"q"})");
  const auto requirement = [&](const std::string& text) {
    configure(absl::StrCat("{", providers, ", rules: [{match: {prefix: /}, requires: {", text, "}}]}"));
  };
  requirement("requires_any: {requirements: [{provider_name: p}, {provider_name: q}]}");
  EXPECT_EQ("", ask({{"authorization", me}}));
  EXPECT_EQ("", ask({{"q", q}}));
  EXPECT_THAT(ask({{"q", q + "AAAA"}}), HasSubstr("Jwt verification fails"));
  EXPECT_THAT(ask(), HasSubstr("Jwt is missing"));

  requirement("requires_all: {requirements: [{provider_name: p}, {provider_name: q}]}");
  EXPECT_THAT(ask({{"authorization", me}}), HasSubstr("Jwt is missing"));
  EXPECT_EQ("", ask({{"authorization", me}, {"q", q}}));

  requirement("requires_any: {requirements: [{provider_name: p}, {allow_missing: {}}]}");
  EXPECT_EQ("", ask());
  EXPECT_THAT(ask({{"authorization", me + "AAAA"}}), HasSubstr("Jwt verification fails"));

  requirement("allow_missing_or_failed: {}");
  EXPECT_EQ("", ask({{"authorization", me + "AAAA"}}));

  requirement("provider_and_audiences: {provider_name: p, audiences: [x]}");
  EXPECT_THAT(ask({{"authorization", me}}), HasSubstr("Audiences in Jwt are not allowed"));
}

TEST_F(JwtAuthnTest, RefusesAGoodTokenBesideABadOne) {
  configure(simple());
  EXPECT_THAT(ask({{"authorization", bearer(R"({"iss":"me"})")}}, "/?access_token=a.b.c"),
              HasSubstr("Jwt header is an invalid"));
}

TEST_F(JwtAuthnTest, GoesByRoutesAndFilterState) {
  configure(
      absl::StrCat("{providers: {p: {issuer: me, ", local(),
                   "}}, requirement_map: {need: {provider_name: p}}, filter_state_rules: {name: sel, requires: {a: "
                   "{provider_name: p}}}}"));
  EXPECT_EQ("", ask());
  EXPECT_THAT(ask({}, "/", makePerRoute<PerRouteProto>(*factory_, "requirement_name: need")),
              HasSubstr("Jwt is missing"));
  EXPECT_EQ("", ask({}, "/", makePerRoute<PerRouteProto>(*factory_, "disabled: true")));
  EXPECT_EQ(
      "403 Failed JWT authentication: Wrong requirement_name: none. It should be one of [need] "
      "(jwt_authn_access_denied{Wrong_requirement_name:_none._It_should_be_one_of_[need]})",
      ask({}, "/", makePerRoute<PerRouteProto>(*factory_, "requirement_name: none")));

  stream_ = std::make_unique<test::FakeFilterStream>(dispatcher_);
  stream_->info.makeExtras().filter_state.set("sel", std::make_shared<net::TextFilterState>("a"));
  stream_->start(*config_);
  stream_->request({{":method", "GET"}, {":path", "/"}});
  EXPECT_THAT(stream_->reply, HasSubstr("Jwt is missing"));
}

TEST_F(JwtAuthnTest, LetsPreflightsPass) {
  std::string yaml = simple();
  yaml.insert(1, "bypass_cors_preflight: true, ");
  configure(yaml);
  stream_ = std::make_unique<test::FakeFilterStream>(dispatcher_);
  stream_->start(*config_);
  stream_->request({{":method", "OPTIONS"}, {":path", "/"}, {"origin", "o"}, {"access-control-request-method", "GET"}});
  EXPECT_EQ("", stream_->reply);
  EXPECT_EQ(1u, counter("http.h.jwt_authn.cors_preflight_bypassed"));
}

class RemoteJwtTest : public JwtAuthnTest {
 protected:
  std::string remote(const std::string& more = "") const {
    return absl::StrCat(
        "{providers: {p: {issuer: me, remote_jwks: {http_uri: {uri: 'http://keys.local/jwks', cluster: "
        "service, timeout: 1s}",
        more, "}}}, rules: [{match: {prefix: /}, requires: {provider_name: p}}]}");
  }
};

TEST_F(RemoteJwtTest, FetchesKeysOnceForAllThatWait) {
  configure(remote());
  EXPECT_EQ("", ask({{"authorization", bearer(R"({"iss":"me"})")}}));
  EXPECT_EQ(HeadersStatus::StopIteration, status_);
  auto first = std::move(stream_);
  ask({{"authorization", bearer(R"({"iss":"me"})") + "AAAA"}});
  auto gone = std::move(stream_);
  ask({{"authorization", bearer(R"({"iss":"me"})")}});
  stream_->destroy();
  dispatcher_.runUntilIdle();
  ASSERT_EQ(1u, upstreams_.requests.size());
  EXPECT_TRUE(upstreams_.requests[0].has(":path: /jwks"));
  EXPECT_TRUE(upstreams_.requests[0].has(":authority: keys.local"));
  upstreams_.last()->answer("200", {}, test::keySet({&signer_}));
  dispatcher_.runUntilIdle();
  EXPECT_EQ(1, first->continued_decoding);
  EXPECT_THAT(gone->reply, HasSubstr("Jwt verification fails"));
  EXPECT_EQ(0, stream_->continued_decoding);

  EXPECT_EQ("", ask({{"authorization", bearer(R"({"iss":"me"})")}}));
  EXPECT_EQ(HeadersStatus::Continue, status_);
  EXPECT_EQ(1u, counter("http.h.jwt_authn.jwks_fetch_success"));

  dispatcher_.advance(std::chrono::minutes(11));
  ask({{"authorization", bearer(R"({"iss":"me"})")}});
  EXPECT_EQ(HeadersStatus::StopIteration, status_);
  dispatcher_.runUntilIdle();
  EXPECT_EQ(2u, upstreams_.requests.size());
}

TEST_F(RemoteJwtTest, RefusesWhenKeysCannotBeFetched) {
  configure(remote());
  ask({{"authorization", bearer(R"({"iss":"me"})")}});
  dispatcher_.runUntilIdle();
  upstreams_.last()->answer("500", {}, "");
  dispatcher_.runUntilIdle();
  EXPECT_EQ("401 Jwks remote fetch is failed (jwt_authn_access_denied{Jwks_remote_fetch_is_failed})", stream_->reply);
  EXPECT_EQ(1u, counter("http.h.jwt_authn.jwks_fetch_failed"));
}

TEST_F(RemoteJwtTest, FetchesNothingForATokenThatIsBadAnyhow) {
  configure(remote());
  EXPECT_THAT(ask({{"authorization", bearer(R"({"iss":"you"})")}}), HasSubstr("Jwt issuer is not configured"));
  dispatcher_.runUntilIdle();
  EXPECT_TRUE(upstreams_.requests.empty());
}

TEST_F(RemoteJwtTest, FetchesAheadWhenAsked) {
  configure(remote(", async_fetch: {fast_listener: true}, cache_duration: 60s"));
  dispatcher_.runUntilIdle();
  ASSERT_EQ(1u, upstreams_.requests.size());
  upstreams_.last()->answer("200", {}, test::keySet({&signer_}));
  dispatcher_.runUntilIdle();
  EXPECT_EQ("", ask({{"authorization", bearer(R"({"iss":"me"})")}}));
  EXPECT_EQ(HeadersStatus::Continue, status_);
  dispatcher_.advance(std::chrono::milliseconds(55500));
  EXPECT_EQ(2u, upstreams_.requests.size());
  upstreams_.last()->reset(http::ResetReason::ConnectionTermination, "");
  dispatcher_.advance(std::chrono::milliseconds(1001));
  EXPECT_EQ(3u, upstreams_.requests.size());
}

TEST_F(RemoteJwtTest, FetchesAgainAsItsPolicySays) {
  configure(remote(", retry_policy: {num_retries: 1}"));
  ask({{"authorization", bearer(R"({"iss":"me"})")}});
  dispatcher_.runUntilIdle();
  upstreams_.last()->reset(http::ResetReason::ConnectionTermination, "");
  dispatcher_.advance(std::chrono::milliseconds(30));
  ASSERT_EQ(2u, upstreams_.requests.size());
  upstreams_.last()->answer("200", {}, test::keySet({&signer_}));
  dispatcher_.runUntilIdle();
  EXPECT_EQ(1, stream_->continued_decoding);
}

TEST_F(JwtAuthnTest, TellsWhatIsWrongInItsConfiguration) {
  EXPECT_EQ(nullptr, make<Proto>(*factory_, "{providers: {p: {issuer: x}}}"));
  EXPECT_THAT(violations_.toString(), HasSubstr("f.providers[\"p\"]: needs a remote_jwks or a local_jwks"));
  EXPECT_EQ(nullptr, make<Proto>(*factory_, "{providers: {p: {local_jwks: {inline_string: x}}}}"));
  EXPECT_THAT(violations_.toString(), HasSubstr("local_jwks: Jwks is an invalid JSON"));
  EXPECT_EQ(nullptr, make<Proto>(*factory_, "{rules: [{match: {prefix: /}, requires: {provider_name: nobody}}]}"));
  EXPECT_THAT(violations_.toString(), HasSubstr("f.rules[0].requires.provider_name: there is no provider \"nobody\""));
  EXPECT_EQ(nullptr, make<Proto>(*factory_, "{rules: [{match: {prefix: /}, requirement_name: nobody}]}"));
  EXPECT_THAT(violations_.toString(), HasSubstr("f.rules[0].requirement_name: requirement_map has no \"nobody\""));
}

}  // namespace
}  // namespace sluice::filters
