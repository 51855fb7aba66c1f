// File descriptors run out: accepting waits and goes on, and who is connected is not harmed.

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "test/integration/harness/mesh.h"

namespace sluice::integration {
namespace {

constexpr uint32_t kFiles = 200;

class DescriptorsTest : public ::testing::Test {
 protected:
  DescriptorsTest()
      : proxy_(staticResources({cluster("blue", blue_.port())}, {forward("front", "blue")}), {{}, 2, kFiles}) {}

  EchoServer blue_{"blue"};
  Proxy proxy_;
};

TEST_F(DescriptorsTest, AcceptingWaitsAndGoesOn) {
  ASSERT_TRUE(proxy_.waitReady());
  const uint16_t port = proxy_.listenerPort("front").value_or(0);
  // A connection of the admin server's own, made before they run out, would stay; ask it afterwards.
  Client early = Client::connect(port);
  EXPECT_EQ(early.greeting(), "blue");
  const size_t before = proxy_.openFiles();
  std::vector<Socket> many;
  for (uint32_t i = 0; i < kFiles; ++i) {
    many.push_back(connectTo(port));
    EXPECT_TRUE(many.back().isOpen());
  }
  // Nearly all are taken: one is in the queue until others go.
  EXPECT_TRUE(eventually([&] { return proxy_.openFiles() >= kFiles - 4; })) << proxy_.openFiles();
  EXPECT_TRUE(early.echo("served all the time"));
  many.clear();
  EXPECT_TRUE(eventually([&] { return greetingOf(port) == "blue"; }));
  EXPECT_TRUE(early.echo("and afterwards"));
  EXPECT_TRUE(eventually([&] { return proxy_.openFiles() <= before; })) << proxy_.openFiles();
  const auto stats = proxy_.stats();
  EXPECT_GE(stats.at("listener.127.0.0.1_0.downstream_cx_accept_out_of_descriptors") +
                stats.at("cluster.blue.upstream_cx_connect_fail"),
            1u);
  proxy_.waitForStat("listener.127.0.0.1_0.downstream_cx_active", 1);
  proxy_.waitForStat("cluster.blue.upstream_cx_active", 1);
}

class DescriptorsMeshTest : public MeshTest {};

TEST_F(DescriptorsMeshTest, AListenerThatCannotBeOpenedIsRefusedAndTheOthersServe) {
  EchoServer blue("blue");
  setClusters({cluster("blue", blue.port())});
  setListeners({forward("front", "blue")});
  start({{}, 2, kFiles});
  const uint16_t front = port("front");
  Client held = Client::connect(front);
  Yamls yamls{forward("front", "blue")};
  for (uint32_t i = 0; i < kFiles; ++i) {
    yamls.push_back(forward("l" + std::to_string(i), "blue"));
  }
  const std::string nack = refusedListeners(resources(yamls));
  EXPECT_THAT(nack, ::testing::HasSubstr("Too many open files"));
  EXPECT_TRUE(held.echo("undisturbed"));
  setListeners({forward("front", "blue")});
  EXPECT_TRUE(waitGreeting(front, "blue"));
}

}  // namespace
}  // namespace sluice::integration
