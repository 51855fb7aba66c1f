// Where listeners listen and upstreams are: IPv6, Unix sockets, several addresses, every address.

#include <sys/stat.h>
#include <unistd.h>

#include <sstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "test/integration/harness/mesh.h"

namespace sluice::integration {
namespace {

using ::testing::HasSubstr;

std::string pipe(const std::string& path, const std::string& extra = "") {
  return "{pipe: {path: \"" + path + "\"" + extra + "}}";
}

class AddressesTest : public ::testing::Test {
 protected:
  void start(const Yamls& clusters, const Yamls& listeners) {
    proxy_ = std::make_unique<Proxy>(staticResources(clusters, listeners));
    ASSERT_TRUE(proxy_->waitReady());
  }
  uint16_t port(const std::string& name) { return proxy_->listenerPort(name).value_or(0); }
  /** All that /listeners tells of. */
  std::vector<uint16_t> ports() {
    std::vector<uint16_t> found;
    std::stringstream lines(proxy_->get("/listeners").body);
    std::string line;
    while (std::getline(lines, line)) {
      found.push_back(static_cast<uint16_t>(std::atoi(line.c_str() + line.rfind(':') + 1)));
    }
    return found;
  }
  std::string answered(Socket socket) { return socket.isOpen() ? socket.readAll() : "refused"; }

  TempFolder folder_;
  std::unique_ptr<Proxy> proxy_;
};

TEST_F(AddressesTest, Ipv6) {
  start({},
        {listenerAt(socketAddress(0, "::1"), "six", {chain("all", {directResponse("six")}, fromSource("::1", 128))})});
  EXPECT_EQ(answered(connectIpv6(port("six"))), "six");
  EXPECT_EQ(answered(connectTo(port("six"))), "refused");
}

TEST_F(AddressesTest, EveryAddressOfIpv6TakesIpv4WhenItIsAsked) {
  start({}, {listenerAt("{socket_address: {address: \"::\", port_value: 0, ipv4_compat: true}}", "both",
                        {chain("four", {directResponse("four")}, fromSource("127.0.0.1")),
                         chain("six", {directResponse("six")}, fromSource("::1", 128))})});
  EXPECT_EQ(answered(connectIpv6(port("both"))), "six");
  EXPECT_EQ(answered(connectTo(port("both"))), "four");
}

TEST_F(AddressesTest, EveryAddressOfIpv6AloneTakesNoIpv4) {
  start({}, {listenerAt(socketAddress(0, "::"), "six", {chain("all", {directResponse("six")})})});
  EXPECT_EQ(answered(connectIpv6(port("six"))), "six");
  EXPECT_EQ(answered(connectTo(port("six"))), "refused");
}

TEST_F(AddressesTest, EveryAddressOfIpv4) {
  start({}, {listenerAt(socketAddress(0, "0.0.0.0"), "any", {chain("all", {directResponse("any")})})});
  EXPECT_EQ(answered(connectTo(port("any"), "127.0.0.8")), "any");
}

TEST_F(AddressesTest, SeveralOfOneListener) {
  start({}, {listener("many", {chain("all", {directResponse("many")})},
                      "additional_addresses: [{address: " + socketAddress(0) +
                          "}, {address: " + pipe(folder_.path() + "/extra") + "}]")});
  const std::vector<uint16_t> found = ports();
  ASSERT_EQ(found.size(), 3u);
  EXPECT_NE(found[0], found[1]);
  EXPECT_EQ(answered(connectTo(found[0])), "many");
  EXPECT_EQ(answered(connectTo(found[1])), "many");
  EXPECT_EQ(answered(connectUnix(folder_.path() + "/extra")), "many");
}

TEST_F(AddressesTest, UnixSocketsServeOnEveryWorker) {
  EchoServer blue("blue");
  const std::string path = folder_.path() + "/front";
  start({cluster("blue", blue.port())},
        {listenerAt(pipe(path, ", mode: 384"), "front", {chain("all", {tcpProxy("blue")})}, "stat_prefix: unix")});
  for (int i = 0; i < 10; ++i) {
    Socket socket = connectUnix(path);
    std::string greeting;
    EXPECT_TRUE(socket.readLine(greeting));
    EXPECT_EQ(greeting, "blue");
  }
  proxy_->waitForStat("listener.unix.downstream_cx_total", 10);
  EXPECT_EQ(proxy_->stat("listener.unix.worker_0.downstream_cx_total"), 5);
  EXPECT_EQ(proxy_->stat("listener.unix.worker_1.downstream_cx_total"), 5);
  struct stat found {};
  ASSERT_EQ(stat(path.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0600u);
  EXPECT_THAT(proxy_->get("/listeners").body, HasSubstr("front::" + path));
}

TEST_F(AddressesTest, AbstractUnixSockets) {
  const std::string name = "@sluice-it-" + std::to_string(getpid());
  start({}, {listenerAt(pipe(name), "abstract", {chain("all", {directResponse("abstract")})})});
  EXPECT_EQ(answered(connectUnix(name)), "abstract");
}

TEST_F(AddressesTest, UnixUpstreams) {
  const std::string path = folder_.path() + "/up";
  // One proxy is the upstream of the other.
  Proxy back(staticResources({}, {listenerAt(pipe(path), "back", {chain("all", {directResponse("over a pipe")})})}));
  ASSERT_TRUE(back.waitReady());
  start({clusterOf("pipe", {"{endpoint: {address: " + pipe(path) + "}}"})}, {forward("front", "pipe")});
  EXPECT_EQ(answered(connectTo(port("front"))), "over a pipe");
}

TEST_F(AddressesTest, Ipv6Upstreams) {
  Proxy back(
      staticResources({}, {listenerAt(socketAddress(0, "::1"), "back", {chain("all", {directResponse("six")})})}));
  ASSERT_TRUE(back.waitReady());
  start({clusterOf("six",
                   {"{endpoint: {address: " + socketAddress(back.listenerPort("back").value_or(0), "::1") + "}}"})},
        {forward("front", "six")});
  EXPECT_EQ(answered(connectTo(port("front"))), "six");
}

TEST_F(AddressesTest, AListenerThatBindsNothingIsThereAndSilent) {
  start({}, {listener("dark", {chain("all", {echo()})}, "bind_to_port: false"),
             listener("lit", {chain("all", {directResponse("lit")})})});
  EXPECT_EQ(answered(connectTo(port("lit"))), "lit");
  EXPECT_EQ(proxy_->stat("listener_manager.total_listeners_active"), 2);
}

TEST_F(AddressesTest, WithoutReusePort) {
  start({}, {listener("one", {chain("all", {directResponse("one")})}, "enable_reuse_port: false")});
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(answered(connectTo(port("one"))), "one");
  }
}

class UnixUpdateTest : public MeshTest {};

TEST_F(UnixUpdateTest, KeepTheirSocketThroughUpdatesAndMoves) {
  TempFolder folder;
  EchoServer blue("blue");
  EchoServer green("green");
  const auto front = [&](const std::string& to, const std::string& file) {
    return listenerAt(pipe(folder.path() + "/" + file), "front", {chain("all", {tcpProxy(to)})});
  };
  const auto greeting = [&](const std::string& file) {
    std::string line;
    Socket socket = connectUnix(folder.path() + "/" + file);
    return socket.isOpen() && socket.readLine(line) ? line : "";
  };
  setClusters({cluster("blue", blue.port()), cluster("green", green.port())});
  setListeners({front("blue", "a")});
  start();
  EXPECT_EQ(greeting("a"), "blue");
  updateListeners({front("green", "a")});
  EXPECT_TRUE(eventually([&] { return greeting("a") == "green"; }));
  updateListeners({front("green", "b")});
  EXPECT_TRUE(eventually([&] { return greeting("b") == "green"; }));
  EXPECT_TRUE(eventually([&] { return greeting("a").empty(); }));
  stopProxy();
}

}  // namespace
}  // namespace sluice::integration
