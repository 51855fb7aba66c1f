// Which filter chain a connection gets.

#include "gtest/gtest.h"

#include "test/integration/harness/mesh.h"

namespace sluice::integration {
namespace {

class FilterChainsTest : public ::testing::Test {
 protected:
  void start(const Yamls& chains, const std::string& extra = "") {
    proxy_ = std::make_unique<Proxy>(staticResources({}, {listener("front", chains, extra)}));
    ASSERT_TRUE(proxy_->waitReady());
    port_ = proxy_->listenerPort("front").value_or(0);
  }
  std::string answer(const std::string& from) { return connectTo(port_, from).readAll(); }

  std::unique_ptr<Proxy> proxy_;
  uint16_t port_ = 0;
};

TEST_F(FilterChainsTest, AreFoundByTheLongestPrefixOfTheSource) {
  start({chain("all", {directResponse("all")}), chain("wide", {directResponse("wide")}, fromSource("127.0.0.0", 24)),
         chain("one", {directResponse("one")}, fromSource("127.0.0.3")),
         chain("odd", {directResponse("odd")}, fromSource("127.0.0.128", 25))});
  EXPECT_EQ(answer("127.0.0.3"), "one");
  EXPECT_EQ(answer("127.0.0.4"), "wide");
  EXPECT_EQ(answer("127.0.0.200"), "odd");
  EXPECT_EQ(answer("127.0.1.1"), "all");
}

TEST_F(FilterChainsTest, AreFoundByDestinationPortFirst) {
  const uint16_t own = demo::freePort();
  proxy_ = std::make_unique<Proxy>(staticResources(
      {}, {listenerAt(socketAddress(own), "front",
                      {chain("port", {directResponse("port")},
                             "filter_chain_match: {destination_port: " + std::to_string(own) + "}"),
                       chain("other", {directResponse("other")}, "filter_chain_match: {destination_port: 1}"),
                       chain("source", {directResponse("source")}, fromSource("127.0.0.1"))})}));
  ASSERT_TRUE(proxy_->waitReady());
  port_ = own;
  EXPECT_EQ(answer("127.0.0.1"), "port");
}

TEST_F(FilterChainsTest, FallBackToTheDefault) {
  start({chain("one", {directResponse("one")}, fromSource("127.0.0.3"))},
        "default_filter_chain: " + chain("default", {directResponse("default")}));
  EXPECT_EQ(answer("127.0.0.3"), "one");
  EXPECT_EQ(answer("127.0.0.4"), "default");
}

TEST_F(FilterChainsTest, WithoutAMatchCloseAndCount) {
  start({chain("one", {directResponse("one")}, fromSource("127.0.0.3"))});
  EXPECT_EQ(answer("127.0.0.4"), "");
  proxy_->waitForStat("listener.127.0.0.1_0.no_filter_chain_match", 1);
  EXPECT_EQ(answer("127.0.0.3"), "one");
}

TEST_F(FilterChainsTest, WithoutAFilterCloseAndCount) {
  start({chain("empty", {})});
  EXPECT_EQ(answer("127.0.0.1"), "");
  proxy_->waitForStat("listener.127.0.0.1_0.downstream_cx_total", 1);
  const auto stats = proxy_->stats("?filter=config_missing");
  uint64_t counted = 0;
  for (const auto& [name, value] : stats) {
    counted += value;
  }
  EXPECT_EQ(counted, 1u);
  proxy_->waitForStat("listener.127.0.0.1_0.downstream_cx_active", 0);
}

TEST_F(FilterChainsTest, MayBeTheDefaultAlone) {
  start({}, "default_filter_chain: " + chain("default", {directResponse("default")}));
  EXPECT_EQ(answer("127.0.0.1"), "default");
}

}  // namespace
}  // namespace sluice::integration
