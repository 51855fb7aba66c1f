// Access logs over gRPC, from their configuration to what the service is sent.

#include "source/filters/access_loggers/grpc_loggers.h"

#include <memory>
#include <string>

#include "envoy/config/core/v3/base.pb.h"
#include "envoy/extensions/access_loggers/grpc/v3/als.pb.h"
#include "envoy/service/accesslog/v3/als.pb.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "source/config/loader.h"
#include "source/http/stream_info.h"
#include "source/stats/store.h"
#include "test/grpc/fake_upstreams.h"
#include "test/support/fake_dispatcher.h"
#include "test/support/fake_tls_info.h"

namespace sluice::filters {
namespace {

using envoy::service::accesslog::v3::StreamAccessLogsMessage;
using HttpProto = envoy::extensions::access_loggers::grpc::v3::HttpGrpcAccessLogConfig;
using TcpProto = envoy::extensions::access_loggers::grpc::v3::TcpGrpcAccessLogConfig;

class GrpcLoggersTest : public testing::Test {
 protected:
  template <class Proto>
  std::shared_ptr<const access_log::AccessLogger> make(const access_log::LoggerKind& kind, absl::string_view yaml) {
    Proto proto;
    violations_ = {};
    EXPECT_TRUE(config::parseYaml(yaml, proto, {}, nullptr, violations_)) << violations_.toString();
    google::protobuf::Any any;
    any.PackFrom(proto);
    EXPECT_EQ(Proto::descriptor()->full_name(), kind.messageName());
    return kind.create(any, nullptr, config::FieldPath("log"), violations_);
  }
  /** The newest message that was sent. */
  StreamAccessLogsMessage sent() {
    StreamAccessLogsMessage message;
    const std::string& body = upstreams_.requests.back().body;
    EXPECT_GE(body.size(), 5u);
    EXPECT_TRUE(message.ParseFromString(body.substr(5)));
    return message;
  }

  test::FakeDispatcher dispatcher_;
  test::FakeUpstreams upstreams_;
  stats::Store store_;
  thread::SlotAllocator slots_{dispatcher_};
  const access_log::OperatorTable operators_;
  envoy::config::core::v3::Node node_;
  GrpcLoggerKinds kinds_{{dispatcher_, slots_, store_.root(), upstreams_, operators_, node_}};
  config::Violations violations_;
};

TEST_F(GrpcLoggersTest, TellsOfARequest) {
  node_.set_id("node-1");
  const auto logger = make<HttpProto>(kinds_.http(), R"(
common_config:
  log_name: requests
  grpc_service: {envoy_grpc: {cluster_name: service}}
  buffer_size_bytes: 0
  filter_state_objects_to_log: [key]
  custom_tags: [{tag: static, literal: {value: v}}, {tag: from, request_header: {name: X-From, default_value: none}}]
additional_request_headers_to_log: [X-Tenant]
additional_response_headers_to_log: [x-cache]
)");
  ASSERT_NE(nullptr, logger) << violations_.toString();

  base::Arena arena;
  http::HeaderMap request(arena);
  request.add(":method", "GET");
  request.add(":path", "/path");
  request.add(":authority", "host");
  request.add("x-tenant", "a");
  request.add("x-tenant", "b\xff");
  request.add("x-other", "not logged");
  http::HeaderMap response(arena);
  response.add(":status", "503");
  response.add("x-cache", "miss");
  http::StreamInfo info;
  info.start_monotonic = dispatcher_.now();
  info.end_monotonic = dispatcher_.now() + std::chrono::milliseconds(1500);
  info.last_upstream_rx_byte = dispatcher_.now() + std::chrono::milliseconds(20);
  info.downstream_remote = *net::Address::ip("10.1.2.3", 4567);
  info.protocol = http::Protocol::Http2;
  info.response_code = 503;
  info.details = "no_healthy_upstream";
  info.response_flags = net::response_flag::kNoHealthyUpstream | net::response_flag::kUnauthorizedExternalService;
  info.bytes_sent = 19;
  info.request_headers = &request;
  info.response_headers = &response;
  info.request_id = "id-1";
  info.makeExtras().filter_state.set("key", std::make_shared<net::TextFilterState>("state"));
  test::FakeTlsInfo tls;
  tls.peer_certificate.emplace().uri_sans = {"spiffe://td/me"};
  tls.peer_certificate->issuer = "CN=ca";
  tls.local_certificate.emplace().subject = "CN=us";
  info.downstream_tls = &tls;
  info.extras->ja3 = "three";
  logger->log({info, access_log::LogType::DownstreamEnd, &info, {}});

  const StreamAccessLogsMessage message = sent();
  EXPECT_EQ("requests", message.identifier().log_name());
  ASSERT_EQ(1, message.http_logs().log_entry_size());
  const auto& entry = message.http_logs().log_entry(0);
  EXPECT_EQ("HTTP2", envoy::data::accesslog::v3::HTTPAccessLogEntry::HTTPVersion_Name(entry.protocol_version()));
  EXPECT_EQ(envoy::config::core::v3::GET, entry.request().request_method());
  EXPECT_EQ("/path", entry.request().path());
  EXPECT_EQ("host", entry.request().authority());
  EXPECT_EQ("a,b!", entry.request().request_headers().at("x-tenant"));
  EXPECT_EQ(1, entry.request().request_headers_size());
  EXPECT_EQ(503u, entry.response().response_code().value());
  EXPECT_EQ("no_healthy_upstream", entry.response().response_code_details());
  EXPECT_EQ("miss", entry.response().response_headers().at("x-cache"));
  EXPECT_EQ(19u, entry.response().response_body_bytes());
  const auto& common = entry.common_properties();
  EXPECT_EQ("10.1.2.3", common.downstream_remote_address().socket_address().address());
  EXPECT_EQ(1, common.duration().seconds());
  EXPECT_EQ(500'000'000, common.duration().nanos());
  EXPECT_EQ(20'000'000, common.time_to_last_upstream_rx_byte().nanos());
  EXPECT_TRUE(common.response_flags().no_healthy_upstream());
  EXPECT_FALSE(common.response_flags().no_route_found());
  EXPECT_TRUE(common.response_flags().has_unauthorized_details());
  EXPECT_EQ("id-1", common.stream_id());
  EXPECT_EQ(envoy::data::accesslog::v3::DownstreamEnd, common.access_log_type());
  EXPECT_EQ("v", common.custom_tags().at("static"));
  EXPECT_EQ("none", common.custom_tags().at("from"));
  EXPECT_EQ(1, common.filter_state_objects_size());
  EXPECT_EQ(envoy::data::accesslog::v3::TLSProperties::TLSv1_3, common.tls_properties().tls_version());
  EXPECT_EQ(0x1301u, common.tls_properties().tls_cipher_suite().value());
  EXPECT_EQ("three", common.tls_properties().ja3_fingerprint());
  EXPECT_EQ("spiffe://td/me", common.tls_properties().peer_certificate_properties().subject_alt_name(0).uri());
  EXPECT_EQ("CN=ca", common.tls_properties().peer_certificate_properties().issuer());
  EXPECT_EQ("CN=us", common.tls_properties().local_certificate_properties().subject());
}

TEST_F(GrpcLoggersTest, TellsOfAConnection) {
  const auto logger = make<TcpProto>(kinds_.tcp(), R"(
common_config: {log_name: tcp, grpc_service: {envoy_grpc: {cluster_name: service}}, buffer_size_bytes: 0})");
  ASSERT_NE(nullptr, logger) << violations_.toString();
  net::StreamInfo info;
  info.start_monotonic = dispatcher_.now();
  info.bytes_received = 7;
  info.bytes_sent = 11;
  info.upstream = std::make_unique<net::UpstreamInfo>();
  info.upstream->cluster_name = std::make_shared<const std::string>("be");
  info.upstream->host = *net::Address::ip("10.0.0.1", 80);
  logger->log({info, access_log::LogType::TcpConnectionEnd, nullptr, {}});
  const StreamAccessLogsMessage message = sent();
  ASSERT_EQ(1, message.tcp_logs().log_entry_size());
  const auto& entry = message.tcp_logs().log_entry(0);
  EXPECT_EQ(7u, entry.connection_properties().received_bytes());
  EXPECT_EQ(11u, entry.connection_properties().sent_bytes());
  EXPECT_EQ("be", entry.common_properties().upstream_cluster());
  EXPECT_EQ(80u, entry.common_properties().upstream_remote_address().socket_address().port_value());
}

TEST_F(GrpcLoggersTest, LoggersOfOneConfigurationShareAStream) {
  constexpr absl::string_view kYaml = R"(
common_config: {log_name: x, grpc_service: {envoy_grpc: {cluster_name: service}}, buffer_size_bytes: 0})";
  const auto a = make<HttpProto>(kinds_.http(), kYaml);
  const auto b = make<HttpProto>(kinds_.http(), kYaml);
  http::StreamInfo info;
  a->log({info, access_log::LogType::NotSet, &info, {}});
  b->log({info, access_log::LogType::NotSet, &info, {}});
  EXPECT_EQ(1u, upstreams_.requests.size());
}

TEST_F(GrpcLoggersTest, RefusesWhatItCannotDo) {
  EXPECT_EQ(nullptr, make<HttpProto>(kinds_.http(), R"(
common_config: {log_name: x, grpc_service: {google_grpc: {target_uri: a, stat_prefix: b}}})"));
  EXPECT_THAT(violations_.toString(), testing::HasSubstr("log.common_config.grpc_service.google_grpc"));
  EXPECT_EQ(nullptr, make<HttpProto>(kinds_.http(), R"(
common_config: {grpc_service: {envoy_grpc: {cluster_name: a}}})"));
  EXPECT_THAT(violations_.toString(), testing::HasSubstr("log.common_config.log_name: must not be empty"));
}

}  // namespace
}  // namespace sluice::filters
