// Connections that iptables redirects, in a network of the test's own.

#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>

#include "gtest/gtest.h"

#include "test/integration/harness/mesh.h"

namespace sluice::integration {
namespace {

bool raiseLoopback() {
  const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  ifreq request{};
  std::strcpy(request.ifr_name, "lo");
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  const bool raised = fd >= 0 && ::ioctl(fd, SIOCSIFFLAGS, &request) == 0;
  ::close(fd);
  return raised;
}

/** Connections from 127.0.0.9 to 127.0.0.1:`port` come to `to` instead. */
bool redirect(int port, int to) {
  const std::string command = "iptables -w 5 -t nat -A OUTPUT -p tcp -s 127.0.0.9 -d 127.0.0.1 --dport " +
                              std::to_string(port) + " -j REDIRECT --to-ports " + std::to_string(to) + " 2>&1";
  return std::system(command.c_str()) == 0;
}

class RedirectTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    // For this process and those that it starts.
    if (::unshare(CLONE_NEWNET) != 0) {
      why_not_ = std::string("a network namespace needs CAP_SYS_ADMIN: ") + std::strerror(errno);
    } else if (!raiseLoopback()) {
      why_not_ = "the loopback device cannot be raised";
    } else if (!redirect(1, 2)) {
      why_not_ = "iptables is not installed, or this kernel has no nat table (apt-get install iptables)";
    }
  }
  void SetUp() override {
    if (!why_not_.empty()) {
      GTEST_SKIP() << why_not_;
    }
  }

  static std::string why_not_;
};

std::string RedirectTest::why_not_;

TEST_F(RedirectTest, ARedirectedConnectionFindsTheListenerThatItWasMeantFor) {
  const std::string original_dst =
      "listener_filters: [{name: o, typed_config: {'@type': "
      "type.googleapis.com/envoy.extensions.filters.listener.original_dst.v3.OriginalDst}}]";
  const auto unbound = [](int port, const std::string& name) {
    return listenerAt(socketAddress(port), name, {chain(name, {directResponse(name)})}, "bind_to_port: false");
  };
  Proxy proxy(staticResources(
      {}, {listener("handing", {chain("own", {directResponse("own")})}, "use_original_dst: true"),
           listener("keeping",
                    {chain("by port", {directResponse("by port")}, "filter_chain_match: {destination_port: 7001}"),
                     chain("else", {directResponse("else")})},
                    original_dst),
           unbound(7001, "meant")}));
  ASSERT_TRUE(proxy.waitReady());
  const uint16_t handing = proxy.listenerPort("handing").value_or(0);
  const uint16_t keeping = proxy.listenerPort("keeping").value_or(0);
  ASSERT_TRUE(redirect(7001, handing));
  ASSERT_TRUE(redirect(7002, handing));
  EXPECT_EQ(connectTo(7001, "127.0.0.9").readAll(), "meant");
  EXPECT_EQ(connectTo(7002, "127.0.0.9").readAll(), "own");
  EXPECT_EQ(connectTo(handing).readAll(), "own") << "one that was not redirected";
  ASSERT_EQ(std::system("iptables -w 5 -t nat -F OUTPUT"), 0);
  ASSERT_TRUE(redirect(7001, keeping));
  EXPECT_EQ(connectTo(7001, "127.0.0.9").readAll(), "by port") << "the destination is what the client meant";
  EXPECT_EQ(connectTo(keeping).readAll(), "else");
}

}  // namespace
}  // namespace sluice::integration
