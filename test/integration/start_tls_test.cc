// Connections that begin in the clear and go over to TLS when a network filter asks for it.

#include <atomic>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "test/integration/harness/proxy.h"
#include "test/integration/harness/tls.h"

namespace sluice::integration {
namespace {

using test::TestAuthority;
using test::TestCertificate;
using ::testing::HasSubstr;

/** The filter of start_tls_program. */
const std::string kSwitch =
    R"({name: switch, typed_config: {"@type": type.googleapis.com/google.protobuf.StringValue, value: ""}})";

/** The extra field of a chain or cluster whose connections begin in the clear. */
std::string startTls(const std::string& type, const std::string& tls) {
  return R"(transport_socket: {name: s, typed_config: {"@type": type.googleapis.com/envoy.extensions.transport_sockets.starttls.v3.)" +
         type + ", tls_socket_config: {common_tls_context: {" + tls + "}}}}";
}

class StartTlsTest : public ::testing::Test {
 protected:
  void start(uint16_t backend, const std::string& chain_extra, const std::string& cluster_extra = "") {
    Proxy::Options options;
    options.program = "test/integration/start_tls_program";
    options.arguments = {"--file-flush-interval-msec", "20"};
    const std::string log = "access_log: [" +
                            fileAccessLog(folder_.path() + "/log", "%DOWNSTREAM_TLS_VERSION% %UPSTREAM_TLS_VERSION%") +
                            "]";
    proxy_ = std::make_unique<Proxy>(
        staticResources(
            {cluster("blue", backend, cluster_extra)},
            {listener("front", {chain("only", {kSwitch, tcpProxy("blue", log)}, chain_extra)}, "stat_prefix: front")}),
        options);
    ASSERT_TRUE(proxy_->waitReady());
    port_ = proxy_->listenerPort("front").value_or(0);
  }
  std::string downstream(const std::string& more = "") {
    return startTls("StartTlsConfig", withCertificates({tlsCertificate(certificate_)})) + more;
  }
  bool logged(const std::string& line) {
    return eventually([&] { return folder_.read("log").find(line) != std::string::npos; });
  }
  TlsSide client() {
    TlsSide side;
    side.trust(authority_).server_name = "localhost";
    return side;
  }

  TempFolder folder_;
  TestAuthority authority_;
  TestCertificate certificate_ = authority_.issueFor({"localhost"});
  std::unique_ptr<Proxy> proxy_;
  uint16_t port_ = 0;
};

TEST_F(StartTlsTest, GoesOverWhenTheFilterSaysSo) {
  EchoServer blue("blue");
  // The limit of a handshake's time is none of what is spoken in the clear.
  start(blue.port(), downstream(", transport_socket_connect_timeout: 0.2s"));
  Client clear = Client::connect(port_);
  EXPECT_EQ(clear.greeting(), "blue");
  EXPECT_FALSE(clear.closesWithin(std::chrono::milliseconds(500)));
  EXPECT_TRUE(clear.echo("in the clear"));

  ASSERT_TRUE(sendAll(clear.socket(), "STARTTLS 0\n"));
  ASSERT_EQ(receive(clear.socket(), 3), "go\n");
  TlsConnection ciphered = TlsConnection::connect(std::move(clear.socket()), client());
  ASSERT_TRUE(ciphered.isOpen()) << ciphered.error();
  EXPECT_EQ(ciphered.peerSerial(), certificate_.serial());
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(ciphered.echo(std::string(100000, static_cast<char>('a' + i))));
  }
  // Asking once more changes nothing.
  EXPECT_TRUE(ciphered.sendLine("STARTTLS 0"));
  EXPECT_EQ(ciphered.receive(3), "go\n");
  EXPECT_TRUE(ciphered.echo("still"));
  ciphered.endSending();
  EXPECT_EQ(ciphered.readAll(), "");
  EXPECT_TRUE(ciphered.endedCleanly());
  EXPECT_TRUE(proxy_->waitForStat("listener.front.ssl.handshake", 1));
  EXPECT_EQ(proxy_->stat("listener.front.downstream_cx_transport_socket_connect_timeout"), 0);
  EXPECT_TRUE(logged("TLSv1.3 -\n"));
}

TEST_F(StartTlsTest, WhatWasWrittenBeforeGoesOutInTheClear) {
  EchoServer blue("blue");
  start(blue.port(), downstream());
  Client clear = Client::connect(port_);
  // More than the sockets hold, so that the switch waits for a client that reads.
  constexpr size_t kMany = 30'000'000;
  ASSERT_TRUE(sendAll(clear.socket(), "STARTTLS " + std::to_string(kMany) + "\n"));
  ASSERT_TRUE(proxy_->waitForStat("listener.front.downstream_cx_active", 1));
  const std::string got = receive(clear.socket(), kMany + 3);
  ASSERT_EQ(got.size(), kMany + 3);
  EXPECT_EQ(got.substr(kMany), "go\n");
  EXPECT_EQ(got.find_first_not_of('x'), kMany);
  TlsConnection ciphered = TlsConnection::connect(std::move(clear.socket()), client());
  ASSERT_TRUE(ciphered.isOpen()) << ciphered.error();
  EXPECT_TRUE(ciphered.echo("ciphered"));
}

TEST_F(StartTlsTest, AClientThatSpeaksNoTlsAfterTheSwitchIsClosed) {
  EchoServer blue("blue");
  start(blue.port(), downstream());
  Client clear = Client::connect(port_);
  ASSERT_TRUE(sendAll(clear.socket(), "STARTTLS 0\n"));
  ASSERT_EQ(receive(clear.socket(), 3), "go\n");
  ASSERT_TRUE(sendAll(clear.socket(), "what was that?\n"));
  EXPECT_TRUE(clear.closesWithin(kPatience));
  EXPECT_TRUE(proxy_->waitForStat("listener.front.ssl.connection_error", 1));
}

TEST_F(StartTlsTest, AChainWithoutItSaysNo) {
  EchoServer blue("blue");
  start(blue.port(), "");
  Client clear = Client::connect(port_);
  ASSERT_TRUE(sendAll(clear.socket(), "STARTTLS 0\n"));
  EXPECT_EQ(receive(clear.socket(), 15), "go\nno TLS here\n");
  EXPECT_TRUE(clear.echo("in the clear"));
  ASSERT_TRUE(sendAll(clear.socket(), "UPSTREAM\n"));
  EXPECT_EQ(receive(clear.socket(), 22), "UPSTREAM\nnot switched\n");
  EXPECT_TRUE(clear.echo("in the clear"));
}

TEST_F(StartTlsTest, GoesOverUpstream) {
  TlsSide side;
  side.present(certificate_);
  std::atomic<bool> ciphered{false};
  TcpServer backend([&](Socket& socket) {
    sendAll(socket, "clear\n");
    if (receive(socket, 9) != "UPSTREAM\n" || !sendAll(socket, "ready\n")) {
      return;
    }
    TlsConnection tls = TlsConnection::accept(socket, side);
    ciphered = tls.isOpen() && tls.serverName() == "backend.test";
    std::string line;
    while (tls.readLine(line) && tls.sendLine(line)) {
    }
    tls.endSending();
  });
  start(
      backend.port(), "",
      R"(transport_socket: {name: s, typed_config: {"@type": type.googleapis.com/envoy.extensions.transport_sockets.starttls.v3.UpstreamStartTlsConfig,
           cleartext_socket_config: {}, tls_socket_config: {sni: backend.test, common_tls_context: {)" +
          withValidation(trusting(authority_.pem())) + "}}}}");
  Client client = Client::connect(port_);
  EXPECT_EQ(client.greeting(), "clear");
  ASSERT_TRUE(sendAll(client.socket(), "UPSTREAM\n"));
  EXPECT_EQ(receive(client.socket(), 15), "ready\nswitched\n");
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(client.echo(std::string(100000, static_cast<char>('a' + i))));
  }
  EXPECT_TRUE(ciphered);
  EXPECT_TRUE(proxy_->waitForStat("cluster.blue.ssl.handshake", 1));
  EXPECT_EQ(proxy_->stat("cluster.blue.upstream_cx_total"), 1);
  EXPECT_EQ(proxy_->stat("cluster.blue.upstream_rq_active"), 1) << "connected once, though it was said twice";
  endSending(client.socket());
  EXPECT_TRUE(client.closesWithin(kPatience));
  EXPECT_TRUE(logged("- TLSv1.2\n"));
}

TEST(StartTlsConfigTest, MistakesInsideAreNamed) {
  const auto refused = [](const std::string& type, const std::string& fields) {
    const TempFolder folder;
    const std::string socket =
        "transport_socket: {name: s, typed_config: {\"@type\": "
        "type.googleapis.com/envoy.extensions.transport_sockets.starttls.v3." +
        type + fields + "}}";
    const bool upstream = type == "UpstreamStartTlsConfig";
    const std::string config =
        folder.write("b.yaml", staticResources({cluster("blue", 1, upstream ? socket : "")},
                                               {listener("front", {chain("only", {echo()}, upstream ? "" : socket)})}));
    const RunResult result = runProgram({"--mode", "validate", "-c", config});
    EXPECT_NE(result.status, 0);
    return result.output;
  };
  EXPECT_THAT(refused("StartTlsConfig", ""), HasSubstr("transport_socket.typed_config.tls_socket_config: "));
  EXPECT_THAT(refused("StartTlsConfig", ", tls_socket_config: {common_tls_context: {}}"),
              HasSubstr("tls_socket_config.common_tls_context: a server needs a certificate"));
  EXPECT_THAT(refused("UpstreamStartTlsConfig", ", tls_socket_config: {allow_renegotiation: true}"),
              HasSubstr("transport_socket.typed_config.tls_socket_config.allow_renegotiation"));
}

}  // namespace
}  // namespace sluice::integration
