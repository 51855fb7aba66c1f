// What a control plane may send that must be refused: each NACK names the resource, the field and the reason, the good
// resources of the same response apply, and what served before serves on.

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "test/integration/harness/mesh.h"

namespace sluice::integration {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kListener[] = "type.googleapis.com/envoy.config.listener.v3.Listener";

class RefusedListenersTest : public MeshTest {
 protected:
  RefusedListenersTest() {
    setClusters({cluster("blue", blue_.port()), cluster("green", green_.port())});
    setListeners({forward("front", "blue")});
  }
  void SetUp() override {
    start();
    held_ = Client::connect(port("front"));
    ASSERT_EQ(held_.greeting(), "blue");
  }
  void TearDown() override {
    // Nobody else's traffic suffered, and the stream can go on.
    EXPECT_TRUE(held_.echo("undisturbed"));
    EXPECT_EQ(greetingOf(port("front")), "blue");
    updateListeners({forward("front", "green")});
    EXPECT_TRUE(waitGreeting(port("front"), "green"));
  }

  EchoServer blue_{"blue"};
  EchoServer green_{"green"};
  Client held_;
};

TEST_F(RefusedListenersTest, AnUpdateThatBreaksOne) {
  const std::string nack =
      refusedListeners(resources({listener("front", {chain("all", {tcpProxy("green", "idle_timeout: -1s")})})}));
  EXPECT_THAT(nack, AllOf(HasSubstr("\"front\""), HasSubstr("filter_chains[0].filters[0].typed_config.idle_timeout")));
  proxy().waitForStat("listener_manager.lds.update_rejected", 1);
  const std::string dump = proxy().get("/config_dump").body;
  EXPECT_THAT(dump, HasSubstr("error_state"));
}

TEST_F(RefusedListenersTest, TheGoodOnesOfTheSameResponseApply) {
  auto any = resources({forward("front", "blue"), forward("good", "green"),
                        listener("bad", {chain("all", {tcpProxy("green", "max_connect_attempts: 0")})})});
  const std::string nack = refusedListeners(std::move(any));
  EXPECT_THAT(nack, AllOf(HasSubstr("\"bad\""), HasSubstr("max_connect_attempts"), Not(HasSubstr("\"good\""))));
  EXPECT_TRUE(proxy().waitForStat("listener_manager.listener_create_success", 4)) << "two listeners on two workers";
  EXPECT_EQ(greetingOf(port("good")), "green");
  EXPECT_EQ(proxy().listenerPort("bad"), std::nullopt);
}

TEST_F(RefusedListenersTest, EveryMistakeOfEveryResourceIsNamed) {
  const std::string nack =
      refusedListeners(resources({forward("front", "blue"),
                                  listener("one", {chain("a", {tcpProxy("x", "idle_timeout: -1s")})},
                                           "tcp_backlog_size: 1, transparent: true, udp_listener_config: {}"),
                                  listener("two", {})}));
  EXPECT_THAT(nack, AllOf(HasSubstr("\"one\": filter_chains[0].filters[0].typed_config.idle_timeout"),
                          HasSubstr("\"one\": udp_listener_config"), HasSubstr("\"two\": filter_chains")));
}

TEST_F(RefusedListenersTest, UnknownFilterType) {
  auto any = resources({forward("front", "blue")});
  any.push_back(listenerOfUnknownFilter("odd"));
  EXPECT_THAT(refusedListeners(std::move(any)),
              AllOf(HasSubstr("\"odd\": filter_chains[0].filters[0].typed_config"), HasSubstr("no.such.v3.Filter")));
}

TEST_F(RefusedListenersTest, FieldsThatAreNotSupported) {
  EXPECT_THAT(
      refusedListeners(resources({forward("front", "blue"),
                                  listener("w", {chain("all", {tcpProxy("x", "tunneling_config: {hostname: h}")})})})),
      AllOf(HasSubstr("\"w\""), HasSubstr("filter_chains[0].filters[0].typed_config.tunneling_config")));
}

TEST_F(RefusedListenersTest, TwoOfOneName) {
  const std::string nack =
      refusedListeners(resources({forward("front", "blue"), forward("twin", "blue"), forward("twin", "green")}));
  EXPECT_THAT(nack, AllOf(HasSubstr("\"twin\""), HasSubstr("2 resources of this name")));
  EXPECT_EQ(proxy().listenerPort("twin"), std::nullopt);
}

TEST_F(RefusedListenersTest, TwoOnOneAddress) {
  const std::string address = socketAddress(demo::freePort());
  const std::string nack = refusedListeners(
      resources({forward("front", "blue"), listenerAt(address, "first", {chain("a", {tcpProxy("blue")})}),
                 listenerAt(address, "second", {chain("a", {tcpProxy("green")})})}));
  EXPECT_THAT(nack, AllOf(HasSubstr("\"second\": address"), HasSubstr("duplicate address"), HasSubstr("'first'")));
  EXPECT_EQ(greetingOf(port("first")), "blue");
  EXPECT_EQ(proxy().listenerPort("second"), std::nullopt);
}

TEST_F(RefusedListenersTest, APortThatSomebodyElseHas) {
  uint16_t taken = 0;
  Socket other = demo::listenOnLoopback(taken);
  const std::string nack = refusedListeners(resources(
      {forward("front", "blue"), listenerAt(socketAddress(taken), "late", {chain("a", {tcpProxy("blue")})})}));
  EXPECT_THAT(nack, AllOf(HasSubstr("\"late\": address"), HasSubstr(std::to_string(taken)), HasSubstr("in use")));
}

TEST_F(RefusedListenersTest, AnAddressThatIsNotHere) {
  const std::string nack = refusedListeners(resources(
      {forward("front", "blue"), listenerAt(socketAddress(0, "192.0.2.1"), "far", {chain("a", {tcpProxy("blue")})})}));
  EXPECT_THAT(nack, AllOf(HasSubstr("\"far\": address"), HasSubstr("192.0.2.1")));
}

TEST_F(RefusedListenersTest, ASocketOptionThatCannotBeSet) {
  const std::string nack = refusedListeners(resources(
      {forward("front", "blue"),
       forward("odd", "blue", "socket_options: [{level: 12345, name: 1, int_value: 1, state: STATE_PREBIND}]")}));
  EXPECT_THAT(nack, AllOf(HasSubstr("\"odd\""), HasSubstr("12345")));
}

TEST_F(RefusedListenersTest, ASocketOptionThatFailsWhenItListens) {
  // The verdict is out by then: what happened shows in stats and on the admin pages.
  const uint64_t failed = proxy().stat("listener_manager.listener_create_failure").value_or(0);
  setListeners(
      {forward("front", "blue"),
       forward("odd", "blue", "socket_options: [{level: 12345, name: 1, int_value: 1, state: STATE_LISTENING}]")});
  proxy().waitForStatAtLeast("listener_manager.listener_create_failure", failed + 1);
  EXPECT_EQ(proxy().listenerPort("odd"), std::nullopt);
}

TEST_F(RefusedListenersTest, AFilterThatEndsItsChainInTheMiddle) {
  EXPECT_THAT(
      refusedListeners(resources({forward("front", "blue"), listener("x", {chain("a", {echo(), tcpProxy("blue")})})})),
      AllOf(HasSubstr("\"x\": filter_chains[0].filters[0]"), HasSubstr("no filter can come after it")));
}

TEST_F(RefusedListenersTest, ChainsThatMatchTheSame) {
  EXPECT_THAT(refusedListeners(resources({forward("front", "blue"),
                                          listener("x", {chain("a", {tcpProxy("blue")}, fromSource("127.0.0.1")),
                                                         chain("b", {tcpProxy("green")}, fromSource("127.0.0.1"))})})),
              AllOf(HasSubstr("\"x\": filter_chains[1].filter_chain_match"), HasSubstr("'a'"), HasSubstr("'b'")));
}

TEST_F(RefusedListenersTest, AnotherTypesResources) {
  auto any = resources({forward("front", "blue"), cluster("wrong", 1)});
  EXPECT_THAT(refusedListeners(std::move(any)), HasSubstr("envoy.config.cluster.v3.Cluster"));
}

TEST_F(RefusedListenersTest, BytesThatAreNoListener) {
  auto any = resources({forward("front", "blue")});
  google::protobuf::Any garbage;
  garbage.set_type_url(kListener);
  garbage.set_value("\xff\xff\xff\xff not a message");
  any.push_back(garbage);
  EXPECT_NE(refusedListeners(std::move(any)), "");
}

TEST_F(RefusedListenersTest, UndecodableOnesRemoveNothing) {
  google::protobuf::Any garbage;
  garbage.set_type_url(kListener);
  garbage.set_value("\xff\xff\xff\xff");
  EXPECT_NE(refusedListeners({garbage}), "");
  EXPECT_EQ(proxy().stat("listener_manager.listener_removed"), 0);
}

TEST_F(RefusedListenersTest, ARefusedListenerIsTakenOnceItIsMended) {
  refusedListeners(resources({forward("front", "blue"), listener("new", {})}));
  updateListeners({forward("front", "blue"), forward("new", "green")});
  EXPECT_EQ(greetingOf(port("new")), "green");
}

}  // namespace
}  // namespace sluice::integration
