// What the filters' messages say, and what is wrong with them.

#include "envoy/config/accesslog/v3/accesslog.pb.h"
#include "envoy/extensions/filters/network/direct_response/v3/config.pb.h"
#include "envoy/extensions/filters/network/echo/v3/echo.pb.h"
#include "envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.pb.h"
#include "gtest/gtest.h"

#include "source/config/loader.h"
#include "source/filters/network/config.h"
#include "source/filters/network/direct_response.h"
#include "source/filters/transport/raw_buffer.h"
#include "test/filters/tcp_proxy_fixture.h"

namespace sluice::filters {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using DirectResponseProto = envoy::extensions::filters::network::direct_response::v3::Config;
using EchoProto = envoy::extensions::filters::network::echo::v3::Echo;
using TcpProxyProto = envoy::extensions::filters::network::tcp_proxy::v3::TcpProxy;

/** Makes one logger for each configuration; one that is named "bad" is a mistake. */
class FakeLoggers : public access_log::LoggerFactory {
 public:
  access_log::AccessLoggers create(
      const google::protobuf::RepeatedPtrField<envoy::config::accesslog::v3::AccessLog>& configs,
      const config::FieldPath& path, config::Violations& violations) const override {
    access_log::AccessLoggers made;
    for (int i = 0; i < configs.size(); ++i) {
      if (configs[i].name() == "bad") {
        violations.add(path.index(i), "is bad");
      }
      made.push_back(std::make_shared<test::RecordingLogger>(logged_));
    }
    return made;
  }

 private:
  mutable std::vector<test::Logged> logged_;
};

class FactoriesTest : public test::TcpProxyFixture {
 protected:
  template <class Message>
  std::shared_ptr<const net::NetworkFilterConfig> make(const listener::NetworkFilterFactory& factory,
                                                       const std::string& yaml) {
    Message message;
    EXPECT_TRUE(config::parseYaml(yaml, message, {}, nullptr, violations_)) << violations_.toString();
    EXPECT_EQ(factory.messageName(), Message::descriptor()->full_name());
    xds::InitManager init("test");
    listener::FactoryContext context{init, "front"};
    return factory.create(message, config::FieldPath("filters[0].typed_config"), context, violations_);
  }
  TcpProxySettings tcpProxy(const std::string& yaml) {
    const auto made = make<TcpProxyProto>(*tcp_proxy_, yaml);
    EXPECT_NE(made, nullptr) << violations_.toString();
    return made == nullptr ? TcpProxySettings() : static_cast<const TcpProxyConfig&>(*made).settings();
  }
  std::string mistakes(const std::string& yaml) {
    EXPECT_EQ(make<TcpProxyProto>(*tcp_proxy_, yaml), nullptr);
    return violations_.toString();
  }

  FakeLoggers loggers_;
  config::Violations violations_;
  std::unique_ptr<listener::NetworkFilterFactory> tcp_proxy_ =
      tcpProxyFactory(dispatcher_, slots_, store_.root(), *this, loggers_);
};

TEST_F(FactoriesTest, TcpProxyHasEnvoysDefaults) {
  const TcpProxySettings made = tcpProxy("{stat_prefix: t, cluster: be}");
  EXPECT_EQ(made.cluster, "be");
  EXPECT_EQ(made.stat_prefix, "t");
  EXPECT_EQ(made.idle_timeout, hours(1));
  EXPECT_EQ(made.max_connection_duration, std::nullopt);
  EXPECT_EQ(made.max_connect_attempts, 1u);
  EXPECT_EQ(made.backoff_base, std::nullopt);
  EXPECT_FALSE(made.log_on_connected);
  EXPECT_EQ(made.log_interval, std::nullopt);
  EXPECT_TRUE(made.access_logs.empty());
}

TEST_F(FactoriesTest, TcpProxyReadsAllThatItSupports) {
  const TcpProxySettings made = tcpProxy(R"({stat_prefix: t, cluster: be, idle_timeout: 7s,
      max_downstream_connection_duration: 8.5s, max_connect_attempts: 4,
      backoff_options: {base_interval: 0.1s, max_interval: 2s}, access_log: [{name: a}, {name: b}],
      access_log_options: {flush_access_log_on_connected: true, access_log_flush_interval: 3s}})");
  EXPECT_EQ(made.idle_timeout, milliseconds(7000));
  EXPECT_EQ(made.max_connection_duration, milliseconds(8500));
  EXPECT_EQ(made.max_connect_attempts, 4u);
  EXPECT_EQ(made.backoff_base, milliseconds(100));
  EXPECT_EQ(made.backoff_max, milliseconds(2000));
  EXPECT_EQ(made.access_logs.size(), 2u);
  EXPECT_TRUE(made.log_on_connected);
  EXPECT_EQ(made.log_interval, milliseconds(3000));
}

TEST_F(FactoriesTest, TcpProxyTakesZeroForNoIdleTimeout) {
  EXPECT_EQ(tcpProxy("{stat_prefix: t, cluster: be, idle_timeout: 0s}").idle_timeout, std::nullopt);
}

TEST_F(FactoriesTest, TcpProxyBacksOffTenTimesTheBaseAtMost) {
  EXPECT_EQ(tcpProxy("{stat_prefix: t, cluster: be, backoff_options: {base_interval: 0.2s}}").backoff_max,
            milliseconds(2000));
}

TEST_F(FactoriesTest, TcpProxyNamesEveryMistake) {
  const std::string text = mistakes(R"({stat_prefix: t, access_log: [{name: good}, {name: bad}],
      backoff_options: {base_interval: 2s, max_interval: 1s}})");
  EXPECT_NE(text.find("filters[0].typed_config.cluster: "), std::string::npos) << text;
  EXPECT_NE(text.find("filters[0].typed_config.access_log[1]: is bad"), std::string::npos) << text;
  EXPECT_NE(text.find("filters[0].typed_config.backoff_options.max_interval: "), std::string::npos) << text;
}

TEST_F(FactoriesTest, TcpProxiesOfOneClusterHaveOneStructure) {
  const auto one = make<TcpProxyProto>(*tcp_proxy_, "{stat_prefix: a, cluster: be, idle_timeout: 1s}");
  const auto same = make<TcpProxyProto>(*tcp_proxy_, "{stat_prefix: b, cluster: be, access_log: [{name: a}]}");
  const auto other = make<TcpProxyProto>(*tcp_proxy_, "{stat_prefix: a, cluster: other}");
  EXPECT_TRUE(one->structuralKey() == same->structuralKey());
  EXPECT_FALSE(one->structuralKey() == other->structuralKey());
}

TEST_F(FactoriesTest, DirectResponseReadsItsText) {
  const auto factory = directResponseFactory(dispatcher_);
  const auto made = make<DirectResponseProto>(*factory, "{response: {inline_string: go away}}");
  ASSERT_NE(made, nullptr);
  EXPECT_EQ(static_cast<const DirectResponseConfig&>(*made).response(), "go away");
  const auto none = make<DirectResponseProto>(*factory, "{}");
  ASSERT_NE(none, nullptr);
  EXPECT_EQ(static_cast<const DirectResponseConfig&>(*none).response(), "");
}

TEST_F(FactoriesTest, DirectResponseNamesAFileThatIsMissing) {
  const auto factory = directResponseFactory(dispatcher_);
  EXPECT_EQ(make<DirectResponseProto>(*factory, "{response: {filename: /no/such/file}}"), nullptr);
  const std::string text = violations_.toString();
  EXPECT_NE(text.find("filters[0].typed_config.response"), std::string::npos) << text;
  EXPECT_NE(text.find("/no/such/file"), std::string::npos) << text;
}

TEST_F(FactoriesTest, AllAreTheEndOfTheirChain) {
  EXPECT_TRUE(make<TcpProxyProto>(*tcp_proxy_, "{stat_prefix: t, cluster: be}")->isTerminal());
  EXPECT_TRUE(make<EchoProto>(*echoFactory(dispatcher_), "{}")->isTerminal());
  EXPECT_TRUE(make<DirectResponseProto>(*directResponseFactory(dispatcher_), "{}")->isTerminal());
}

TEST_F(FactoriesTest, EchoSendsBackBytesAndEnd) {
  const auto factory = echoFactory(dispatcher_);
  test::Downstream downstream(dispatcher_, make<EchoProto>(*factory, "{}"));
  test::sendSome(downstream.client, "hello");
  ::shutdown(downstream.client.fd(), SHUT_WR);
  EXPECT_TRUE(ends(downstream.client, downstream.got));
  EXPECT_EQ(downstream.got.bytes, "hello");
  EXPECT_TRUE(until([&] { return downstream.closed; }));
}

TEST_F(FactoriesTest, DirectResponseSaysItsTextAndCloses) {
  const auto factory = directResponseFactory(dispatcher_);
  test::Downstream downstream(dispatcher_, make<DirectResponseProto>(*factory, "{response: {inline_string: go away}}"));
  test::sendSome(downstream.client, "a question that nobody reads");
  EXPECT_TRUE(ends(downstream.client, downstream.got));
  EXPECT_EQ(downstream.got.bytes, "go away");
  EXPECT_EQ(downstream.got.error, 0);
}

}  // namespace
}  // namespace sluice::filters
