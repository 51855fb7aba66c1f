// Those filters whose tests are few: buffer, cors, header_mutation, health_check, set_filter_state.

#include "envoy/extensions/filters/http/buffer/v3/buffer.pb.h"
#include "envoy/extensions/filters/http/cors/v3/cors.pb.h"
#include "envoy/extensions/filters/http/header_mutation/v3/header_mutation.pb.h"
#include "envoy/extensions/filters/http/health_check/v3/health_check.pb.h"
#include "envoy/extensions/filters/http/set_filter_state/v3/set_filter_state.pb.h"

#include "source/filters/http/buffer.h"
#include "source/filters/http/cors.h"
#include "source/filters/http/header_mutation.h"
#include "source/filters/http/health_check.h"
#include "source/filters/http/set_filter_state.h"
#include "source/net/drain.h"
#include "test/filters/http/filter_fixture.h"

namespace sluice::filters {
namespace {

namespace api = envoy::extensions::filters::http;
using http::DataStatus;
using http::HeaderId;
using http::HeadersStatus;
using Lines = std::vector<std::string>;

class BufferTest : public test::FilterFixture {
 protected:
  std::unique_ptr<HttpFilterFactory> factory_ = bufferFactory(dispatcher_);
};

TEST_F(BufferTest, HoldsARequestAndSaysItsLength) {
  const auto config = make<api::buffer::v3::Buffer>(*factory_, "{max_request_bytes: 500}");
  test::FakeFilterStream stream(dispatcher_);
  stream.start(*config);
  EXPECT_EQ(stream.request({{":method", "POST"}}, false), HeadersStatus::StopIteration);
  EXPECT_EQ(stream.buffer_limit, 500u);
  EXPECT_EQ(stream.requestData("abc", false), DataStatus::StopIterationAndBuffer);
  EXPECT_EQ(stream.requestData("de", true), DataStatus::Continue);
  EXPECT_EQ(stream.request_headers->get(HeaderId::ContentLength), "5");
}

TEST_F(BufferTest, ARouteMaySwitchItOff) {
  const auto config = make<api::buffer::v3::Buffer>(*factory_, "{max_request_bytes: 500}");
  test::FakeFilterStream stream(dispatcher_);
  stream.per_route.push_back(makePerRoute<api::buffer::v3::BufferPerRoute>(*factory_, "{disabled: true}"));
  stream.start(*config);
  EXPECT_EQ(stream.request({}, false), HeadersStatus::Continue);
  EXPECT_EQ(stream.requestData("abc", false), DataStatus::Continue);
}

class CorsTest : public test::FilterFixture {
 protected:
  CorsTest() {
    policy_ = makePerRoute<api::cors::v3::CorsPolicy>(
        *factory_,
        "{allow_origin_string_match: [{suffix: .good.test}], allow_methods: 'GET, PUT', max_age: '100', "
        "allow_credentials: true, expose_headers: x-e}");
  }
  std::unique_ptr<HttpFilterFactory> factory_ = corsFactory(dispatcher_, runtime_);
  std::shared_ptr<const http::HttpFilterConfig> config_ = make<api::cors::v3::Cors>(*factory_, "{}");
  std::shared_ptr<const http::PerRouteConfig> policy_;
  http::Route route_;
};

TEST_F(CorsTest, AnswersAPreflight) {
  test::FakeFilterStream stream(dispatcher_);
  stream.route = &route_;
  stream.per_route.push_back(policy_);
  stream.start(*config_);
  EXPECT_EQ(stream.request(
                {{":method", "OPTIONS"}, {"origin", "https://a.good.test"}, {"access-control-request-method", "PUT"}}),
            HeadersStatus::StopIteration);
  EXPECT_EQ(stream.reply, "200 (cors_response)");
  EXPECT_EQ(stream.reply_headers, (Lines{":status: 200", "access-control-allow-origin: https://a.good.test",
                                         "access-control-allow-credentials: true",
                                         "access-control-allow-methods: GET, PUT", "access-control-max-age: 100"}));
  EXPECT_EQ(counter("http.h.cors.origin_valid"), 1u);
}

TEST_F(CorsTest, MarksAnswersToKnownOriginsAlone) {
  for (const bool good : {true, false}) {
    test::FakeFilterStream stream(dispatcher_);
    stream.route = &route_;
    stream.per_route.push_back(policy_);
    stream.start(*config_);
    EXPECT_EQ(stream.request({{":method", "GET"}, {"origin", good ? "https://a.good.test" : "https://evil.test"}}),
              HeadersStatus::Continue);
    stream.response({{":status", "200"}});
    EXPECT_EQ(test::FakeHttpStream::fields(*stream.response_headers),
              good ? (Lines{":status: 200", "access-control-allow-origin: https://a.good.test",
                            "access-control-allow-credentials: true", "access-control-expose-headers: x-e"})
                   : Lines{":status: 200"});
  }
  EXPECT_EQ(counter("http.h.cors.origin_invalid"), 1u);
}

class HeaderMutationTest : public test::FilterFixture {
 protected:
  Lines mutate(bool most_specific_wins) {
    const auto config = make<api::header_mutation::v3::HeaderMutation>(
        *factory_, absl::StrCat("{most_specific_header_mutations_wins: ", most_specific_wins ? "true" : "false",
                                ", mutations: {request_mutations: [{remove: x-gone}, {remove_on_match: {key_matcher: "
                                "{prefix: x-drop-}}}, {append: {header: {key: x-path, value: '%REQ(:PATH)%'}}}]}}"));
    test::FakeFilterStream stream(dispatcher_);
    for (const char* who : {"host", "route"}) {
      stream.per_route.push_back(makePerRoute<api::header_mutation::v3::HeaderMutationPerRoute>(
          *factory_, absl::StrCat("{mutations: {request_mutations: [{append: {header: {key: x-who, value: ", who,
                                  "}, append_action: OVERWRITE_IF_EXISTS_OR_ADD}}]}}")));
    }
    stream.start(*config);
    stream.request({{":path", "/p"}, {"x-gone", "1"}, {"x-drop-a", "1"}, {"x-kept", "1"}});
    return test::FakeHttpStream::fields(*stream.request_headers);
  }
  std::unique_ptr<HttpFilterFactory> factory_ = headerMutationFactory(dispatcher_, tools_);
};

TEST_F(HeaderMutationTest, ChangesByTheChainAndThenTheRoutes) {
  EXPECT_EQ(mutate(false), (Lines{":path: /p", "x-kept: 1", "x-path: /p", "x-who: host"})) << violations_.toString();
  EXPECT_EQ(mutate(true), (Lines{":path: /p", "x-kept: 1", "x-path: /p", "x-who: route"}));
}

class NoClusters : public cluster::ClusterProvider {
 public:
  explicit NoClusters(event::Dispatcher& dispatcher) : clusters_(dispatcher) {}
  cluster::LocalClusters& localClusters() const override { return clusters_; }

 private:
  mutable cluster::LocalClusters clusters_;
};

class HealthCheckTest : public test::FilterFixture {
 protected:
  ~HealthCheckTest() override { net::DrainRules::get().health_check_failed = false; }
  NoClusters clusters_{dispatcher_};
  std::unique_ptr<HttpFilterFactory> factory_ = healthCheckFactory(dispatcher_, runtime_, clusters_, "me");
};

TEST_F(HealthCheckTest, AnswersItself) {
  const auto config = make<api::health_check::v3::HealthCheck>(
      *factory_, "{pass_through_mode: false, headers: [{name: ':path', string_match: {exact: /health}}]}");
  for (const bool failed : {false, true}) {
    net::DrainRules::get().health_check_failed = failed;
    test::FakeFilterStream stream(dispatcher_);
    stream.start(*config);
    EXPECT_EQ(stream.request({{":path", "/health"}}), HeadersStatus::StopIteration);
    EXPECT_EQ(stream.reply, failed ? "503  (health_check_failed)" : "200  (health_check_ok)");
    EXPECT_TRUE(stream.info.health_check);
    stream.response({{":status", "200"}});
    EXPECT_EQ(stream.response_headers->get(HeaderId::EnvoyUpstreamHealthCheckedCluster), "me");
  }
  test::FakeFilterStream other(dispatcher_);
  other.start(*config);
  EXPECT_EQ(other.request({{":path", "/"}}), HeadersStatus::Continue);
  other.response({{":status", "200"}});
  EXPECT_EQ(other.response_headers->get(HeaderId::EnvoyImmediateHealthCheckFail), "true");
}

TEST_F(HealthCheckTest, RemembersWhatCameThrough) {
  const auto config = make<api::health_check::v3::HealthCheck>(
      *factory_, "{pass_through_mode: true, cache_time: 1s, headers: [{name: ':path', string_match: {exact: /h}}]}");
  test::FakeFilterStream first(dispatcher_);
  first.start(*config);
  EXPECT_EQ(first.request({{":path", "/h"}}), HeadersStatus::Continue);
  first.response({{":status", "503"}});
  test::FakeFilterStream second(dispatcher_);
  second.start(*config);
  EXPECT_EQ(second.request({{":path", "/h"}}), HeadersStatus::StopIteration);
  EXPECT_EQ(second.reply, "503  (health_check_cached)");
  dispatcher_.advance(std::chrono::seconds(1));
  test::FakeFilterStream third(dispatcher_);
  third.start(*config);
  EXPECT_EQ(third.request({{":path", "/h"}}), HeadersStatus::Continue);
}

TEST_F(HealthCheckTest, AClusterThatIsNotThereIsNotHealthy) {
  const auto config = make<api::health_check::v3::HealthCheck>(
      *factory_, "{pass_through_mode: false, cluster_min_healthy_percentages: {be: {value: 10}}}");
  test::FakeFilterStream stream(dispatcher_);
  stream.start(*config);
  stream.request({});
  EXPECT_EQ(stream.reply, "503  (health_check_no_cluster_stats)");
}

class SetFilterStateTest : public test::FilterFixture {
 protected:
  std::unique_ptr<HttpFilterFactory> factory_ = setFilterStateFactory(dispatcher_, tools_);
};

TEST_F(SetFilterStateTest, KeepsTextsMadeOfTheRequest) {
  const auto config = make<api::set_filter_state::v3::Config>(
      *factory_,
      "{on_request_headers: [{object_key: my.key, factory_key: envoy.string, format_string: {text_format: "
      "'p=%REQ(:PATH)%'}}]}");
  ASSERT_NE(config, nullptr) << violations_.toString();
  test::FakeFilterStream stream(dispatcher_);
  stream.start(*config);
  stream.request({{":path", "/x"}});
  ASSERT_NE(stream.info.extras->filter_state.get("my.key"), nullptr);
  EXPECT_EQ(stream.info.extras->filter_state.get("my.key")->serialize(), "p=/x");
}

TEST_F(SetFilterStateTest, ObjectsThatNobodyMakesAreRefused) {
  make<api::set_filter_state::v3::Config>(
      *factory_, "{on_request_headers: [{object_key: my.key, format_string: {text_format: x}}]}");
  EXPECT_EQ(violations_.toString().rfind("f.on_request_headers[0].object_key: 'my.key' is no object", 0), 0u);
}

}  // namespace
}  // namespace sluice::filters
