#include "source/filters/http/fault.h"

#include "envoy/extensions/filters/http/fault/v3/fault.pb.h"

#include "test/filters/http/filter_fixture.h"

namespace sluice::filters {
namespace {

using http::DataStatus;
using http::HeadersStatus;
using http::TrailersStatus;
using std::chrono::milliseconds;
using Proto = envoy::extensions::filters::http::fault::v3::HTTPFault;

class FaultTest : public test::FilterFixture {
 protected:
  std::unique_ptr<HttpFilterFactory> factory_ = faultFactory(dispatcher_, runtime_);
};

constexpr const char* kAbort =
    "{abort: {http_status: 418, percentage: {numerator: 100}}, "
    "headers: [{name: x-abort, present_match: true}]}";

TEST_F(FaultTest, AbortsWhatItsHeadersMatch) {
  const auto config = make<Proto>(*factory_, kAbort);
  test::FakeFilterStream plain(dispatcher_);
  plain.start(*config);
  EXPECT_EQ(plain.request({{":path", "/"}}), HeadersStatus::Continue);
  EXPECT_EQ(plain.reply, "");

  test::FakeFilterStream hit(dispatcher_);
  hit.start(*config);
  EXPECT_EQ(hit.request({{":path", "/"}, {"x-abort", "1"}, {"x-envoy-downstream-service-cluster", "web"}}),
            HeadersStatus::StopIteration);
  EXPECT_EQ(hit.reply, "418 fault filter abort (fault_filter_abort)");
  EXPECT_NE(hit.info.response_flags & net::response_flag::kFaultInjected, 0u);
  dispatcher_.runUntilIdle();
  EXPECT_EQ(counter("http.h.fault.aborts_injected"), 1u);
  EXPECT_EQ(counter("http.h.fault.web.aborts_injected"), 1u);
  EXPECT_EQ(store_.gaugeValue("http.h.fault.active_faults"), 1u);
  hit.destroy();
  EXPECT_EQ(store_.gaugeValue("http.h.fault.active_faults"), 0u);
}

TEST_F(FaultTest, DelaysAndThenGoesOn) {
  const auto config = make<Proto>(*factory_, "{delay: {fixed_delay: 0.4s, percentage: {numerator: 100}}}");
  test::FakeFilterStream stream(dispatcher_);
  stream.start(*config);
  EXPECT_EQ(stream.request({{":path", "/"}}, false), HeadersStatus::StopIteration);
  EXPECT_EQ(stream.requestData("x", true), DataStatus::StopIterationAndWatermark);
  dispatcher_.advance(milliseconds(399));
  EXPECT_EQ(stream.continued_decoding, 0);
  dispatcher_.advance(milliseconds(2));
  EXPECT_EQ(stream.continued_decoding, 1);
  EXPECT_EQ(counter("http.h.fault.delays_injected"), 1u);
}

TEST_F(FaultTest, AStreamThatEndsDuringItsDelayIsLeftAlone) {
  const auto config = make<Proto>(*factory_, "{delay: {fixed_delay: 0.4s, percentage: {numerator: 100}}}");
  test::FakeFilterStream stream(dispatcher_);
  stream.start(*config);
  stream.request({{":path", "/"}});
  stream.destroy();
  dispatcher_.advance(milliseconds(1000));
  EXPECT_EQ(stream.continued_decoding, 0);
}

TEST_F(FaultTest, RequestsMayAskByHeadersAndLowerTheShare) {
  const auto config = make<Proto>(*factory_,
                                  "{abort: {header_abort: {}, percentage: {numerator: 100}}, "
                                  "delay: {header_delay: {}, percentage: {numerator: 100}}}");
  test::FakeFilterStream grpc(dispatcher_);
  grpc.start(*config);
  grpc.request({{"x-envoy-fault-abort-grpc-request", "5"}});
  EXPECT_EQ(grpc.reply, "200 fault filter abort (fault_filter_abort) grpc 5");

  test::FakeFilterStream lowered(dispatcher_);
  lowered.start(*config);
  EXPECT_EQ(lowered.request({{"x-envoy-fault-abort-request", "503"}, {"x-envoy-fault-abort-request-percentage", "0"}}),
            HeadersStatus::Continue);

  test::FakeFilterStream both(dispatcher_);
  both.start(*config);
  EXPECT_EQ(both.request({{"x-envoy-fault-delay-request", "10"}, {"x-envoy-fault-abort-request", "503"}}),
            HeadersStatus::StopIteration);
  EXPECT_EQ(both.reply, "");
  dispatcher_.advance(milliseconds(11));
  EXPECT_EQ(both.reply, "503 fault filter abort (fault_filter_abort)");
  EXPECT_EQ(both.continued_decoding, 0);
}

TEST_F(FaultTest, MaxActiveFaultsIsForTheWholeProcess) {
  const auto config =
      make<Proto>(*factory_, "{max_active_faults: 1, delay: {fixed_delay: 1s, percentage: {numerator: 100}}}");
  test::FakeFilterStream first(dispatcher_);
  first.start(*config);
  EXPECT_EQ(first.request({}), HeadersStatus::StopIteration);
  test::FakeFilterStream second(dispatcher_);
  second.start(*config);
  EXPECT_EQ(second.request({}), HeadersStatus::Continue);
  EXPECT_EQ(counter("http.h.fault.faults_overflow"), 1u);
}

TEST_F(FaultTest, ARouteHasItsOwnFaults) {
  const auto config = make<Proto>(*factory_, kAbort);
  test::FakeFilterStream stream(dispatcher_);
  stream.per_route.push_back(
      makePerRoute<Proto>(*factory_, "{abort: {http_status: 599, percentage: {numerator: 100}}}"));
  stream.start(*config);
  stream.request({});
  EXPECT_EQ(stream.reply, "599 fault filter abort (fault_filter_abort)");
}

TEST_F(FaultTest, AnUpstreamClusterMustBeTheRoutes) {
  const auto config =
      make<Proto>(*factory_, "{upstream_cluster: a, abort: {http_status: 500, percentage: {numerator: 100}}}");
  http::Route route;
  for (const char* cluster : {"a", "b"}) {
    route.cluster = cluster;
    route.forward = std::make_shared<const http::ForwardAction>();
    test::FakeFilterStream stream(dispatcher_);
    stream.route = &route;
    stream.start(*config);
    stream.request({});
    EXPECT_EQ(!stream.reply.empty(), std::string(cluster) == "a");
  }
}

TEST_F(FaultTest, TheResponsesRateIsLimited) {
  // 1 KiB a second is 51 bytes in each 50 ms.
  const auto config =
      make<Proto>(*factory_, "{response_rate_limit: {fixed_limit: {limit_kbps: 1}, percentage: {numerator: 100}}}");
  test::FakeFilterStream stream(dispatcher_);
  stream.start(*config);
  stream.request({});
  stream.response({{":status", "200"}});
  EXPECT_EQ(stream.responseData(std::string(51, 'x'), false), DataStatus::Continue);
  EXPECT_EQ(stream.responseData(std::string(120, 'y'), false), DataStatus::StopIterationAndWatermark);
  EXPECT_EQ(stream.trailers({}), TrailersStatus::StopIteration);
  dispatcher_.advance(milliseconds(51));
  EXPECT_EQ(stream.injections, std::vector<size_t>{51});
  dispatcher_.advance(milliseconds(50));
  EXPECT_EQ(stream.injections, (std::vector<size_t>{51, 51}));
  dispatcher_.advance(milliseconds(50));
  EXPECT_EQ(stream.continued_encoding, 1);
  EXPECT_EQ(counter("http.h.fault.response_rl_injected"), 1u);
}

}  // namespace
}  // namespace sluice::filters
