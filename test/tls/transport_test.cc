// Bytes through transport sockets: sizes, fragments, full sockets, ends; and sessions that are resumed.

#include <gtest/gtest.h>

#include "source/tls/session_ticket_keys.h"
#include "test/tls/tls_pair.h"

namespace sluice::tls {
namespace {

using TransportTest = TlsPairTest;

std::string patterned(size_t size) {
  std::string bytes(size, '\0');
  for (size_t i = 0; i < size; ++i) {
    bytes[i] = static_cast<char>(i * 31 + i / 251);
  }
  return bytes;
}

TEST_F(TransportTest, MegabytesBothWaysThroughSmallSockets) {
  usual();
  ASSERT_TRUE(handshake());
  for (Side* side : {server_.get(), client_.get()}) {
    const int size = 4096;
    ::setsockopt(side->fd(), SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
  }
  const std::string down = patterned(3000001);
  const std::string up = patterned(2000003);
  server_->write(down);
  client_->write(up);
  server_->read_budget = 5000;
  pump();
  EXPECT_TRUE(down == client_->take());
  EXPECT_TRUE(up == server_->take());
  EXPECT_FALSE(server_->holds());
}

TEST_F(TransportTest, ManySmallPiecesAreOneRecord) {
  usual();
  ASSERT_TRUE(handshake());
  exchange();
  const int before = client_->reads;
  net::Buffer pieces;
  for (int i = 0; i < 10; ++i) {
    net::Buffer one;
    one.append(std::string(5000, 'x'));
    server_->out.move(one);
  }
  server_->step();
  client_->step();
  EXPECT_EQ(before + 1, client_->reads);
  EXPECT_EQ(50000u, client_->in.length());
}

TEST_F(TransportTest, AHandshakeWaitsForATurnThatHasTimeForIt) {
  usual();
  connect();
  client_->step();
  const base::MonotonicTime turn = std::chrono::steady_clock::now();
  server_->fixed_turn = turn;
  HandshakePace& pace = HandshakePace::ofThisThread();
  HandshakePace::Place another;
  ASSERT_TRUE(pace.admits(another, turn));
  pace.took(HandshakePace::kBudget);

  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(server_->step()) << "it asks to be read from again";
  }
  EXPECT_STREQ("before SSL initialization", SSL_state_string_long(server_->transport().ssl()));

  server_->fixed_turn = turn + std::chrono::milliseconds(1);
  pump();
  EXPECT_TRUE(server_->connected && client_->connected);
  exchange();
}

TEST_F(TransportTest, AClientsHandshakeWaitsTheSameWay) {
  usual();
  connect();
  const base::MonotonicTime turn = std::chrono::steady_clock::now();
  client_->fixed_turn = turn;
  HandshakePace& pace = HandshakePace::ofThisThread();
  HandshakePace::Place another;
  ASSERT_TRUE(pace.admits(another, turn));
  pace.took(HandshakePace::kBudget);
  client_->step();
  server_->step();
  EXPECT_STREQ("before SSL initialization", SSL_state_string_long(server_->transport().ssl()));

  client_->fixed_turn.reset();
  pump();
  EXPECT_TRUE(server_->connected && client_->connected);
}

/** Hands on what one side sends, a byte at a time. */
TEST_F(TransportTest, OneByteAPacket) {
  usual();
  auto [server_end, server_wire] = test::unixPair();
  auto [client_end, client_wire] = test::unixPair();
  server_ = std::make_unique<Side>(std::move(server_end), server_context_);
  client_ = std::make_unique<Side>(std::move(client_end), client_context_);
  client_->write("request");
  server_->write("answer");
  const auto carry = [](const net::Socket& from, const net::Socket& to, Side& reader) {
    test::Received got;
    test::receiveSome(from, got, 1);
    if (got.bytes.empty()) {
      return false;
    }
    test::sendSome(to, got.bytes);
    reader.step();
    return true;
  };
  client_->step();
  for (int quiet = 0; quiet < 3;) {
    bool moved = carry(client_wire, server_wire, *server_);
    moved = carry(server_wire, client_wire, *client_) || moved;
    moved = server_->step() || client_->step() || moved;
    quiet = moved ? 0 : quiet + 1;
  }
  EXPECT_EQ("request", server_->take());
  EXPECT_EQ("answer", client_->take());
  EXPECT_FALSE(server_->failed || client_->failed);
}

TEST_F(TransportTest, CloseNotifyIsTheEndOfOneDirection) {
  usual();
  ASSERT_TRUE(handshake());
  client_->write("last");
  client_->end_wanted = true;
  pump();
  EXPECT_EQ("last", server_->take());
  EXPECT_TRUE(server_->ended);
  EXPECT_FALSE(server_->failed);
  server_->write(patterned(100000));
  server_->end_wanted = true;
  pump();
  EXPECT_TRUE(patterned(100000) == client_->take());
  EXPECT_TRUE(client_->ended);
  EXPECT_FALSE(client_->failed);
}

TEST_F(TransportTest, AnEndWithoutCloseNotifyIsAnEnd) {
  usual();
  ASSERT_TRUE(handshake());
  client_->write("last");
  client_->step();
  ::shutdown(client_->fd(), SHUT_WR);
  server_->step(true);
  EXPECT_EQ("last", server_->take());
  EXPECT_TRUE(server_->ended);
  EXPECT_FALSE(server_->failed);
}

TEST_F(TransportTest, ClosingSaysSoUnlessItIsAReset) {
  usual();
  ASSERT_TRUE(handshake());
  server_->close();
  client_->step(true);
  EXPECT_TRUE(client_->ended);
  EXPECT_FALSE(client_->failed);
}

TEST_F(TransportTest, GarbageInARecordIsAnError) {
  usual();
  ASSERT_TRUE(handshake());
  const std::string record = std::string("\x17\x03\x03\x00\x20", 5) + std::string(32, 'x');
  ASSERT_EQ(static_cast<ssize_t>(record.size()), ::send(client_->fd(), record.data(), record.size(), 0));
  server_->step();
  EXPECT_TRUE(server_->failed);
  EXPECT_NE(std::string::npos, server_->transport().failureReason().find("BAD_RECORD_MAC"))
      << server_->transport().failureReason();
}

TEST_F(TransportTest, SessionsAreResumedByBothVersions) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    client_settings_.max_version = version;
    usual();
    ASSERT_TRUE(handshake());
    exchange();
    EXPECT_FALSE(client_->info().resumed());
    for (int i = 0; i < 3; ++i) {
      ASSERT_TRUE(handshake());
      exchange();
      EXPECT_TRUE(server_->info().resumed()) << version << " " << i;
      EXPECT_TRUE(client_->info().resumed());
      EXPECT_TRUE(client_->info().peerCertificateValidated());
      EXPECT_EQ("a.test", server_->info().serverName());
      EXPECT_EQ(version >= TLS1_3_VERSION, client_->info().sessionId().empty());
    }
  }
  EXPECT_EQ(6u, counter("listener.x.ssl.session_reused"));
}

TEST_F(TransportTest, SessionsAreResumedAfterAClose) {
  usual();
  ASSERT_TRUE(handshake());
  exchange();
  client_->close(net::ConnectionEvent::RemoteClose);
  server_->close(net::ConnectionEvent::RemoteClose);
  ASSERT_TRUE(handshake());
  EXPECT_TRUE(server_->info().resumed());
}

TEST_F(TransportTest, SessionsAreNotResumedForAnotherName) {
  client_settings_.auto_host_sni = true;
  usual();
  ASSERT_TRUE(handshake({nullptr, "one.test"}));
  exchange();
  ASSERT_TRUE(handshake({nullptr, "two.test"}));
  EXPECT_FALSE(server_->info().resumed());
}

TEST_F(TransportTest, WhereNamesDecideOnTheCertificateSessionsAreResumedUnderTheirNameAlone) {
  client_settings_.auto_host_sni = true;
  client_settings_.max_session_keys = 0;
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    SCOPED_TRACE(version);
    client_settings_.max_version = version;
    server_context_ = makeServer(
        {{certificate(ca_.issueFor({"one.test"})), certificate(ca_.issueFor({"two.test"}))}, nullptr, nullptr});
    client_context_ = makeClient({{}, validation(ca_.config()), nullptr});
    ASSERT_TRUE(handshake({nullptr, "one.test"}));
    exchange();
    const std::unique_ptr<SSL_SESSION, decltype(&SSL_SESSION_free)> session(
        SSL_get1_session(client_->transport().ssl()), &SSL_SESSION_free);
    for (const absl::string_view name : {"two.test", "one.test"}) {
      connect({nullptr, name});
      SSL_set_session(client_->transport().ssl(), session.get());
      pump();
      ASSERT_TRUE(server_->connected && client_->connected);
      EXPECT_EQ(name == "one.test", server_->info().resumed()) << name;
    }
  }
}

TEST_F(TransportTest, SwitchesOfResumption) {
  client_settings_.max_session_keys = 0;
  usual();
  ASSERT_TRUE(handshake());
  exchange();
  ASSERT_TRUE(handshake());
  EXPECT_FALSE(server_->info().resumed());

  client_settings_.max_session_keys = 1;
  const auto resumes = [this](int version) {
    client_settings_.max_version = version;
    usual();
    EXPECT_TRUE(handshake());
    exchange();
    EXPECT_TRUE(handshake());
    exchange();
    return server_->info().resumed();
  };
  server_settings_.stateless_resumption = false;
  EXPECT_TRUE(resumes(TLS1_2_VERSION));
  EXPECT_FALSE(resumes(TLS1_3_VERSION));
  server_settings_.stateful_resumption = false;
  EXPECT_FALSE(resumes(TLS1_2_VERSION));
  EXPECT_FALSE(resumes(TLS1_3_VERSION));
  server_settings_.stateless_resumption = true;
  EXPECT_TRUE(resumes(TLS1_2_VERSION));
  EXPECT_TRUE(resumes(TLS1_3_VERSION));
}

TEST_F(TransportTest, TicketsAreGoodWithAllKeysOfTheList) {
  const auto keys = [](std::initializer_list<char> fill) {
    SessionTicketKeys::Proto message;
    for (const char c : fill) {
      message.add_keys()->set_inline_bytes(std::string(80, c));
    }
    config::Violations violations;
    return SessionTicketKeys::create(message, config::FieldPath("k"), violations);
  };
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    client_settings_.max_version = version;
    const auto issued = certificate(ca_.issueFor({"a.test"}));
    client_context_ = makeClient({{}, validation(ca_.config()), nullptr});
    server_context_ = makeServer({{issued}, nullptr, keys({'a'})});
    for (int i = 0; i < 3; ++i) {
      ASSERT_TRUE(handshake());
      exchange();
      EXPECT_EQ(i > 0, server_->info().resumed()) << version << ": a client of TLS 1.3 gets a new ticket each time";
    }
    // The key is the second now.
    server_context_ = makeServer({{issued}, nullptr, keys({'b', 'a'})});
    ASSERT_TRUE(handshake());
    exchange();
    EXPECT_TRUE(server_->info().resumed()) << version;
    // It is gone, but the client has got a ticket of the new one.
    server_context_ = makeServer({{issued}, nullptr, keys({'c', 'b'})});
    ASSERT_TRUE(handshake());
    exchange();
    EXPECT_TRUE(server_->info().resumed()) << version;
    server_context_ = makeServer({{issued}, nullptr, keys({'d'})});
    ASSERT_TRUE(handshake());
    exchange();
    EXPECT_FALSE(server_->info().resumed()) << version;
  }
}

TEST_F(TransportTest, ContextsThatDifferInCertificatesShareOpenSslsContext) {
  usual();
  const auto other = makeServer({{certificate(ca_.issueFor({"b.test"}))}, nullptr, nullptr});
  EXPECT_EQ(server_context_->sslCtx(), other->sslCtx());
  EXPECT_NE(server_context_->sessionIdContext(), other->sessionIdContext());
  server_settings_.min_version = TLS1_3_VERSION;
  EXPECT_NE(server_context_->sslCtx(),
            makeServer({{certificate(ca_.issueFor({"b.test"}))}, nullptr, nullptr})->sslCtx());
}

TEST_F(TransportTest, AClientsSessionIsForItsServersIdentityAlone) {
  // Both contexts have one OpenSSL context, and so one key for tickets.
  usual();
  const auto other = makeServer({{certificate(ca_.issueFor({"a.test", "b.test"}))}, nullptr, nullptr});
  ASSERT_TRUE(handshake());
  exchange();
  server_context_ = other;
  ASSERT_TRUE(handshake());
  EXPECT_FALSE(server_->info().resumed());
}

}  // namespace
}  // namespace sluice::tls
