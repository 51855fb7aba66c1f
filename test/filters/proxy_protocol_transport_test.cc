// Upstream connections that begin with a PROXY protocol header.

#include <sys/socket.h>
#include <unistd.h>

#include "absl/strings/escaping.h"
#include "envoy/extensions/transport_sockets/proxy_protocol/v3/upstream_proxy_protocol.pb.h"
#include <gtest/gtest.h>

#include "source/config/loader.h"
#include "source/event/libevent_dispatcher.h"
#include "source/filters/transport/proxy_protocol.h"
#include "source/filters/transport/proxy_protocol_header.h"
#include "source/filters/transport/raw_buffer.h"
#include "source/net/raw_transport_socket.h"
#include "source/stats/store.h"

namespace sluice::filters {
namespace {

using Proto = envoy::extensions::transport_sockets::proxy_protocol::v3::ProxyProtocolUpstreamTransport;

constexpr char kRaw[] = "transport_socket: {name: envoy.transport_sockets.raw_buffer}";

net::Address address(absl::string_view ip, uint16_t port) { return *net::Address::ip(ip, port); }

class ProxyProtocolTransportTest : public testing::Test, public net::TransportSocketCallbacks {
 protected:
  ProxyProtocolTransportTest() {
    all_.push_back(upstreamRawBufferFactory());
    all_.push_back(upstreamProxyProtocolFactory(dispatcher_, all_));
    EXPECT_EQ(0, ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds_));
  }
  ~ProxyProtocolTransportTest() override {
    ::close(fds_[0]);
    ::close(fds_[1]);
  }
  std::shared_ptr<const net::TransportSocketFactory> make(absl::string_view text) {
    Proto proto;
    config::Violations parsing;
    EXPECT_TRUE(config::parseYaml(text, proto, {}, nullptr, parsing)) << parsing.toString();
    xds::InitManager init{"test"};
    cluster::TransportContext context{init, store_.root(), "be"};
    config::Violations violations;
    auto made = all_.back()->create(proto, config::FieldPath("t"), context, violations);
    violations_ = violations.toString();
    return made;
  }
  /** What a connection begins with. */
  std::string begin(const net::TransportSocketFactory& factory, const net::TransportSocketOptions* options) {
    net::TransportSocketTarget target;
    if (options != nullptr) {
      target.options = std::make_shared<net::TransportSocketOptions>(*options);
    }
    const std::unique_ptr<net::TransportSocket> socket = factory.create(target);
    socket->setCallbacks(*this);
    connected_ = 0;
    socket->onConnected();
    net::Buffer data;
    data.append("hello");
    socket->write(data, false);
    char bytes[70000];
    std::string all;
    for (ssize_t got; (got = ::recv(fds_[1], bytes, sizeof(bytes), 0)) > 0;) {
      all.append(bytes, static_cast<size_t>(got));
    }
    return all;
  }

  void setHandshaking(bool) override {}
  void setHoldsUnsent(bool) override {}
  int fd() const override { return fds_[0]; }
  base::MonotonicTime turn() const override { return {}; }
  void onTransportConnected() override { ++connected_; }
  void scheduleWrite() override {}
  void scheduleRead() override { ++reads_; }

  event::LibeventDispatcher dispatcher_{"main"};
  stats::Store store_;
  cluster::UpstreamTransportSocketFactories all_;
  int fds_[2];
  int connected_ = 0;
  int reads_ = 0;
  std::string violations_;
};

TEST_F(ProxyProtocolTransportTest, HeadersOfBothVersions) {
  const net::Address client = address("10.1.2.3", 258);
  const net::Address us = address("10.9.8.7", 80);
  EXPECT_EQ("PROXY TCP4 10.1.2.3 10.9.8.7 258 80\r\n", proxyHeaderV1(client, us));
  EXPECT_EQ("PROXY TCP6 fd00::1 ::ffff:10.9.8.7 1 80\r\n", proxyHeaderV1(address("fd00::1", 1), us));
  EXPECT_EQ("PROXY UNKNOWN\r\n", proxyHeaderV1(*net::Address::pipe("/x"), us));
  EXPECT_EQ("0d0a0d0a000d0a515549540a2111000c0a0102030a09080701020050",
            absl::BytesToHexString(proxyHeaderV2(client, us, {})));
  EXPECT_EQ("0d0a0d0a000d0a515549540a211100110a0102030a09080701020050e0000261620a",
            absl::BytesToHexString(proxyHeaderV2(client, us, {{0xe0, "ab"}})) + "0a");
  EXPECT_EQ("0d0a0d0a000d0a515549540a20000000", absl::BytesToHexString(proxyHeaderV2Local()));
  EXPECT_EQ(16u + 12 + 3 + 65000,
            proxyHeaderV2(client, us, {{1, std::string(65000, 'x')}, {2, std::string(600, 'y')}}).size())
      << "one that there is no room for is left out";
}

TEST_F(ProxyProtocolTransportTest, TheHeaderComesFirst) {
  const auto factory = make(kRaw);
  ASSERT_NE(nullptr, factory);
  EXPECT_TRUE(factory->readsAddresses());
  EXPECT_FALSE(factory->isTls());
  net::TransportSocketOptions options;
  options.downstream_remote = address("10.1.2.3", 258);
  options.downstream_local = address("10.9.8.7", 80);
  EXPECT_EQ("PROXY TCP4 10.1.2.3 10.9.8.7 258 80\r\nhello", begin(*factory, &options));
  EXPECT_EQ(1, connected_);
  EXPECT_EQ("PROXY UNKNOWN\r\nhello", begin(*factory, nullptr)) << "the test's sockets have no addresses";
}

TEST_F(ProxyProtocolTransportTest, TlvsThatArePassedOnAndAdded) {
  const auto factory = make(absl::StrCat(
      "config: {version: V2, pass_through_tlvs: {match_type: INCLUDE, tlv_type: [5, 6]}, added_tlvs: [{type: 6, value: "
      "YQ==}]}\n",
      kRaw));
  ASSERT_NE(nullptr, factory) << violations_;
  net::TransportSocketOptions options;
  options.downstream_remote = address("10.1.2.3", 258);
  options.downstream_local = address("10.9.8.7", 80);
  options.proxy_tlvs = {{5, "five"}, {6, "six"}, {7, "seven"}};
  EXPECT_EQ(proxyHeaderV2(options.downstream_remote, options.downstream_local, {{6, "a"}, {5, "five"}}) + "hello",
            begin(*factory, &options));
  EXPECT_EQ(proxyHeaderV2Local() + "hello", begin(*factory, nullptr));
}

TEST_F(ProxyProtocolTransportTest, AHeaderThatCannotBeSentFailsTheConnection) {
  const auto factory = make(kRaw);
  ::shutdown(fds_[0], SHUT_WR);
  const std::unique_ptr<net::TransportSocket> socket = factory->create({});
  socket->setCallbacks(*this);
  socket->onConnected();
  EXPECT_EQ(0, connected_);
  EXPECT_EQ(1, reads_);
  net::Buffer buffer;
  EXPECT_TRUE(socket->read(buffer, 100, false).close);
  EXPECT_NE("", socket->failureReason());
}

TEST_F(ProxyProtocolTransportTest, TheKeyIsThatOfEverythingInside) {
  const auto one = make(kRaw);
  EXPECT_EQ(one->structuralKey(), make(kRaw)->structuralKey());
  EXPECT_NE(one->structuralKey(), make(absl::StrCat("config: {version: V2}\n", kRaw))->structuralKey());
  EXPECT_NE(one->structuralKey(), net::RawTransportSocketFactory().structuralKey());
}

TEST_F(ProxyProtocolTransportTest, MistakesNameTheirField) {
  EXPECT_EQ(nullptr, make("config: {version: V2}"));
  EXPECT_EQ("t.transport_socket: is required\n", violations_);
  make(absl::StrCat("config: {pass_through_tlvs: {}}\n", kRaw));
  EXPECT_EQ("t.config.version: must be V2 for TLVs to be sent\n", violations_);
  EXPECT_EQ(nullptr, make("transport_socket: {name: x}"));
  EXPECT_EQ("t.transport_socket.typed_config: is required by the transport socket 'x'\n", violations_);
}

}  // namespace
}  // namespace sluice::filters
