// The listener filters over bytes that come in pieces, without sockets.

#include <string>
#include <vector>

#include "envoy/config/core/v3/base.pb.h"
#include "envoy/extensions/filters/listener/http_inspector/v3/http_inspector.pb.h"
#include "envoy/extensions/filters/listener/local_ratelimit/v3/local_ratelimit.pb.h"
#include "envoy/extensions/filters/listener/original_src/v3/original_src.pb.h"
#include "envoy/extensions/filters/listener/proxy_protocol/v3/proxy_protocol.pb.h"
#include "envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector.pb.h"
#include "gtest/gtest.h"

#include "source/config/loader.h"
#include "source/filters/listener/http_inspector.h"
#include "source/filters/listener/local_rate_limit.h"
#include "source/filters/listener/original_address.h"
#include "source/filters/listener/proxy_protocol.h"
#include "source/filters/listener/tls_inspector.h"
#include "source/stats/store.h"
#include "source/xds/init_manager.h"
#include "test/support/client_hello.h"
#include "test/support/fake_dispatcher.h"

namespace sluice::filters {
namespace {

namespace api = envoy::extensions::filters::listener;

class ListenerFiltersTest : public testing::Test, protected net::ListenerFilterCallbacks {
 protected:
  ListenerFiltersTest() {
    info_.downstream_local = *net::Address::ip("127.0.0.1", 80);
    info_.downstream_remote = *net::Address::ip("127.0.0.1", 4000);
  }

  int fd() const override { return -1; }
  event::Dispatcher& dispatcher() override { return dispatcher_; }
  net::StreamInfo& streamInfo() override { return info_; }
  void continueFilterChain(bool success) override { refused_ = !success; }

  void make(const listener::ListenerFilterFactory& factory, const google::protobuf::Message& message) {
    listener::FactoryContext context{init_, "l", "l"};
    config::Violations violations;
    config_ = factory.create(message, config::FieldPath(), context, violations);
    refusal_ = violations.empty() ? "" : violations.toString();
  }

  enum class End { Open, Closed };
  /** A new connection that brings the bytes `step` at a time; what the filter says in the end. */
  std::string run(const std::string& bytes, size_t step = 100000, End end = End::Open) {
    refused_ = false;
    taken_ = 0;
    const auto filter = config_->create();
    if (filter->onAccept(*this) == net::FilterStatus::Continue) {
      return "done";
    }
    if (refused_) {
      return "refused";
    }
    size_t shown = 0;
    for (size_t there = std::min(step, bytes.size());;) {
      // What a peek gives.
      const size_t got = std::min(there, filter->maxReadBytes());
      if (got > shown) {
        shown = got;
        if (filter->onData(absl::string_view(bytes).substr(0, got), false, taken_) == net::FilterStatus::Continue) {
          return "done";
        }
        if (refused_) {
          return "refused";
        }
        continue;
      }
      if (there == bytes.size()) {
        break;
      }
      there = std::min(there + step, bytes.size());
    }
    if (end == End::Open) {
      return "waits";
    }
    return filter->onData(bytes, true, taken_) == net::FilterStatus::Continue ? "done" : "refused";
  }
  uint64_t counter(const std::string& name) { return store_.counterValue(name); }
  std::string serverName() const { return std::string(info_.requestedServerName()); }
  std::string metadata(const std::string& filter, const std::string& key) const {
    return info_.extras->metadata->filter_metadata().at(filter).fields().at(key).string_value();
  }

  test::FakeDispatcher dispatcher_;
  stats::Store store_;
  xds::InitManager init_{"test"};
  runtime::Snapshot runtime_;
  net::StreamInfo info_;
  std::shared_ptr<const net::ListenerFilterConfig> config_;
  std::string refusal_;
  bool refused_ = false;
  size_t taken_ = 0;
};

TEST_F(ListenerFiltersTest, TlsInspectorTellsWhatTheClientSays) {
  const auto factory = tlsInspectorFactory(store_.root());
  api::tls_inspector::v3::TlsInspector proto;
  make(*factory, proto);
  for (size_t step : {1, 7, 100000}) {
    info_.extras = nullptr;
    EXPECT_EQ(run(test::clientHello("A.Test", {"h2", "istio"}), step), "done");
    EXPECT_EQ(serverName(), "a.test");
    EXPECT_STREQ(info_.extras->transport_protocol, "tls");
    EXPECT_EQ(info_.extras->application_protocols, (std::vector<std::string>{"h2", "istio"}));
    EXPECT_EQ(info_.extras->ja3 + info_.extras->ja4, "");
  }
  EXPECT_EQ(run(test::clientHello("")), "done");
  EXPECT_EQ(counter("tls_inspector.tls_found"), 4u);
  EXPECT_EQ(counter("tls_inspector.sni_found"), 3u);
  EXPECT_EQ(counter("tls_inspector.sni_not_found"), 1u);
  EXPECT_EQ(counter("tls_inspector.alpn_found"), 3u);
  EXPECT_EQ(counter("tls_inspector.alpn_not_found"), 1u);
  EXPECT_EQ(taken_, 0u);
}

TEST_F(ListenerFiltersTest, TlsInspectorLetsPlainTextPassAtOnce) {
  const auto factory = tlsInspectorFactory(store_.root());
  make(*factory, api::tls_inspector::v3::TlsInspector());
  EXPECT_EQ(run("G", 1), "done");
  EXPECT_EQ(counter("tls_inspector.tls_not_found"), 1u);
  EXPECT_EQ(info_.extras->transport_protocol, nullptr);
  EXPECT_EQ(metadata("envoy.filters.listener.tls_inspector", "failure_reason"), "ClientHelloNotDetected");
}

TEST_F(ListenerFiltersTest, TlsInspectorIsBounded) {
  const auto factory = tlsInspectorFactory(store_.root());
  api::tls_inspector::v3::TlsInspector proto;
  proto.mutable_initial_read_buffer_size()->set_value(256);
  proto.mutable_max_client_hello_size()->set_value(1024);
  proto.mutable_enable_ja3_fingerprinting()->set_value(true);
  proto.mutable_enable_ja4_fingerprinting()->set_value(true);
  make(*factory, proto);
  const auto padded = [](size_t padding) {
    return test::inRecords(
        test::HelloText{"a.test", {}, test::bigEndian(21, 2) + test::withLength(std::string(padding, '\0'), 2), "aabb"}
            .handshake());
  };
  EXPECT_EQ(run(padded(800)), "done");
  EXPECT_EQ(info_.extras->ja3.size(), 32u);
  EXPECT_EQ(info_.extras->ja4.size(), 36u);
  EXPECT_EQ(run(padded(1100), 10), "refused");
  EXPECT_EQ(run(padded(15000), 100), "refused");
  EXPECT_EQ(counter("tls_inspector.client_hello_too_large"), 2u);
  // The headers of many records are part of it.
  EXPECT_EQ(run(test::inRecords(test::HelloText{"a.test", {}, "", std::string(300, 'c')}.handshake(), 1)), "refused");
  EXPECT_EQ(counter("tls_inspector.client_hello_too_large"), 3u);
  EXPECT_EQ(metadata("envoy.filters.listener.tls_inspector", "failure_reason"), "ClientHelloTooLarge");
  make(*factory, api::tls_inspector::v3::TlsInspector());
  EXPECT_EQ(run(padded(17000)), "refused") << "longer than any may be, and no plain text";
  EXPECT_EQ(counter("tls_inspector.client_hello_too_large"), 4u);
}

TEST_F(ListenerFiltersTest, TlsInspectorClosesOnBrokenHellosWhereItIsToldTo) {
  const auto factory = tlsInspectorFactory(store_.root());
  api::tls_inspector::v3::TlsInspector proto;
  const std::string broken("\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00", 10);
  make(*factory, proto);
  EXPECT_EQ(run(broken), "done");
  proto.set_close_connection_on_client_hello_parsing_errors(true);
  make(*factory, proto);
  EXPECT_EQ(run(broken), "refused");
  EXPECT_EQ(run("GET"), "refused") << "plain text is none";
  EXPECT_EQ(counter("tls_inspector.tls_not_found"), 3u);
}

TEST_F(ListenerFiltersTest, HttpInspectorTellsTheVersion) {
  const auto factory = httpInspectorFactory(store_.root());
  make(*factory, api::http_inspector::v3::HttpInspector());
  const auto protocol = [this] { return info_.extras->application_protocols; };
  EXPECT_EQ(run("GET /" + std::string(5000, 'a') + " HTTP/1.1\r\n", 100), "done");
  EXPECT_EQ(protocol(), std::vector<std::string>{"http/1.1"});
  EXPECT_EQ(run("GET / HTTP/1.0\r\n", 1), "done");
  EXPECT_EQ(protocol(), std::vector<std::string>{"http/1.0"});
  EXPECT_EQ(run("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 1), "done");
  EXPECT_EQ(protocol(), std::vector<std::string>{"h2c"});
  info_.extras = nullptr;
  EXPECT_EQ(run("SSH-2.0-x\r\n", 1), "done");
  EXPECT_EQ(info_.extras, nullptr);
  EXPECT_EQ(run("GE", 1), "waits");
  EXPECT_EQ(run("GET /" + std::string(70000, 'a'), 4000), "refused");
  EXPECT_EQ(counter("http_inspector.read_error"), 1u);
  EXPECT_EQ(counter("http_inspector.http11_found"), 1u);
  EXPECT_EQ(counter("http_inspector.http10_found"), 1u);
  EXPECT_EQ(counter("http_inspector.http2_found"), 1u);
  EXPECT_EQ(counter("http_inspector.http_not_found"), 1u);
}

TEST_F(ListenerFiltersTest, HttpInspectorDoesNotLookAtTls) {
  const auto factory = httpInspectorFactory(store_.root());
  make(*factory, api::http_inspector::v3::HttpInspector());
  info_.makeExtras().transport_protocol = "tls";
  EXPECT_EQ(run("GET / HTTP/1.1\r\n"), "done");
  EXPECT_TRUE(info_.extras->application_protocols.empty());
}

TEST_F(ListenerFiltersTest, ProxyProtocolTakesTheHeaderAndNoMore) {
  const auto factory = proxyProtocolFactory(store_.root());
  make(*factory, api::proxy_protocol::v3::ProxyProtocol());
  const std::string header = "PROXY TCP4 10.1.2.3 10.4.5.6 1111 2222\r\n";
  for (size_t step : {1, 100000}) {
    EXPECT_EQ(run(header + "ping", step), "done");
    EXPECT_EQ(taken_, header.size());
    EXPECT_EQ(info_.downstream_remote.toString(), "10.1.2.3:1111");
    EXPECT_EQ(info_.downstream_local.toString(), "10.4.5.6:2222");
    EXPECT_TRUE(info_.extras->local_address_restored);
    EXPECT_EQ(info_.directLocal().toString(), "127.0.0.1:80");
  }
  EXPECT_EQ(run("GET / HTTP/1.1"), "refused");
  EXPECT_EQ(run("PROXY TCP5 \r\n"), "refused");
  EXPECT_EQ(run("PROX"), "waits");
  EXPECT_EQ(counter("proxy_proto.versions.v1.found"), 2u);
  EXPECT_EQ(counter("proxy_proto.versions.v1.error"), 1u);
  EXPECT_EQ(counter("proxy_proto.not_found_disallowed"), 1u);
  EXPECT_EQ(counter("downstream_cx_proxy_proto_error"), 2u);
}

std::string v2WithTlvs(const std::string& tlvs) {
  return std::string("\r\n\r\n\0\r\nQUIT\n\x21\x11", 14) +
         test::withLength(std::string("\x0a\x07\x08\x09\x0a\x01\x01\x01\x0d\x05\x00\x50", 12) + tlvs, 2);
}

TEST_F(ListenerFiltersTest, ProxyProtocolHandsTlvsOn) {
  const auto factory = proxyProtocolFactory(store_.root());
  api::proxy_protocol::v3::ProxyProtocol proto;
  proto.set_stat_prefix("foo");
  auto& rule = *proto.add_rules();
  rule.set_tlv_type(2);
  rule.mutable_on_tlv_present()->set_key("name");
  auto& other = *proto.add_rules();
  other.set_tlv_type(0xea);
  other.mutable_on_tlv_present()->set_key("id");
  other.mutable_on_tlv_present()->set_metadata_namespace("aws");
  proto.mutable_pass_through_tlvs()->set_match_type(envoy::config::core::v3::ProxyProtocolPassThroughTLVs::INCLUDE);
  proto.mutable_pass_through_tlvs()->add_tlv_type(0xea);
  make(*factory, proto);
  const std::string header =
      v2WithTlvs('\x02' + test::withLength("a.test", 2) + '\x02' + test::withLength("b.test", 2) + '\xea' +
                 test::withLength("v\xff\xfe", 2) + '\x03' + test::withLength(std::string(3000, 'x'), 2));
  EXPECT_EQ(run(header + "ping", 3), "done");
  EXPECT_EQ(taken_, header.size());
  EXPECT_EQ(metadata("envoy.filters.listener.proxy_protocol", "name"), "a.test");
  EXPECT_EQ(metadata("aws", "id"), "v!!");
  ASSERT_NE(info_.extras->upstream_wishes, nullptr);
  EXPECT_EQ(info_.extras->upstream_wishes->proxy_tlvs, (std::vector<net::ProxyTlv>{{0xea, "v\xff\xfe"}}));
  EXPECT_EQ(counter("proxy_proto.foo.versions.v2.found"), 1u);
}

TEST_F(ListenerFiltersTest, ProxyProtocolMayBeOptionalOrOfOneVersion) {
  const auto factory = proxyProtocolFactory(store_.root());
  api::proxy_protocol::v3::ProxyProtocol proto;
  proto.add_disallowed_versions(envoy::config::core::v3::ProxyProtocolConfig::V1);
  make(*factory, proto);
  EXPECT_EQ(run("PROXY UNKNOWN\r\n"), "refused");
  EXPECT_EQ(counter("proxy_proto.versions.v1.found"), 1u);
  EXPECT_EQ(counter("proxy_proto.versions.v1.disallowed"), 1u);
  EXPECT_EQ(counter("downstream_cx_proxy_proto_error"), 0u) << "there is nothing wrong with it";
  proto.set_allow_requests_without_proxy_protocol(true);
  make(*factory, proto);
  EXPECT_EQ(run("PROXY UNKNOWN\r\n"), "done");
  EXPECT_EQ(taken_, 0u);
  EXPECT_EQ(run("ping"), "done");
  EXPECT_EQ(run(v2WithTlvs(""), 1), "done");
  EXPECT_EQ(taken_, 28u);
  EXPECT_EQ(run("\r\n", 1, End::Closed), "done");
  EXPECT_EQ(counter("proxy_proto.not_found_allowed"), 3u);
  proto.add_disallowed_versions(envoy::config::core::v3::ProxyProtocolConfig::V2);
  make(*factory, proto);
  EXPECT_NE(refusal_, "");
}

TEST_F(ListenerFiltersTest, OriginalSrcWantsTheClientsAddress) {
  const auto factory = originalSrcFactory();
  api::original_src::v3::OriginalSrc proto;
  proto.set_mark(1337);
  make(*factory, proto);
  EXPECT_EQ(run(""), "done");
  EXPECT_EQ(info_.extras->upstream_wishes->source.toString(), "127.0.0.1:0");
  EXPECT_EQ(info_.extras->upstream_wishes->mark, 1337u);
  proto.set_bind_port(true);
  make(*factory, proto);
  EXPECT_EQ(run(""), "done");
  EXPECT_EQ(info_.extras->upstream_wishes->source.toString(), "127.0.0.1:4000");
}

TEST_F(ListenerFiltersTest, LocalRateLimitClosesWhatIsTooMuch) {
  const auto factory = listenerLocalRateLimitFactory(dispatcher_, store_.root(), runtime_);
  api::local_ratelimit::v3::LocalRateLimit proto;
  proto.set_stat_prefix("x");
  proto.mutable_token_bucket()->set_max_tokens(2);
  proto.mutable_token_bucket()->mutable_fill_interval()->set_seconds(1);
  make(*factory, proto);
  EXPECT_EQ(run(""), "done");
  EXPECT_EQ(run(""), "done");
  EXPECT_EQ(run(""), "refused");
  EXPECT_EQ(counter("listener_local_ratelimit.x.rate_limited"), 1u);
  dispatcher_.advance(std::chrono::seconds(1));
  EXPECT_EQ(run(""), "done");
  EXPECT_EQ(run(""), "refused");
  proto.mutable_token_bucket()->mutable_fill_interval()->set_seconds(0);
  make(*factory, proto);
  EXPECT_NE(refusal_, "");
}

}  // namespace
}  // namespace sluice::filters
