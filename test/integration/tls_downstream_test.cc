// Clients that speak TLS, and those that do it badly.

#include <algorithm>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "test/integration/harness/mesh.h"
#include "test/integration/harness/tls.h"

namespace sluice::integration {
namespace {

using test::CertificateRequest;
using test::TestAuthority;
using test::TestCertificate;
using ::testing::AnyOf;
using ::testing::HasSubstr;

class TlsDownstreamTest : public ::testing::Test {
 protected:
  void start(const std::string& common, const std::string& context_extra = "", const std::string& chain_extra = "") {
    const std::string extra = downstreamTls(common, context_extra) + (chain_extra.empty() ? "" : ", " + chain_extra);
    proxy_ = std::make_unique<Proxy>(staticResources(
        {cluster("blue", blue_.port())}, {listener("front", {chain("tls", {tcpProxy("blue")}, extra)}, stat_)}));
    ASSERT_TRUE(proxy_->waitReady());
    port_ = proxy_->listenerPort("front").value_or(0);
  }
  /** Clients must have a certificate of the authority; `more` is further fields of the validation. */
  void startMutual(const std::string& more = "") {
    start(withCertificates({tlsCertificate(server_)}) + ", " + withValidation(trusting(authority_.pem(), more)),
          "require_client_certificate: true");
  }
  std::string greeting(const TlsSide& side = {}) { return tlsGreetingOf(port_, side); }
  TlsSide presenting(const TestCertificate& certificate) {
    TlsSide side;
    side.present(certificate);
    return side;
  }
  bool waitForStat(const std::string& name, uint64_t value) {
    return proxy_->waitForStat("listener.front.ssl." + name, value);
  }

  const std::string stat_ = "stat_prefix: front";
  TestAuthority authority_;
  TestCertificate server_ = authority_.issueFor({"localhost"});
  TestCertificate client_ = authority_.issueFor({"client.test"});
  EchoServer blue_{"blue"};
  std::unique_ptr<Proxy> proxy_;
  uint16_t port_ = 0;
};

TEST_F(TlsDownstreamTest, ServesAndCounts) {
  start(withCertificates({tlsCertificate(server_)}));
  TlsSide side;
  side.trust(authority_).server_name = "localhost";
  TlsConnection connection = TlsConnection::connect(port_, side);
  ASSERT_TRUE(connection.isOpen()) << connection.error();
  EXPECT_EQ(connection.version(), "TLSv1.3");
  EXPECT_EQ(connection.peerSerial(), server_.serial());
  EXPECT_EQ(connection.receive(5), "blue\n");
  EXPECT_TRUE(connection.echo("line"));
  EXPECT_TRUE(waitForStat("handshake", 1));
}

TEST_F(TlsDownstreamTest, CarriesManyBytesBothWays) {
  start(withCertificates({tlsCertificate(server_)}));
  TlsConnection connection = TlsConnection::connect(port_);
  EXPECT_EQ(connection.receive(5), "blue\n");
  for (int i = 0; i < 20; ++i) {
    std::string line = pattern(100000, static_cast<uint32_t>(i));
    std::replace(line.begin(), line.end(), '\n', ' ');
    EXPECT_TRUE(connection.sendLine(line));
    EXPECT_EQ(connection.receive(line.size() + 1), line + "\n");
  }
}

TEST_F(TlsDownstreamTest, TakesTls12AndNothingOlder) {
  start(withCertificates({tlsCertificate(server_)}));
  TlsSide side;
  side.max_version = TLS1_2_VERSION;
  EXPECT_EQ(greeting(side), "blue");
  for (const int old : {TLS1_1_VERSION, TLS1_VERSION}) {
    side.min_version = old;
    side.max_version = old;
    EXPECT_EQ(greeting(side), "");
  }
  EXPECT_TRUE(waitForStat("connection_error", 2));
}

TEST_F(TlsDownstreamTest, NegotiatesTheProtocol) {
  start(withCertificates({tlsCertificate(server_)}) + ", alpn_protocols: [h2, http/1.1]");
  TlsSide side;
  side.alpn = {"http/1.1", "h2"};
  EXPECT_EQ(TlsConnection::connect(port_, side).alpn(), "h2");
  side.alpn = {"other"};
  EXPECT_EQ(TlsConnection::connect(port_, side).alpn(), "");
  EXPECT_EQ(TlsConnection::connect(port_, {}).alpn(), "");
}

TEST_F(TlsDownstreamTest, ChoosesTheCertificateByNameAndKey) {
  const TestCertificate other = authority_.issueFor({"*.other.test"});
  const TestCertificate rsa = authority_.issueFor({"localhost"}, CertificateRequest::Key::Rsa);
  start(withCertificates({tlsCertificate(server_), tlsCertificate(rsa), tlsCertificate(other)}));
  EXPECT_EQ(servedSerial(port_, "localhost"), server_.serial());
  EXPECT_EQ(servedSerial(port_, "a.other.test"), other.serial());
  TlsSide only_rsa;
  only_rsa.server_name = "localhost";
  only_rsa.max_version = TLS1_2_VERSION;
  only_rsa.ciphers = "ECDHE-RSA-AES128-GCM-SHA256";
  EXPECT_EQ(TlsConnection::connect(port_, only_rsa).peerSerial(), rsa.serial());
}

TEST_F(TlsDownstreamTest, TakesSessionsUpAgain) {
  start(withCertificates({tlsCertificate(server_)}));
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    TlsSide side;
    side.min_version = version;
    side.max_version = version;
    {
      TlsConnection first = TlsConnection::connect(port_, side);
      std::string line;
      EXPECT_TRUE(first.readLine(line));
      EXPECT_FALSE(first.resumed());
      side.session = first.session();
      first.endSending();
    }
    TlsConnection second = TlsConnection::connect(port_, side);
    EXPECT_TRUE(second.resumed()) << version;
    EXPECT_EQ(second.receive(5), "blue\n");
  }
  EXPECT_TRUE(waitForStat("session_reused", 2));
}

TEST_F(TlsDownstreamTest, AClientMustBeOfTheAuthority) {
  startMutual();
  EXPECT_EQ(greeting(presenting(client_)), "blue");
  EXPECT_EQ(greeting(), "");
  EXPECT_TRUE(waitForStat("fail_verify_no_cert", 1));
  const TestAuthority other("Another CA");
  EXPECT_EQ(greeting(presenting(other.issueFor({"client.test"}))), "");
  CertificateRequest own;
  own.dns = {"client.test"};
  EXPECT_EQ(greeting(presenting(test::selfSigned(own))), "");
  CertificateRequest expired;
  expired.not_before = -7200;
  expired.not_after = -3600;
  EXPECT_EQ(greeting(presenting(authority_.issue(expired))), "");
  EXPECT_TRUE(waitForStat("fail_verify_error", 3));
}

TEST_F(TlsDownstreamTest, ARevokedClientIsRefused) {
  const TestCertificate revoked = authority_.issueFor({"client.test"});
  startMutual("crl: " + inlineString(authority_.revoke({&revoked})));
  EXPECT_EQ(greeting(presenting(client_)), "blue");
  TlsConnection refused = TlsConnection::connect(port_, presenting(revoked));
  std::string line;
  EXPECT_FALSE(refused.readLine(line));
  EXPECT_THAT(refused.error(), AnyOf(HasSubstr("revoked"), HasSubstr("alert")));
}

TEST_F(TlsDownstreamTest, AClientMustHaveTheRightName) {
  startMutual("match_typed_subject_alt_names: [{san_type: DNS, matcher: {suffix: .test}}]");
  EXPECT_EQ(greeting(presenting(client_)), "blue");
  EXPECT_EQ(greeting(presenting(authority_.issueFor({"client.elsewhere"}))), "");
  EXPECT_TRUE(waitForStat("fail_verify_san", 1));
}

TEST_F(TlsDownstreamTest, AnEndWithoutCloseNotifyIsAnEnd) {
  start(withCertificates({tlsCertificate(server_)}));
  {
    TlsConnection rude = TlsConnection::connect(port_);
    EXPECT_EQ(rude.receive(5), "blue\n");
    endSending(rude.socket());
    EXPECT_TRUE(rude.closesWithin(kPatience));
  }
  TlsConnection polite = TlsConnection::connect(port_);
  EXPECT_EQ(polite.receive(5), "blue\n");
  polite.endSending();
  EXPECT_EQ(polite.readAll(), "");
  EXPECT_TRUE(polite.endedCleanly());
  EXPECT_TRUE(eventually([this] { return blue_.open() == 0; }));
}

TEST_F(TlsDownstreamTest, APeerThatStopsInTheHandshakeHoldsUpNobody) {
  start(withCertificates({tlsCertificate(server_)}));
  {
    Socket silent = connectTo(port_);
    Socket stopping = connectTo(port_);
    // A record of a ClientHello whose rest never comes.
    EXPECT_TRUE(sendAll(stopping, std::string("\x16\x03\x01\x02\x00\x01\x00", 7)));
    for (int i = 0; i < 10; ++i) {
      EXPECT_EQ(greeting(), "blue");
    }
  }
  EXPECT_TRUE(proxy_->waitForStat("listener.front.downstream_cx_active", 0));
}

TEST_F(TlsDownstreamTest, WhatIsNoTlsIsRefused) {
  start(withCertificates({tlsCertificate(server_)}));
  for (const std::string& bytes : {std::string("GET / HTTP/1.1\r\nhost: a\r\n\r\n"), pattern(3000, 7),
                                   std::string("\x16\x03\x01\xff\xff\x01\xff\xff\xff", 9) + pattern(70000, 3)}) {
    Socket socket = connectTo(port_);
    sendAll(socket, bytes);
    endSending(socket);
    socket.readAll();
  }
  EXPECT_TRUE(waitForStat("connection_error", 3));
  EXPECT_EQ(greeting(), "blue");
}

TEST_F(TlsDownstreamTest, AHandshakeMayComeByteByByte) {
  start(withCertificates({tlsCertificate(server_)}));
  // Between the client and the proxy sits one who passes on a byte at a time.
  TcpServer slow([this](Socket& client) {
    Socket proxy = connectTo(port_);
    std::thread back([&] {
      for (std::string bytes = receive(proxy, 1); !bytes.empty(); bytes = receive(proxy, 1)) {
        sendAll(client, bytes);
      }
      endSending(client);
    });
    for (std::string bytes = receive(client, 1); !bytes.empty(); bytes = receive(client, 1)) {
      sendAll(proxy, bytes);
    }
    endSending(proxy);
    back.join();
  });
  EXPECT_EQ(tlsGreetingOf(slow.port()), "blue");
}

TEST_F(TlsDownstreamTest, APeerThatStopsInTheHandshakeIsGivenUp) {
  start(withCertificates({tlsCertificate(server_)}), "", "transport_socket_connect_timeout: 0.3s");
  Socket silent = connectTo(port_);
  Socket stopping = connectTo(port_);
  // A record of a ClientHello whose rest never comes.
  EXPECT_TRUE(sendAll(stopping, std::string("\x16\x03\x01\x02\x00\x01\x00", 7)));
  EXPECT_EQ(greeting(), "blue");
  EXPECT_EQ(silent.readAll(), "");
  EXPECT_EQ(stopping.readAll(), "");
  EXPECT_TRUE(proxy_->waitForStat("listener.front.downstream_cx_transport_socket_connect_timeout", 2));
  EXPECT_TRUE(proxy_->waitForStat("listener.front.downstream_cx_active", 0));
}

}  // namespace
}  // namespace sluice::integration
