// grpc_stats and grpc_web.

#include "absl/strings/escaping.h"
#include "envoy/extensions/filters/http/grpc_stats/v3/config.pb.h"
#include "envoy/extensions/filters/http/grpc_web/v3/grpc_web.pb.h"

#include "source/filters/http/grpc_stats.h"
#include "source/filters/http/grpc_web.h"
#include "test/filters/http/filter_fixture.h"

namespace sluice::filters {
namespace {

using http::DataStatus;
using http::HeaderId;
using http::HeadersStatus;
using http::TrailersStatus;
using StatsProto = envoy::extensions::filters::http::grpc_stats::v3::FilterConfig;
using WebProto = envoy::extensions::filters::http::grpc_web::v3::GrpcWeb;

/** A gRPC message with its prefix. */
std::string message(absl::string_view text) {
  const auto size = static_cast<char>(text.size());
  return absl::StrCat(absl::string_view("\0\0\0\0", 4), absl::string_view(&size, 1), text);
}

class GrpcTest : public test::FilterFixture {
 protected:
  GrpcTest() {
    route_.cluster = "be";
    route_.forward = std::make_shared<const http::ForwardAction>();
  }
  void call(const http::HttpFilterConfig& config, const std::string& path, const std::string& status) {
    test::FakeFilterStream stream(dispatcher_);
    stream.route = &route_;
    stream.start(config);
    stream.request({{":path", path}, {"content-type", "application/grpc"}}, false);
    // Two messages, the second cut inside its prefix.
    const std::string both = message("abc") + message("de");
    stream.requestData(both.substr(0, 10), false);
    stream.requestData(both.substr(10), true);
    stream.response({{":status", "200"}, {"content-type", "application/grpc"}});
    stream.responseData(message("x"), false);
    stream.trailers({{"grpc-status", status}});
    if (stream.info.extras != nullptr) {
      if (const auto* counts = stream.info.extras->filter_state.get("envoy.filters.http.grpc_stats")) {
        counts_ = counts->serialize();
      }
    }
    stream.destroy();
    dispatcher_.runUntilIdle();
  }
  http::Route route_;
  std::string counts_;
  std::unique_ptr<HttpFilterFactory> stats_ = grpcStatsFactory(dispatcher_, store_.root());
  std::unique_ptr<HttpFilterFactory> web_ = grpcWebFactory(dispatcher_, store_.root());
};

TEST_F(GrpcTest, CountsEachMethod) {
  const auto config = make<StatsProto>(*stats_, "{stats_for_all_methods: true, emit_filter_state: true}");
  call(*config, "/pkg.Greeter/Hi", "0");
  call(*config, "/pkg.Greeter/Hi", "14");
  EXPECT_EQ(counter("cluster.be.grpc.pkg.Greeter.Hi.total"), 2u);
  EXPECT_EQ(counter("cluster.be.grpc.pkg.Greeter.Hi.success"), 1u);
  EXPECT_EQ(counter("cluster.be.grpc.pkg.Greeter.Hi.failure"), 1u);
  EXPECT_EQ(counter("cluster.be.grpc.pkg.Greeter.Hi.14"), 1u);
  EXPECT_EQ(counter("cluster.be.grpc.pkg.Greeter.Hi.request_message_count"), 4u);
  EXPECT_EQ(counter("cluster.be.grpc.pkg.Greeter.Hi.response_message_count"), 2u);
  EXPECT_EQ(counts_, "2,1");
}

TEST_F(GrpcTest, MethodsThatAreNotListedCountTogether) {
  const auto config = make<StatsProto>(
      *stats_,
      "{replace_dots_in_grpc_service_name: true, individual_method_stats_allowlist: {services: [{name: a.B, "
      "method_names: [C]}]}}");
  call(*config, "/a.B/C", "0");
  call(*config, "/a.B/D", "0");
  EXPECT_EQ(counter("cluster.be.grpc.a_B.C.total"), 1u);
  EXPECT_EQ(counter("cluster.be.grpc.total"), 1u);
}

TEST_F(GrpcTest, WebBinaryGetsItsTrailersAsAFrame) {
  const auto config = make<WebProto>(*web_, "{}");
  test::FakeFilterStream stream(dispatcher_);
  stream.route = &route_;
  stream.start(*config);
  stream.request({{":path", "/a.B/C"}, {"content-type", "application/grpc-web+proto"}, {"content-length", "8"}}, false);
  EXPECT_EQ(stream.request_headers->get(HeaderId::ContentType), "application/grpc");
  EXPECT_EQ(stream.request_headers->get(HeaderId::Te), "trailers");
  EXPECT_FALSE(stream.request_headers->has(HeaderId::ContentLength));
  stream.response({{":status", "200"}, {"content-type", "application/grpc"}});
  EXPECT_EQ(stream.response_headers->get(HeaderId::ContentType), "application/grpc-web+proto");
  stream.trailers({{"grpc-status", "0"}});
  EXPECT_EQ(stream.injected, absl::StrCat("\x80", absl::string_view("\0\0\0\x0f", 4), "grpc-status:0\r\n"));
  EXPECT_TRUE(stream.response_trailers->empty());
  dispatcher_.runUntilIdle();
  EXPECT_EQ(counter("cluster.be.grpc-web.a.B.C.success"), 1u);
}

TEST_F(GrpcTest, WebTextIsDecodedAndEncoded) {
  const auto config = make<WebProto>(*web_, "{}");
  test::FakeFilterStream stream(dispatcher_);
  stream.start(*config);
  stream.request(
      {{":path", "/a.B/C"}, {"content-type", "application/grpc-web-text"}, {"accept", "application/grpc-web-text"}},
      false);
  // Two runs with padding of their own, cut in the middle of a group.
  const std::string text = absl::Base64Escape(message("a")) + absl::Base64Escape(message("bc"));
  std::string passed;
  EXPECT_EQ(stream.requestData(text.substr(0, 3), false, &passed), DataStatus::StopIterationNoBuffer);
  stream.requestData(text.substr(3), true, &passed);
  EXPECT_EQ(passed, message("a") + message("bc"));

  stream.response({{":status", "200"}, {"content-type", "application/grpc"}});
  std::string out;
  stream.responseData(message("hello").substr(0, 4), false, &out);
  stream.responseData(message("hello").substr(4), false, &out);
  std::string decoded;
  // The first piece is whole groups without padding, so that the two are one run.
  ASSERT_TRUE(absl::Base64Unescape(out, &decoded)) << out;
  EXPECT_EQ(decoded, message("hello"));
}

TEST_F(GrpcTest, WebTextThatIsNoBase64IsRefused) {
  const auto config = make<WebProto>(*web_, "{}");
  test::FakeFilterStream stream(dispatcher_);
  stream.start(*config);
  stream.request({{"content-type", "application/grpc-web-text"}}, false);
  EXPECT_EQ(stream.requestData("AAA", true), DataStatus::StopIterationNoBuffer);
  EXPECT_EQ(stream.reply, "400 Bad gRPC-web request, invalid base64 data. (grpc_base_64_decode_failed)");
}

TEST_F(GrpcTest, WebTellsAnAnswerThatIsNoGrpcAsAStatus) {
  const auto config = make<WebProto>(*web_, "{}");
  test::FakeFilterStream stream(dispatcher_);
  stream.start(*config);
  stream.request({{"content-type", "application/grpc-web+proto"}}, false);
  EXPECT_EQ(stream.response({{":status", "503"}, {"content-type", "text/plain"}}), HeadersStatus::StopIteration);
  EXPECT_EQ(stream.responseData("no upstream", true), DataStatus::Continue);
  EXPECT_EQ(stream.response_headers->get(HeaderId::GrpcStatus), "14");
  EXPECT_EQ(stream.response_headers->get(HeaderId::GrpcMessage), "no upstream");
}

}  // namespace
}  // namespace sluice::filters
