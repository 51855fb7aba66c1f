#include "source/cluster/grpc_target.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test/cluster/fixtures.h"

namespace sluice::cluster {
namespace {

using Kind = xds::ChannelTarget::Endpoint::Kind;

TEST(GrpcTargetTest, EndpointsOfEveryKind) {
  const auto target = grpcTarget(*test::clusterYaml(R"(
name: xds
type: STRICT_DNS
connect_timeout: 2s
load_assignment:
  endpoints:
  - lb_endpoints:
    - endpoint: {address: {socket_address: {address: cp.test, port_value: 15010}}}
    - endpoint: {address: {socket_address: {address: 10.0.0.1, port_value: 15011}}}
)"));
  ASSERT_TRUE(target.ok()) << target.status();
  EXPECT_EQ("xds", target->authority);
  EXPECT_EQ(2000, target->connect_timeout.count());
  ASSERT_EQ(2u, target->endpoints.size());
  EXPECT_EQ(Kind::DnsName, target->endpoints[0].kind);
  EXPECT_EQ("cp.test", target->endpoints[0].host);
  EXPECT_EQ(15010u, target->endpoints[0].port);
  EXPECT_EQ(Kind::Ip, target->endpoints[1].kind);
}

TEST(GrpcTargetTest, AUnixSocketWithHttp2Options) {
  const auto target = grpcTarget(*test::clusterYaml(R"(
name: xds
load_assignment: {endpoints: [{lb_endpoints: [{endpoint: {address: {pipe: {path: ./etc/XDS}}}}]}]}
typed_extension_protocol_options:
  envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
    "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
    explicit_http_config:
      http2_protocol_options: {connection_keepalive: {interval: 30s, timeout: 5s}, initial_stream_window_size: 65536}
)"));
  ASSERT_TRUE(target.ok()) << target.status();
  ASSERT_EQ(1u, target->endpoints.size());
  EXPECT_EQ(Kind::UnixPath, target->endpoints[0].kind);
  EXPECT_EQ("./etc/XDS", target->endpoints[0].host);
  EXPECT_EQ(30000, target->keepalive_interval->count());
  EXPECT_EQ(5000, target->keepalive_timeout->count());
  EXPECT_EQ(65536u, target->initial_stream_window);
}

TEST(GrpcTargetTest, WhatCannotLeadToAControlPlane) {
  EXPECT_EQ("cluster 'x' has no endpoints", grpcTarget(*test::clusterYaml("{name: x}")).status().message());
  EXPECT_EQ("cluster 'x' cannot lead to a control plane: its type must be STATIC or STRICT_DNS",
            grpcTarget(*test::clusterYaml("{name: x, type: EDS, eds_cluster_config: {eds_config: {ads: {}}}}"))
                .status()
                .message());
  const auto message = [](const std::string& more) {
    return std::string(grpcTarget(*test::clusterYaml(R"({name: x, load_assignment: {endpoints: [{lb_endpoints: [
      {endpoint: {address: {pipe: {path: xds}}}}]}]}, )" +
                                                     more + "}"))
                           .status()
                           .message());
  };
  EXPECT_EQ("", message(""));
  EXPECT_THAT(message("transport_socket_matches: [{name: m, match: {a: b}}]"),
              testing::HasSubstr("transport_socket_matches: all endpoints of a control plane are reached in one way"));
  EXPECT_THAT(
      message(R"(transport_socket: {name: p, typed_config: {
      "@type": type.googleapis.com/envoy.extensions.transport_sockets.starttls.v3.UpstreamStartTlsConfig}})"),
      testing::HasSubstr("transport_socket.typed_config: a control plane is spoken to in plaintext or over TLS"));
}

}  // namespace
}  // namespace sluice::cluster
