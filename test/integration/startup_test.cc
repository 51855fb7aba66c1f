// What a user sees when the program starts, or does not: flags, the bootstrap's mistakes, modes, readiness.

#include <unistd.h>

#include <fstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "test/integration/harness/mesh.h"

namespace sluice::integration {
namespace {

using ::testing::HasSubstr;

RunResult runWith(const TempFolder& folder, const std::string& bootstrap, std::vector<std::string> more = {}) {
  std::vector<std::string> arguments{"-c", folder.write("bootstrap.yaml", bootstrap), "--concurrency", "1"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return runProgram(arguments);
}

RunResult validate(const TempFolder& folder, const std::string& bootstrap) {
  return runWith(folder, bootstrap, {"--mode", "validate"});
}

/** A port that is taken, by a socket that lets nobody share it. */
struct TakenPort {
  uint16_t port = 0;
  Socket socket = demo::listenOnLoopback(port);
};

std::string listening(int port) { return listenerAt(socketAddress(port), "front", {chain("all", {echo()})}); }

TEST(StartupTest, VersionAndHelp) {
  const RunResult version = runProgram({"--version"});
  EXPECT_EQ(version.status, 0);
  EXPECT_THAT(version.output, HasSubstr("version: "));
  const RunResult help = runProgram({"--help"});
  EXPECT_EQ(help.status, 0);
  for (const char* flag : {"--config-path", "--mode", "--concurrency", "--drain-time-s", "--restart-epoch"}) {
    EXPECT_THAT(help.output, HasSubstr(flag));
  }
}

TEST(StartupTest, WrongFlagsAreAllNamed) {
  const RunResult result =
      runProgram({"--concurency", "2", "--mode", "fast", "--restart-epoch", "1", "-l", "loud", "--config-yaml", "{}"});
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.output, HasSubstr("'--concurency' (did you mean '--concurrency'?)"));
  EXPECT_THAT(result.output, HasSubstr("--mode: unknown mode 'fast'"));
  EXPECT_THAT(result.output, HasSubstr("--restart-epoch: "));
  EXPECT_THAT(result.output, HasSubstr("--log-level: unknown level 'loud'"));
}

TEST(StartupTest, NeedsABootstrap) {
  const RunResult none = runProgram({"--concurrency", "1"});
  EXPECT_EQ(none.status, 1);
  EXPECT_THAT(none.output, HasSubstr("--config-path"));
  const RunResult missing = runProgram({"-c", "/nowhere/at/all.yaml"});
  EXPECT_EQ(missing.status, 1);
  EXPECT_THAT(missing.output, HasSubstr("/nowhere/at/all.yaml"));
  EXPECT_THAT(missing.output, HasSubstr("No such file"));
}

TEST(StartupTest, FlagsOfAnIstioProxyAreTaken) {
  TempFolder folder;
  const RunResult result = runWith(folder, "{}",
                                   {"--mode",
                                    "validate",
                                    "--drain-time-s",
                                    "45",
                                    "--drain-strategy",
                                    "immediate",
                                    "--parent-shutdown-time-s",
                                    "60",
                                    "--local-address-ip-version",
                                    "v4",
                                    "--file-flush-interval-msec",
                                    "1000",
                                    "--disable-hot-restart",
                                    "--allow-unknown-static-fields",
                                    "--component-log-level",
                                    "misc:error",
                                    "--skip-deprecated-logs",
                                    "-l",
                                    "warning",
                                    "--base-id",
                                    "3",
                                    "--use-dynamic-base-id",
                                    "--restart-epoch",
                                    "0"});
  EXPECT_EQ(result.status, 0) << result.output;
}

TEST(StartupTest, WhatIstioAsksOfItsControlPlanesConnectionIsTakenAndTold) {
  TempFolder folder;
  const RunResult result = validate(folder, R"(
node: {id: x, cluster: y}
dynamic_resources:
  ads_config:
    api_type: GRPC
    transport_api_version: V3
    grpc_services: [{envoy_grpc: {cluster_name: xds-grpc}}]
static_resources:
  clusters:
  - name: xds-grpc
    type: STATIC
    connect_timeout: 1s
    upstream_connection_options: {tcp_keepalive: {keepalive_time: 300}}
    load_assignment:
      cluster_name: xds-grpc
      endpoints: [{lb_endpoints: [{endpoint: {address: {pipe: {path: ./etc/istio/proxy/XDS}}}}]}]
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {http2_protocol_options: {}}
)");
  EXPECT_EQ(result.status, 0) << result.output;
  const std::string told = "cluster 'xds-grpc': upstream_connection_options.tcp_keepalive is ignored";
  const size_t first = result.output.find(told);
  ASSERT_NE(first, std::string::npos) << result.output;
  EXPECT_EQ(result.output.find(told, first + 1), std::string::npos) << "once";
}

TEST(StartupTest, BrokenYamlIsToldWithItsLine) {
  TempFolder folder;
  const RunResult result = validate(folder, "node:\n  id: x\n static_resources: [\n");
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.output, HasSubstr("line 3"));
  EXPECT_THAT(result.output, HasSubstr(folder.path() + "/bootstrap.yaml"));
}

TEST(StartupTest, EveryMistakeIsToldAtOnceWithPathAndLine) {
  TempFolder folder;
  const RunResult result = validate(folder, R"(node: {id: x, cluster: y}
static_resources:
  clusters:
  - name: blue
    type: STATIC
    connect_timeout: soon
    load_assignment:
      cluster_name: blue
      endpoints:
      - lb_endpoints:
        - endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 70000}}}
  listeners:
  - name: front
    adress: 1
    address: {socket_address: {address: not.an.ip, port_value: 1}}
    filter_chains:
    - filters:
      - name: tcp
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
          cluster: blue
)");
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.output, HasSubstr("line 6: static_resources.clusters[0].connect_timeout"));
  EXPECT_THAT(result.output,
              HasSubstr("line 11: static_resources.clusters[0].load_assignment.endpoints[0].lb_endpoints[0].endpoint"));
  EXPECT_THAT(result.output, HasSubstr("line 14: static_resources.listeners[0].adress"));
  EXPECT_THAT(result.output, HasSubstr("(did you mean 'address'?)"));
  EXPECT_THAT(result.output, HasSubstr("line 15: static_resources.listeners[0].address"));
  EXPECT_THAT(result.output,
              HasSubstr("static_resources.listeners[0].filter_chains[0].filters[0].typed_config.stat_prefix"));
}

TEST(StartupTest, WrongTypesAndUnknownFieldsAreRefused) {
  TempFolder folder;
  const RunResult types = validate(folder, "static_resources: {clusters: {name: x}, listeners: 7}");
  EXPECT_EQ(types.status, 1);
  EXPECT_THAT(types.output, HasSubstr("static_resources.clusters"));
  EXPECT_THAT(types.output, HasSubstr("static_resources.listeners"));
  const RunResult unknown = validate(folder, "staticresources: {}");
  EXPECT_EQ(unknown.status, 1);
  EXPECT_THAT(unknown.output, HasSubstr("staticresources"));
  const RunResult allowed =
      runWith(folder, "no_such_field: 1", {"--mode", "validate", "--allow-unknown-static-fields"});
  EXPECT_EQ(allowed.status, 0) << allowed.output;
}

TEST(StartupTest, AControlPlaneThatIsNotThereIsAMistake) {
  TempFolder folder;
  const RunResult result = validate(folder, R"(node: {id: x, cluster: y}
dynamic_resources:
  ads_config: {api_type: GRPC, transport_api_version: V3, grpc_services: [{envoy_grpc: {cluster_name: nobody}}]}
)");
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.output, HasSubstr("dynamic_resources.ads_config.grpc_services[0].envoy_grpc.cluster_name"));
  EXPECT_THAT(result.output, HasSubstr("nobody"));
}

TEST(StartupTest, ANodeIsNeeded) {
  TempFolder folder;
  const RunResult result = validate(folder, controlPlaneBootstrap(1));
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.output, HasSubstr("--service-node"));
}

TEST(StartupTest, UnknownFilterTypeIsRefusedWithItsPath) {
  TempFolder folder;
  const RunResult result = validate(folder, R"(static_resources:
  listeners:
  - name: front
    address: {socket_address: {address: 127.0.0.1, port_value: 0}}
    filter_chains:
    - filters:
      - name: x
        typed_config: {"@type": type.googleapis.com/no.such.v3.Filter}
)");
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.output, HasSubstr("static_resources.listeners[0].filter_chains[0].filters[0].typed_config"));
  EXPECT_THAT(result.output, HasSubstr("no.such.v3.Filter"));
}

TEST(StartupTest, ValidateDoesAllButOpenSockets) {
  TempFolder folder;
  const TakenPort taken;
  const RunResult result = validate(folder, staticResources({cluster("blue", 1)}, {listening(taken.port)}));
  EXPECT_EQ(result.status, 0) << result.output;
  EXPECT_THAT(result.output, HasSubstr("OK"));
}

TEST(StartupTest, InitOnlyInitialisesAndEnds) {
  TempFolder folder;
  const RunResult result =
      runWith(folder, staticResources({cluster("blue", 1)}, {listening(0)}), {"--mode", "init_only"});
  EXPECT_EQ(result.status, 0) << result.output;
}

TEST(StartupTest, APortInUseEndsTheStart) {
  TempFolder folder;
  const TakenPort taken;
  const RunResult result = runWith(folder, staticResources({}, {listening(taken.port)}));
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.output, HasSubstr("static_resources.listeners[0].address"));
  EXPECT_THAT(result.output, HasSubstr("127.0.0.1:" + std::to_string(taken.port)));
  EXPECT_THAT(result.output, HasSubstr("in use"));
  const RunResult admin = runWith(folder, "admin: {address: " + socketAddress(taken.port) + "}");
  EXPECT_EQ(admin.status, 1);
  EXPECT_THAT(admin.output, HasSubstr("admin.address"));
  EXPECT_THAT(admin.output, HasSubstr("in use"));
}

TEST(StartupTest, APrivilegedPortSaysWhy) {
  constexpr char kDropper[] = "/usr/bin/setpriv";
  int first_free = 0;
  std::ifstream("/proc/sys/net/ipv4/ip_unprivileged_port_start") >> first_free;
  const bool root = geteuid() == 0;
  if (first_free <= 1 || (root && access(kDropper, X_OK) != 0)) {
    GTEST_SKIP() << "here everybody may take any port";
  }
  const Yamls through = root ? Yamls{kDropper, "--bounding-set=-net_bind_service"} : Yamls{};
  TempFolder folder;
  const RunResult result = runProgram(
      {"-c", folder.write("bootstrap.yaml", staticResources({}, {listening(1)})), "--concurrency", "1"}, through);
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.output, HasSubstr("static_resources.listeners[0].address"));
  EXPECT_THAT(result.output, HasSubstr("127.0.0.1:1"));
  EXPECT_THAT(result.output, HasSubstr("ermission denied"));
}

TEST(StartupTest, TwoStaticListenersOnOneAddress) {
  TempFolder folder;
  const uint16_t port = demo::freePort();
  const RunResult result =
      runWith(folder, staticResources({}, {listenerAt(socketAddress(port), "one", {chain("all", {echo()})}),
                                           listenerAt(socketAddress(port), "two", {chain("all", {echo()})})}));
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.output, HasSubstr("static_resources.listeners[1].address"));
  EXPECT_THAT(result.output, HasSubstr("'one'"));
}

TEST(StartupTest, AStaticConfigurationServes) {
  EchoServer blue("blue");
  Proxy proxy(staticResources({cluster("blue", blue.port())}, {forward("front", "blue")}));
  ASSERT_TRUE(proxy.waitReady());
  EXPECT_EQ(proxy.get("/ready").body, "LIVE\n");
  EXPECT_EQ(greetingOf(proxy.listenerPort("front").value_or(0)), "blue");
}

TEST(StartupTest, JsonAndInlineYamlServe) {
  TempFolder folder;
  const std::string file = folder.write("bootstrap.json", R"({"node": {"id": "from-json", "cluster": "c"}})");
  const RunResult result =
      runProgram({"-c", file, "--config-yaml", staticResources({}, {listening(0)}), "--mode", "validate"});
  EXPECT_EQ(result.status, 0) << result.output;
}

class ReadyTest : public MeshTest {};

TEST_F(ReadyTest, LiveOnlyWhenTheControlPlaneHasAnswered) {
  controlPlane().hold();
  setClusters({});
  setListeners({});
  launch();
  ASSERT_TRUE(controlPlane().waitForStreams(1));
  const AdminAnswer before = proxy().get("/ready");
  EXPECT_EQ(before.status, 503);
  EXPECT_EQ(before.body, "PRE_INITIALIZING\n");
  controlPlane().release();
  ASSERT_TRUE(proxy().waitReady());
  EXPECT_EQ(proxy().get("/ready").body, "LIVE\n");
}

TEST_F(ReadyTest, InitializingWhileAListenerIsWaitedFor) {
  setClusters({});
  launch();
  EXPECT_TRUE(eventually([this] { return proxy().get("/ready").body == "INITIALIZING\n"; }));
  EXPECT_EQ(proxy().get("/ready").status, 503);
  setListeners({});
  EXPECT_TRUE(proxy().waitReady());
}

}  // namespace
}  // namespace sluice::integration
