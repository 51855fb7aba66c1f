#include "source/listener/listener_builder.h"

#include "gtest/gtest.h"

#include "test/listener/test_listener.h"
#include "test/support/fake_dispatcher.h"

namespace sluice::listener {
namespace {

using test::addChain;
using test::addSay;
using test::makeListener;

class ListenerBuilderTest : public testing::Test {
 protected:
  ListenerBuilderTest() { factories_.network.push_back(std::make_unique<test::SayFactory>()); }

  std::unique_ptr<ListenerParts> build(const test::v3::Listener& listener) {
    xds::InitManager init("l");
    violations_ = {};
    return builder_.build(listener, config::FieldPath(), init, violations_);
  }
  /** All that is wrong with it, one a line. */
  std::string mistakes(const test::v3::Listener& listener) {
    EXPECT_EQ(build(listener), nullptr);
    return violations_.toString();
  }

  test::FakeDispatcher main_;
  FilterFactories factories_;
  test::CountingLoggers loggers_;
  ListenerBuilder builder_{main_, factories_, loggers_};
  config::Violations violations_;
};

#define EXPECT_SAYS(text, part) EXPECT_NE((text).find(part), std::string::npos) << (text)

TEST_F(ListenerBuilderTest, HasEnvoysDefaults) {
  test::v3::Listener listener = makeListener("l", 80);
  addChain(listener, "", "", "A");
  const auto parts = build(listener);
  ASSERT_NE(parts, nullptr) << violations_.toString();
  EXPECT_TRUE(parts->bind_to_port);
  EXPECT_EQ(parts->listener_filters_timeout.count(), 15000);
  EXPECT_FALSE(parts->continue_on_listener_filters_timeout);
  EXPECT_EQ(parts->per_connection_buffer_limit, 1024u * 1024u);
  EXPECT_EQ(parts->max_accepts_per_event, 1u);
  EXPECT_EQ(parts->addresses.at(0).options.address.toString(), "127.0.0.1:80");
  EXPECT_TRUE(parts->addresses.at(0).options.reuse_port);
  EXPECT_EQ(parts->chains.at(0).filters.size(), 1u);
}

TEST_F(ListenerBuilderTest, ReadsAllThatAChainMatchesBy) {
  test::v3::Listener listener = makeListener("l", 80);
  auto& match = *addChain(listener, "one", "10.0.0.1", "A").mutable_filter_chain_match();
  match.mutable_destination_port()->set_value(80);
  auto& destination = *match.add_prefix_ranges();
  destination.set_address_prefix("10.1.0.0");
  destination.mutable_prefix_len()->set_value(16);
  match.add_server_names("*.Example.com");
  match.set_transport_protocol("tls");
  match.add_application_protocols("h2");
  *match.add_direct_source_prefix_ranges() = destination;
  match.set_source_type(envoy::config::listener::v3::FilterChainMatch::EXTERNAL);
  match.add_source_ports(1000);
  const auto parts = build(listener);
  ASSERT_NE(parts, nullptr) << violations_.toString();
  EXPECT_EQ(parts->chains.at(0).rule.key(),
            "80 to=11:10.1.0.0/16 name=13:*.example.com transport=3:tls alpn=2:h2 direct=11:10.1.0.0/16 2 "
            "from=11:10.0.0.1/32 ports=4:1000");
}

TEST_F(ListenerBuilderTest, RefusesWildcardsInsideOfNames) {
  test::v3::Listener listener = makeListener("l", 80);
  auto& match = *addChain(listener, "one", "", "A").mutable_filter_chain_match();
  match.add_server_names("a.*.com");
  match.add_server_names("*");
  match.add_server_names("");
  const std::string all = mistakes(listener);
  EXPECT_SAYS(all, "filter_chains[0].filter_chain_match.server_names[0]: 'a.*.com'");
  EXPECT_SAYS(all, "server_names[1]");
  EXPECT_SAYS(all, "server_names[2]: an empty name");
}

TEST_F(ListenerBuilderTest, AMatcherTreeNeedsNames) {
  test::v3::Listener listener = makeListener("l", 80);
  addChain(listener, "", "", "A");
  addChain(listener, "one", "", "B");
  addChain(listener, "one", "", "C");
  listener.mutable_filter_chain_matcher()->mutable_matcher_list();
  const std::string all = mistakes(listener);
  EXPECT_SAYS(all, "filter_chains[0].name: is required with filter_chain_matcher");
  EXPECT_SAYS(all, "filter_chains[2].name: there is another filter chain 'one'");
  EXPECT_EQ(all.find("both match"), std::string::npos) << all;
}

TEST_F(ListenerBuilderTest, OriginalDestinationsComeFromAFilter) {
  test::v3::Listener listener = makeListener("l", 80);
  addChain(listener, "", "", "A");
  listener.mutable_use_original_dst()->set_value(true);
  EXPECT_SAYS(mistakes(listener), "use_original_dst: there is no listener filter of the type");
}

TEST_F(ListenerBuilderTest, FindsAllMistakesOfOneListener) {
  test::v3::Listener listener;
  listener.set_name("l");
  listener.mutable_address()->mutable_socket_address()->set_address("not-an-ip");
  listener.mutable_address()->mutable_socket_address()->set_port_value(80);
  auto& one = addChain(listener, "one", "127.0.0.1", "A");
  one.add_filters()->mutable_typed_config()->set_type_url("type.googleapis.com/no.such.v3.Filter");
  addChain(listener, "two", "127.0.0.1", "B");
  addSay(*listener.add_filter_chains(), "C", "", "broken", "it is broken");
  listener.add_listener_filters()->mutable_typed_config()->set_type_url("type.googleapis.com/other.Filter");
  const std::string all = mistakes(listener);
  EXPECT_SAYS(all, "address.socket_address.address: ");
  EXPECT_SAYS(all,
              "filter_chains[0].filters[0]: a filter of the type 'google.protobuf.Struct' is the end of its chain");
  EXPECT_SAYS(all,
              "filter_chains[0].filters[1].typed_config: there is no network filter of the type 'no.such.v3.Filter'");
  EXPECT_SAYS(all, "type.googleapis.com/no.such.v3.Filter");
  EXPECT_SAYS(all,
              "filter_chains[1].filter_chain_match: the filter chains 'one' and 'two' both match source 127.0.0.1/32");
  EXPECT_SAYS(all, "filter_chains[2].filters[0].typed_config.broken: it is broken");
  EXPECT_SAYS(all, "listener_filters[0].typed_config: there is no listener filter of the type 'other.Filter'");
}

TEST_F(ListenerBuilderTest, WantsAnAddressAndAFilterChain) {
  test::v3::Listener listener;
  listener.set_name("l");
  const std::string all = mistakes(listener);
  EXPECT_SAYS(all, "address: a listener needs an address");
  EXPECT_SAYS(all, "filter_chains: a listener needs a filter chain");
}

TEST_F(ListenerBuilderTest, WantsATerminalFilterAtTheEnd) {
  test::v3::Listener listener = makeListener("l");
  addSay(*listener.add_filter_chains(), "A", "", "terminal", "no");
  EXPECT_SAYS(mistakes(listener),
              "filter_chains[0].filters[0]: a filter of the type 'google.protobuf.Struct' cannot be the last");
  // A chain without filters is taken; its connections are closed.
  listener.clear_filter_chains();
  listener.add_filter_chains();
  EXPECT_NE(build(listener), nullptr);
}

TEST_F(ListenerBuilderTest, TakesTheTypeFromTheTypeUrlAlone) {
  test::v3::Listener listener = makeListener("l");
  listener.add_filter_chains()->add_filters()->set_name("google.protobuf.Struct");
  EXPECT_SAYS(mistakes(listener), "filter_chains[0].filters[0].typed_config: no type URL");
}

TEST_F(ListenerBuilderTest, TheStructuralKeyIsWhatConnectionsAreMadeOf) {
  auto key = [&](const std::string& say, const std::string& live, const std::string& name, const std::string& source) {
    test::v3::Listener listener = makeListener("l");
    addChain(listener, name, source, say, live);
    return build(listener)->chains[0].structural_key.hex();
  };
  EXPECT_EQ(key("A", "one", "x", "1.1.1.1"), key("A", "two", "y", ""));
  EXPECT_NE(key("A", "", "", ""), key("B", "", "", ""));
}

TEST_F(ListenerBuilderTest, RefusesOneAddressTwice) {
  test::v3::Listener listener = makeListener("l", 80);
  addChain(listener, "", "", "A");
  *listener.add_additional_addresses()->mutable_address() = listener.address();
  EXPECT_SAYS(mistakes(listener), "additional_addresses[0].address: the address '127.0.0.1:80' is also in address");
}

TEST_F(ListenerBuilderTest, AUnixSocketIsOneForAllWorkers) {
  test::v3::Listener listener;
  listener.set_name("l");
  listener.mutable_address()->mutable_pipe()->set_path("/tmp/x.sock");
  listener.mutable_address()->mutable_pipe()->set_mode(0600);
  addChain(listener, "", "", "A");
  const auto parts = build(listener);
  ASSERT_NE(parts, nullptr) << violations_.toString();
  EXPECT_FALSE(parts->addresses[0].options.reuse_port);
  EXPECT_EQ(parts->addresses[0].options.pipe_mode, 0600u);
}

}  // namespace
}  // namespace sluice::listener
