// Requests that a service is asked about, over gRPC and HTTP.

#include "envoy/config/core/v3/base.pb.h"
#include "envoy/extensions/filters/http/ext_authz/v3/ext_authz.pb.h"
#include "envoy/service/auth/v3/external_auth.pb.h"
#include "gmock/gmock.h"

#include "source/filters/http/service_filters.h"
#include "test/filters/http/filter_fixture.h"
#include "test/grpc/fake_upstreams.h"
#include "test/support/fake_tls_info.h"

namespace sluice::filters {
namespace {

using envoy::service::auth::v3::CheckRequest;
using envoy::service::auth::v3::CheckResponse;
using http::DataStatus;
using http::HeadersStatus;
using PerRouteProto = envoy::extensions::filters::http::ext_authz::v3::ExtAuthzPerRoute;
using Proto = envoy::extensions::filters::http::ext_authz::v3::ExtAuthz;
using testing::Contains;
using testing::ElementsAre;
using testing::IsSupersetOf;
using testing::Not;

class ExtAuthzTest : public test::FilterFixture {
 protected:
  ExtAuthzTest() {
    route_.kind = http::Route::Kind::Forward;
    route_.forward = std::make_shared<const http::ForwardAction>();
    route_.cluster = "be";
  }
  ~ExtAuthzTest() override { stream_.destroy(); }

  void start(const std::string& yaml) {
    config_ = make<Proto>(*factory_, yaml);
    ASSERT_NE(config_, nullptr) << violations_.toString();
    stream_.route = &route_;
    stream_.start(*config_);
  }
  HeadersStatus request(bool end_stream = true) {
    return stream_.request({{":method", "POST"},
                            {":path", "/path?a=1&b=2"},
                            {":authority", "host"},
                            {"authorization", "secret"},
                            {"x-tenant", "t1"},
                            {"x-remove", "me"}},
                           end_stream);
  }
  CheckRequest asked() {
    CheckRequest request;
    EXPECT_TRUE(request.ParseFromString(upstreams_.requests.back().body.substr(5)));
    return request;
  }
  void answer(const CheckResponse& response) {
    auto* const stream = upstreams_.last();
    ASSERT_NE(nullptr, stream);
    stream->answerHeaders({{":status", "200"}}, false);
    stream->answerData(test::grpcFrame(response.SerializeAsString()), false);
    stream->answerTrailers({{"grpc-status", "0"}});
  }
  CheckResponse response(const std::string& yaml) {
    CheckResponse message;
    config::Violations mistakes;
    EXPECT_TRUE(config::parseYaml(yaml, message, {}, nullptr, mistakes)) << mistakes.toString();
    return message;
  }
  std::vector<std::string> requestFields() { return test::FakeHttpStream::fields(*stream_.request_headers); }

  static constexpr const char* kGrpc = "grpc_service: {envoy_grpc: {cluster_name: service}}";

  test::FakeUpstreams upstreams_;
  thread::SlotAllocator slots_{dispatcher_};
  const envoy::config::core::v3::Node node_;
  const std::unique_ptr<HttpFilterFactory> factory_ =
      extAuthzFactory({dispatcher_, slots_, store_.root(), upstreams_, tools_, node_});
  std::shared_ptr<const http::HttpFilterConfig> config_;
  http::Route route_;
  test::FakeFilterStream stream_{dispatcher_};
};

TEST_F(ExtAuthzTest, TellsWhatTlsSaysOfBothEnds) {
  start(std::string(kGrpc) + "\ninclude_peer_certificate: true\ninclude_tls_session: true");
  test::FakeTlsInfo tls;
  tls.peer_certificate.emplace().subject = "CN=me";
  tls.peer_certificate->dns_sans = {"me.test", "too.test"};
  tls.peer_certificate->pem = "PEM";
  tls.local_certificate.emplace().subject = "CN=us";
  stream_.info.downstream_tls = &tls;
  request();
  const CheckRequest sent = asked();
  const auto& attributes = sent.attributes();
  EXPECT_EQ("me.test", attributes.source().principal());
  EXPECT_EQ("PEM", attributes.source().certificate());
  EXPECT_EQ("CN=us", attributes.destination().principal());
  EXPECT_EQ("", attributes.destination().certificate());
  EXPECT_EQ("x.test", attributes.tls_session().sni());
}

TEST_F(ExtAuthzTest, AsksAndLetsPassWithWhatTheServiceChanges) {
  start(std::string(kGrpc) + "\nclear_route_cache: true");
  EXPECT_EQ(HeadersStatus::StopAllIterationAndWatermark, request());
  const CheckRequest sent = asked();
  const auto& http = sent.attributes().request().http();
  EXPECT_EQ("POST", http.method());
  EXPECT_EQ("/path?a=1&b=2", http.path());
  EXPECT_EQ("host", http.host());
  EXPECT_EQ("t1", http.headers().at("x-tenant"));
  answer(response(R"(
status: {code: 0}
ok_response:
  headers:
  - {header: {key: X-User, value: ann}}
  - {header: {key: x-tenant, value: t2}, append: true}
  - {header: {key: x-not-there, value: a}, append: true}
  headers_to_remove: [x-remove, ":path"]
  response_headers_to_add: [{header: {key: x-checked, value: "yes"}}]
  query_parameters_to_set: [{key: c, value: "3 4"}]
  query_parameters_to_remove: [a]
dynamic_metadata: {user: ann}
)"));
  EXPECT_EQ(1, stream_.continued_decoding);
  EXPECT_EQ(1, stream_.cleared_routes);
  EXPECT_THAT(requestFields(), IsSupersetOf({"x-user: ann", "x-tenant: t1,t2", ":path: /path?b=2&c=3%204"}));
  EXPECT_THAT(requestFields(), Not(Contains("x-remove: me")));
  EXPECT_THAT(requestFields(), Not(Contains("x-not-there: a")));
  stream_.response({{":status", "200"}});
  EXPECT_THAT(test::FakeHttpStream::fields(*stream_.response_headers), Contains("x-checked: yes"));
  const auto& metadata = stream_.info.extras->metadata->filter_metadata().at("envoy.filters.http.ext_authz");
  EXPECT_EQ("ann", metadata.fields().at("user").string_value());
  EXPECT_EQ(1u, counter("http.h.ext_authz.ok"));
  dispatcher_.runUntilIdle();
  EXPECT_EQ(1u, counter("cluster.be.ext_authz.ok"));
}

TEST_F(ExtAuthzTest, DeniesAsTheServiceSays) {
  start(kGrpc);
  request();
  answer(response(R"(
status: {code: 7}
denied_response:
  status: {code: 401}
  headers: [{header: {key: www-authenticate, value: Basic}}]
  body: go away
)"));
  EXPECT_EQ("401 go away (ext_authz_denied)", stream_.reply);
  EXPECT_THAT(stream_.reply_headers, ElementsAre("www-authenticate: Basic"));
  EXPECT_EQ(net::response_flag::kUnauthorizedExternalService, stream_.info.response_flags);
  EXPECT_EQ(0, stream_.continued_decoding);
  EXPECT_EQ(1u, counter("http.h.ext_authz.denied"));
}

TEST_F(ExtAuthzTest, DeniesWith403WhenTheServiceSaysNoMore) {
  start(kGrpc);
  request();
  answer(response("status: {code: 16}"));
  EXPECT_EQ("403  (ext_authz_denied)", stream_.reply);
}

TEST_F(ExtAuthzTest, RefusesWhenThereIsNoAnswer) {
  start(std::string(kGrpc) + "\nstatus_on_error: {code: ServiceUnavailable}");
  request();
  dispatcher_.advance(std::chrono::milliseconds(201));
  EXPECT_EQ("503  (ext_authz_error)", stream_.reply);
  EXPECT_EQ(1u, counter("http.h.ext_authz.error"));
}

TEST_F(ExtAuthzTest, MayLetPassWhatCouldNotBeAsked) {
  upstreams_.known = "none";
  start(std::string(kGrpc) + "\nfailure_mode_allow: true\nfailure_mode_allow_header_add: true");
  EXPECT_EQ(HeadersStatus::Continue, request());
  EXPECT_EQ(0, stream_.continued_decoding);
  EXPECT_THAT(requestFields(), Contains("x-envoy-auth-failure-mode-allowed: true"));
  EXPECT_EQ(1u, counter("http.h.ext_authz.failure_mode_allowed"));
}

TEST_F(ExtAuthzTest, IsCancelledWithItsStream) {
  start(kGrpc);
  request();
  stream_.destroy();
  EXPECT_TRUE(upstreams_.requests[0].reset);
}

TEST_F(ExtAuthzTest, SendsTheBody) {
  start(std::string(kGrpc) + "\nwith_request_body: {max_request_bytes: 10}");
  EXPECT_EQ(HeadersStatus::StopIteration, request(false));
  EXPECT_EQ(10u, stream_.buffer_limit);
  EXPECT_EQ(DataStatus::StopIterationAndBuffer, stream_.requestData("hel", false));
  EXPECT_TRUE(upstreams_.requests.empty());
  EXPECT_EQ(DataStatus::StopIterationAndWatermark, stream_.requestData("lo", true));
  EXPECT_EQ("hello", asked().attributes().request().http().body());
  EXPECT_EQ("false", asked().attributes().request().http().headers().at("x-envoy-auth-partial-body"));
  answer(response("status: {code: 0}"));
  EXPECT_EQ(1, stream_.continued_decoding);
}

TEST_F(ExtAuthzTest, SendsTheBeginningOfALongBody) {
  start(std::string(kGrpc) +
        "\nwith_request_body: {max_request_bytes: 4, allow_partial_message: true, pack_as_bytes: true}");
  request(false);
  EXPECT_EQ(DataStatus::StopIterationAndWatermark, stream_.requestData("hello", false));
  EXPECT_EQ("hell", asked().attributes().request().http().raw_body());
  EXPECT_EQ("true", asked().attributes().request().http().headers().at("x-envoy-auth-partial-body"));
}

TEST_F(ExtAuthzTest, ARouteMaySwitchItOffOrTellMore) {
  stream_.per_route = {makePerRoute<PerRouteProto>(*factory_, "disabled: true")};
  start(kGrpc);
  EXPECT_EQ(HeadersStatus::Continue, request());
  EXPECT_TRUE(upstreams_.requests.empty());

  stream_.per_route = {
      makePerRoute<PerRouteProto>(*factory_, "check_settings: {context_extensions: {a: host, b: host}}"),
      makePerRoute<PerRouteProto>(*factory_, "check_settings: {context_extensions: {b: route}}")};
  request();
  EXPECT_EQ("host", asked().attributes().context_extensions().at("a"));
  EXPECT_EQ("route", asked().attributes().context_extensions().at("b"));
}

TEST_F(ExtAuthzTest, MayBeOffForAShareOfRequests) {
  start(std::string(kGrpc) + "\nfilter_enabled: {default_value: {numerator: 0}}");
  EXPECT_EQ(HeadersStatus::Continue, request());
  EXPECT_EQ(1u, counter("http.h.ext_authz.disabled"));
}

TEST_F(ExtAuthzTest, MayDenyWhatItIsOffFor) {
  start(std::string(kGrpc) +
        "\nfilter_enabled: {default_value: {numerator: 0}}\ndeny_at_disable: {runtime_key: k, default_value: true}");
  EXPECT_EQ(HeadersStatus::StopIteration, request());
  EXPECT_EQ("403  (ext_authz_error)", stream_.reply);
}

TEST_F(ExtAuthzTest, RefusesChangesThatCannotBeMade) {
  start(std::string(kGrpc) + "\nvalidate_mutations: true");
  request();
  answer(response("{status: {code: 0}, ok_response: {headers: [{header: {key: 'bad name', value: x}}]}}"));
  EXPECT_EQ("500  (ext_authz_invalid)", stream_.reply);
  EXPECT_EQ(1u, counter("http.h.ext_authz.invalid"));
}

constexpr const char* kHttp = R"(
http_service:
  server_uri: {uri: "http://auth:80", cluster: service, timeout: 0.2s}
  path_prefix: /check
  authorization_request: {allowed_headers: {patterns: [{exact: x-tenant}]}, headers_to_add: [{key: x-from, value: proxy}]}
  authorization_response:
    allowed_upstream_headers: {patterns: [{prefix: x-auth-}]}
    allowed_client_headers_on_success: {patterns: [{exact: set-cookie}]}
    dynamic_metadata_from_headers: {patterns: [{exact: x-user}]}
)";

TEST_F(ExtAuthzTest, AsksOverHttp) {
  start(kHttp);
  EXPECT_EQ(HeadersStatus::StopAllIterationAndWatermark, request());
  const auto& sent = upstreams_.requests[0];
  EXPECT_THAT(sent.headers,
              IsSupersetOf({":method: POST", ":path: /check/path?a=1&b=2", ":authority: host", "authorization: secret",
                            "x-tenant: t1", "x-from: proxy", "content-length: 0"}));
  EXPECT_FALSE(sent.has("x-remove: me"));
  upstreams_.last()->answer("200", {{"x-auth-user", "ann"}, {"x-other", "no"}, {"set-cookie", "c"}, {"x-user", "ann"}},
                            "");
  EXPECT_EQ(1, stream_.continued_decoding);
  EXPECT_THAT(requestFields(), Contains("x-auth-user: ann"));
  EXPECT_THAT(requestFields(), Not(Contains("x-other: no")));
  stream_.response({{":status", "200"}});
  EXPECT_THAT(test::FakeHttpStream::fields(*stream_.response_headers), Contains("set-cookie: c"));
  const auto& metadata = stream_.info.extras->metadata->filter_metadata().at("envoy.filters.http.ext_authz");
  EXPECT_EQ("ann", metadata.fields().at("x-user").string_value());
}

TEST_F(ExtAuthzTest, DeniesWithTheAnswerOverHttp) {
  start(kHttp);
  request();
  upstreams_.last()->answer(
      "302", {{"location", "/login"}, {"set-cookie", "a"}, {"set-cookie", "b"}, {"content-length", "5"}}, "login");
  EXPECT_EQ("302 login (ext_authz_denied)", stream_.reply);
  EXPECT_THAT(stream_.reply_headers, ElementsAre("location: /login", "set-cookie: a", "set-cookie: b"));
}

TEST_F(ExtAuthzTest, TakesAServersErrorForNoAnswer) {
  start(kHttp);
  request();
  upstreams_.last()->answer("503", {}, "");
  EXPECT_EQ("403  (ext_authz_error)", stream_.reply);
}

TEST_F(ExtAuthzTest, TellsWhatIsWrongInItsConfiguration) {
  EXPECT_EQ(nullptr, make<Proto>(*factory_, "{}"));
  EXPECT_THAT(violations_.toString(), testing::HasSubstr("f: must name a grpc_service or an http_service"));
  EXPECT_EQ(nullptr, make<Proto>(*factory_, "http_service: {server_uri: {uri: x, cluster: c}, path_prefix: x}"));
  EXPECT_THAT(violations_.toString(), testing::HasSubstr("f.http_service.path_prefix: must begin with a slash"));
  EXPECT_THAT(violations_.toString(), testing::HasSubstr("f.http_service.server_uri.timeout"));
}

}  // namespace
}  // namespace sluice::filters
