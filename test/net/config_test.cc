#include "source/net/config.h"

#include "google/protobuf/text_format.h"
#include <gtest/gtest.h>

namespace sluice::net {
namespace {

template <class Message>
Message parse(const std::string& text) {
  Message message;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &message)) << text;
  return message;
}

const config::FieldPath kPath("address");

struct Outcome {
  std::optional<Address> address;
  std::string violations;
};

Outcome convert(const std::string& text) {
  config::Violations violations;
  Outcome outcome;
  outcome.address = toAddress(parse<envoy::config::core::v3::Address>(text), kPath, violations);
  outcome.violations = violations.toString();
  return outcome;
}

TEST(NetConfigTest, AddressesThatAreSupported) {
  EXPECT_EQ("127.0.0.1:80", convert("socket_address { address: '127.0.0.1' port_value: 80 }").address->toString());
  EXPECT_EQ("[::1]:0", convert("socket_address { address: '::1' port_value: 0 }").address->toString());
  EXPECT_EQ("/run/x", convert("pipe { path: '/run/x' mode: 384 }").address->toString());
  EXPECT_EQ("@x", convert("pipe { path: '@x' }").address->toString());
}

TEST(NetConfigTest, AddressesThatAreRefusedNameTheField) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "address: needs socket_address or pipe\n"},
      {"socket_address { address: 'localhost' port_value: 80 }",
       "address.socket_address.address: 'localhost' is not an IPv4 or IPv6 address\n"},
      {"socket_address { address: '1.2.3.4' port_value: 65536 }",
       "address.socket_address.port_value: 65536 is above 65535\n"},
      {"socket_address { address: '1.2.3.4' }", "address.socket_address: needs port_value\n"},
      {"socket_address { address: '1.2.3.4' named_port: 'http' }",
       "address.socket_address.named_port: named ports are not supported; give port_value\n"},
      {"socket_address { address: '1.2.3.4' port_value: 1 protocol: UDP }",
       "address.socket_address.protocol: UDP is not supported\n"},
      {"socket_address { address: '1.2.3.4' port_value: 1 resolver_name: 'x' }",
       "address.socket_address.resolver_name: custom resolvers are not supported\n"},
      {"envoy_internal_address { server_listener_name: 'x' }",
       "address.envoy_internal_address: internal listeners are not supported\n"},
      {"pipe { path: '' }", "address.pipe.path: the path of a Unix socket is empty\n"},
  };
  for (const auto& [text, violations] : cases) {
    const Outcome outcome = convert(text);
    EXPECT_FALSE(outcome.address) << text;
    EXPECT_EQ(violations, outcome.violations) << text;
  }
}

TEST(NetConfigTest, AllMistakesOfAnAddressAreTold) {
  EXPECT_EQ(
      "address.socket_address.protocol: UDP is not supported\n"
      "address.socket_address.port_value: 70000 is above 65535\n"
      "address.socket_address.address: 'x' is not an IPv4 or IPv6 address\n",
      convert("socket_address { address: 'x' port_value: 70000 protocol: UDP }").violations);
}

TEST(NetConfigTest, ListenAddressesTellOfTheirSocket) {
  config::Violations violations;
  const auto listen = [&](const std::string& text) {
    return toListenSocketOptions(parse<envoy::config::core::v3::Address>(text), kPath, violations);
  };
  EXPECT_TRUE(listen("socket_address { address: '::' port_value: 1 ipv4_compat: true }")->ipv4_compat);
  EXPECT_TRUE(listen("socket_address { address: '::' port_value: 1 }")->reuse_port);
  const std::optional<ListenSocketOptions> pipe = listen("pipe { path: '/run/x' mode: 384 }");
  EXPECT_EQ(0600u, pipe->pipe_mode);
  EXPECT_FALSE(pipe->reuse_port);
  EXPECT_TRUE(violations.empty());
  EXPECT_FALSE(listen("socket_address { address: '0.0.0.0' port_value: 1 ipv4_compat: true }"));
  EXPECT_FALSE(listen("pipe { path: '@x' mode: 384 }"));
  EXPECT_FALSE(listen("pipe { path: '/x' mode: 512 }"));
  EXPECT_EQ(3u, violations.size());
}

TEST(NetConfigTest, SocketOptionsKeepTheirBytes) {
  config::Violations violations;
  const auto bind = parse<envoy::config::core::v3::BindConfig>(R"(
      source_address { address: '127.0.0.1' port_value: 0 }
      freebind { value: true }
      socket_options { level: 1 name: 9 int_value: 1 state: STATE_PREBIND }
      socket_options { level: 6 name: 13 buf_value: 'reno' state: STATE_BOUND description: 'congestion control' }
      socket_options { level: 1 name: 36 int_value: 4294967295 state: STATE_LISTENING })");
  const ClientSocketOptions options = toClientSocketOptions(bind, kPath, violations);
  EXPECT_TRUE(violations.empty()) << violations.toString();
  EXPECT_EQ("127.0.0.1:0", options.source->toString());
  EXPECT_TRUE(options.freebind);
  ASSERT_EQ(3u, options.options.size());
  EXPECT_EQ(std::string("\1\0\0\0", 4), options.options[0].value);
  EXPECT_EQ(SocketOption::State::Prebind, options.options[0].state);
  EXPECT_EQ("reno", options.options[1].value);
  EXPECT_EQ(SocketOption::State::Bound, options.options[1].state);
  EXPECT_EQ("congestion control", options.options[1].description);
  EXPECT_EQ("\xff\xff\xff\xff", options.options[2].value);
  EXPECT_EQ(SocketOption::State::Listening, options.options[2].state);
}

TEST(NetConfigTest, SocketOptionsThatDoNotFitAreRefused) {
  config::Violations violations;
  const auto bind = parse<envoy::config::core::v3::BindConfig>(R"(
      socket_options { level: 5000000000 name: 9 int_value: 1 }
      socket_options { level: 1 name: 9 int_value: 5000000000 }
      socket_options { level: 1 name: 9 })");
  toClientSocketOptions(bind, kPath, violations);
  EXPECT_EQ(
      "address.socket_options[0]: level and name must fit 32 bits\n"
      "address.socket_options[1].int_value: 5000000000 does not fit 32 bits\n"
      "address.socket_options[2]: needs int_value or buf_value\n",
      violations.toString());
}

TEST(NetConfigTest, AKeepaliveOfZeroIsNone) {
  using Proto = envoy::config::core::v3::TcpKeepalive;
  EXPECT_EQ(TcpKeepalive{}, toTcpKeepalive(Proto()));
  EXPECT_EQ((TcpKeepalive{1, 2, 3}), toTcpKeepalive(parse<Proto>("keepalive_probes { value: 1 } keepalive_time { "
                                                                 "value: 2 } keepalive_interval { value: 3 }")));
  EXPECT_EQ(std::nullopt, toTcpKeepalive(parse<Proto>("keepalive_time { }")));
}

}  // namespace
}  // namespace sluice::net
