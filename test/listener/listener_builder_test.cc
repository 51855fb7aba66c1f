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
    return build(listener)->chains[0].structural_key;
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
