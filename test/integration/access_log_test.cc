// Access log lines as a user reads them in the file.

#include <signal.h>

#include <algorithm>
#include <filesystem>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "test/integration/harness/mesh.h"

namespace sluice::integration {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;

class AccessLogTest : public ::testing::Test {
 protected:
  void start(const std::string& format, const std::string& filter_extra = "", const std::string& to = "blue") {
    proxy_ = std::make_unique<Proxy>(
        staticResources({cluster("blue", blue_.port()), cluster("dead", demo::freePort())},
                        {listener("front", {chain("main", {tcpProxy(to, log(format) + filter_extra)})})}),
        Proxy::Options{{"--file-flush-interval-msec", "20"}});
    ASSERT_TRUE(proxy_->waitReady());
    port_ = proxy_->listenerPort("front").value_or(0);
  }
  std::string log(const std::string& format) const {
    return "access_log: [" + fileAccessLog(folder_.path() + "/log", format) + "]";
  }
  /** Waits for so many lines. */
  std::string lines(size_t count) {
    std::string text;
    EXPECT_TRUE(eventually([&] {
      text = folder_.read("log");
      return static_cast<size_t>(std::count(text.begin(), text.end(), '\n')) >= count;
    })) << text;
    return text;
  }

  TempFolder folder_;
  EchoServer blue_{"blue"};
  std::unique_ptr<Proxy> proxy_;
  uint16_t port_ = 0;
};

TEST_F(AccessLogTest, TellsAConnectionsStory) {
  start(
      "%UPSTREAM_CLUSTER% %UPSTREAM_HOST% %BYTES_RECEIVED% %BYTES_SENT% %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% "
      "%DOWNSTREAM_LOCAL_ADDRESS% %RESPONSE_FLAGS% %DURATION% %FILTER_CHAIN_NAME%");
  {
    Client client = Client::connect(port_, "127.0.0.9");
    EXPECT_TRUE(client.echo("12345"));
  }
  // "blue\n" and the line come back.
  EXPECT_THAT(lines(1), MatchesRegex("blue 127.0.0.1:" + std::to_string(blue_.port()) +
                                     " 6 11 127.0.0.9 127.0.0.1:" + std::to_string(port_) + " - [0-9]+ main\n"));
}

TEST_F(AccessLogTest, HasOneLineForEachConnection) {
  start("%CONNECTION_ID%");
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(greetingOf(port_), "blue");
  }
  const std::string text = lines(20);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 20);
}

TEST_F(AccessLogTest, SaysWhyAConnectionFailed) {
  start("%RESPONSE_FLAGS% %UPSTREAM_TRANSPORT_FAILURE_REASON%", ", max_connect_attempts: 2", "dead");
  Socket client = connectTo(port_);
  EXPECT_EQ(client.readAll(), "");
  EXPECT_THAT(lines(1), HasSubstr("UF,URX"));
}

TEST_F(AccessLogTest, SaysThatThereWasNoCluster) {
  start("%RESPONSE_FLAGS%", "", "nobody");
  Socket client = connectTo(port_);
  EXPECT_EQ(client.readAll(), "");
  EXPECT_EQ(lines(1), "NC\n");
}

TEST_F(AccessLogTest, WritesWhenTheUpstreamStands) {
  start("%ACCESS_LOG_TYPE%", ", access_log_options: {flush_access_log_on_connected: true}");
  Client client = Client::connect(port_);
  EXPECT_EQ(lines(1), "TcpUpstreamConnected\n");
  client = Client();
  EXPECT_EQ(lines(2), "TcpUpstreamConnected\nTcpConnectionEnd\n");
}

TEST_F(AccessLogTest, WritesNowAndThen) {
  start("%ACCESS_LOG_TYPE%", ", access_log_options: {access_log_flush_interval: 0.05s}");
  Client client = Client::connect(port_);
  EXPECT_THAT(lines(3), HasSubstr("TcpPeriodic\nTcpPeriodic\nTcpPeriodic\n"));
  EXPECT_TRUE(client.echo("alive"));
}

TEST_F(AccessLogTest, IsOpenedAnewOnSigusr1) {
  start("%BYTES_RECEIVED%");
  EXPECT_EQ(greetingOf(port_), "blue");
  lines(1);
  std::filesystem::rename(folder_.path() + "/log", folder_.path() + "/log.1");
  proxy_->signal(SIGUSR1);
  EXPECT_TRUE(eventually([this] { return std::filesystem::exists(folder_.path() + "/log"); }));
  EXPECT_EQ(greetingOf(port_), "blue");
  EXPECT_EQ(lines(1), "0\n");
  EXPECT_EQ(folder_.read("log.1"), "0\n");
}

TEST(LogFileTest, IsOpenedAnewOnSigusr1) {
  TempFolder folder;
  Proxy proxy(staticResources({}, {}), {{"--log-path", folder.path() + "/sluice.log"}});
  ASSERT_TRUE(proxy.waitReady());
  EXPECT_TRUE(eventually([&] { return folder.read("sluice.log").find("live: ") != std::string::npos; }));
  std::filesystem::rename(folder.path() + "/sluice.log", folder.path() + "/old.log");
  proxy.signal(SIGUSR1);
  EXPECT_TRUE(eventually([&] { return std::filesystem::exists(folder.path() + "/sluice.log"); }));
  proxy.post("/quitquitquit");
  EXPECT_EQ(proxy.wait(), 0);
  EXPECT_THAT(folder.read("sluice.log"), HasSubstr("shutting down"));
}

TEST(ListenerAccessLogTest, TellsOfConnectionsThatNoChainTook) {
  TempFolder folder;
  Proxy proxy(
      staticResources({}, {listener("front", {chain("other", {echo()}, fromSource("127.0.0.9"))},
                                    "access_log: [" +
                                        fileAccessLog(folder.path() + "/log",
                                                      "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %RESPONSE_FLAGS% "
                                                      "%RESPONSE_CODE_DETAILS%") +
                                        "]")}),
      {{"--file-flush-interval-msec", "20"}});
  ASSERT_TRUE(proxy.waitReady());
  Socket client = connectTo(proxy.listenerPort("front").value_or(0));
  EXPECT_EQ(client.readAll(), "");
  EXPECT_TRUE(eventually([&] { return folder.read("log") == "127.0.0.1 NR filter_chain_not_found\n"; }))
      << folder.read("log");
}

TEST(BadAccessLogTest, AFormatThatIsWrongIsRefused) {
  TempFolder folder;
  const RunResult result = runProgram(
      {"-c",
       folder.write(
           "b.yaml",
           staticResources(
               {},
               {listener("front", {chain("a", {tcpProxy("x", "access_log: [" + fileAccessLog("/dev/null", "%NO_SUCH%") +
                                                                 "]")})})})),
       "--mode", "validate"});
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.output, HasSubstr("typed_config.access_log[0].typed_config.log_format"));
  EXPECT_THAT(result.output, HasSubstr("NO_SUCH"));
}

}  // namespace
}  // namespace sluice::integration
