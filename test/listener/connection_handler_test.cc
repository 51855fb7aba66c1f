#include "source/listener/connection_handler.h"

#include <sys/resource.h>
#include <sys/un.h>

#include <string>

#include "gtest/gtest.h"

#include "test/listener/connection_handler_fixture.h"

namespace sluice::listener {
namespace {
TEST_F(ConnectionHandlerTest, ServesAConnectionAndCountsIt) {
  auto loggers = test::CountingLoggers();
  spec_.access_logs.push_back(std::make_shared<const test::CountingLoggers::Logger>(loggers.lines));
  spec_.chains = {chain(1, "A", "one", "front")};
  apply(true);
  Client client(address_);
  EXPECT_EQ(read(client), "A");
  EXPECT_EQ(ask(client, "x"), "one");
  EXPECT_EQ(counter("downstream_cx_total"), 1u);
  EXPECT_EQ(gauge("downstream_cx_active"), 1u);
  EXPECT_EQ(counter("worker_0.downstream_cx_total"), 1u);
  EXPECT_EQ(gauge("worker_0.downstream_cx_active"), 1u);
  EXPECT_EQ(limit_.open(), 1u);
  EXPECT_TRUE(loggers.lines->all().empty());
  client.close();
  ASSERT_TRUE(until([&] { return gauge("downstream_cx_active") == 0; }));
  ASSERT_TRUE(until([&] { return !loggers.lines->all().empty(); }));
  EXPECT_EQ(loggers.lines->all().front(), "front");
  EXPECT_EQ(counter("downstream_cx_destroy"), 1u);
  EXPECT_EQ(gauge("worker_0.downstream_cx_active"), 0u);
  EXPECT_EQ(store_.histogramCount("listener.x.downstream_cx_length_ms"), 1u);
  EXPECT_EQ(limit_.open(), 0u);
}

TEST_F(ConnectionHandlerTest, AcceptsManyWithAndWithoutABudget) {
  for (uint32_t budget : {1u, 1000u}) {
    spec_.max_accepts_per_event = budget;
    apply(true, false);
    std::vector<std::unique_ptr<Client>> clients;
    for (int i = 0; i < 30; ++i) {
      clients.push_back(std::make_unique<Client>(address_));
    }
    for (auto& client : clients) {
      EXPECT_EQ(read(*client), "A");
    }
  }
  EXPECT_EQ(counter("downstream_cx_total"), 60u);
}

TEST_F(ConnectionHandlerTest, ClosesWhatNoChainMatchesUnlessThereIsADefault) {
  auto loggers = test::CountingLoggers();
  spec_.access_logs.push_back(std::make_shared<const test::CountingLoggers::Logger>(loggers.lines));
  setRules({from("127.0.0.9")});
  apply(true);
  Client stranger(address_);
  EXPECT_EQ(read(stranger), "");
  EXPECT_EQ(counter("no_filter_chain_match"), 1u);
  EXPECT_EQ(counter("downstream_cx_total"), 0u);
  EXPECT_EQ(loggers.lines->all(), std::vector<std::string>{"-"});
  Client known(address_, "127.0.0.9");
  EXPECT_EQ(read(known), "A");

  spec_.default_chain = chain(2, "D", "");
  apply(false);
  Client other(address_);
  EXPECT_EQ(read(other), "D");
  EXPECT_EQ(ask(known, "x"), "one");
}

TEST_F(ConnectionHandlerTest, AnEmptyChainClosesAndSaysSo) {
  spec_.chains = {chain(1, "", "")};
  apply(true);
  Client client(address_);
  EXPECT_EQ(read(client), "");
  EXPECT_EQ(counter("network_extension_config_missing"), 1u);
  EXPECT_EQ(counter("downstream_cx_total"), 1u);
  ASSERT_TRUE(until([&] { return gauge("downstream_cx_active") == 0; }));
}

TEST_F(ConnectionHandlerTest, KeepsToTheListenersLimit) {
  spec_.limit->setLimit(2);
  apply(true);
  Client one(address_);
  Client two(address_);
  EXPECT_EQ(read(one) + read(two), "AA");
  Client three(address_);
  EXPECT_EQ(read(three), "");
  EXPECT_EQ(counter("downstream_cx_overflow"), 1u);
  one.close();
  ASSERT_TRUE(until([&] { return limit_.open() == 1; }));
  Client four(address_);
  EXPECT_EQ(read(four), "A");
  // The runtime may raise it while connections flow.
  spec_.limit->setLimit(3);
  Client five(address_);
  EXPECT_EQ(read(five), "A");
}

TEST_F(ConnectionHandlerTest, KeepsToTheProcessesLimitUnlessToldNot) {
  limit_.setLimit(1);
  apply(true);
  Client one(address_);
  EXPECT_EQ(read(one), "A");
  Client two(address_);
  EXPECT_EQ(read(two), "");
  EXPECT_EQ(counter("downstream_global_cx_overflow"), 1u);
  spec_.ignore_global_limit = true;
  apply(false);
  Client three(address_);
  EXPECT_EQ(read(three), "A");
  EXPECT_EQ(limit_.open(), 2u);
}

TEST_F(ConnectionHandlerTest, AnUpdateReachesLivingConnections) {
  apply(true);
  Client client(address_);
  EXPECT_EQ(read(client), "A");
  spec_.chains = {chain(1, "A", "two", "renamed")};
  apply(false);
  EXPECT_EQ(ask(client, "x"), "two");
}

TEST_F(ConnectionHandlerTest, DrainsAChainAndClosesItWhenTold) {
  setRules({from("127.0.0.1"), from("127.0.0.2")});
  spec_.chains = {chain(1, "A", "one"), chain(2, "B", "two")};
  apply(true);
  Client one(address_, "127.0.0.1");
  Client two(address_, "127.0.0.2");
  EXPECT_EQ(read(one) + read(two), "AB");
  spec_.chains = {chain(1, "A", "one"), chain(3, "C", "three")};
  apply(false);
  bool drained = false;
  handler_.drainChains(7, {2, 99}, [&] { drained = true; });
  EXPECT_EQ(ask(two, "x"), "two");
  Client new_two(address_, "127.0.0.2");
  EXPECT_EQ(read(new_two), "C");
  EXPECT_FALSE(drained);
  handler_.closeChains(7, {2});
  EXPECT_EQ(read(two), "");
  ASSERT_TRUE(until([&] { return drained; }));
  EXPECT_EQ(ask(one, "x"), "one");
  EXPECT_EQ(ask(new_two, "x"), "three");
}

TEST_F(ConnectionHandlerTest, AChainWithoutConnectionsHasDrainedAtOnce) {
  apply(true);
  spec_.chains = {chain(2, "B", "")};
  apply(false);
  bool drained = false;
  handler_.drainChains(7, {1}, [&] { drained = true; });
  EXPECT_TRUE(drained);
}

TEST_F(ConnectionHandlerTest, ADrainingChainCanComeBack) {
  apply(true);
  Client client(address_);
  EXPECT_EQ(read(client), "A");
  spec_.chains = {chain(2, "B", "")};
  apply(false);
  bool drained = false;
  handler_.drainChains(7, {1}, [&] { drained = true; });
  EXPECT_FALSE(drained);
  spec_.chains = {chain(1, "A", "back")};
  apply(false);
  // Nobody waits for its end any more.
  EXPECT_TRUE(drained);
  EXPECT_EQ(ask(client, "x"), "back");
}

TEST_F(ConnectionHandlerTest, ClosesALargeChainOverSeveralTurns) {
  apply(true);
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 100; ++i) {
    clients.push_back(std::make_unique<Client>(address_));
    EXPECT_EQ(read(*clients.back()), "A");
  }
  bool drained = false;
  handler_.drainListener(7, [&] { drained = true; });
  handler_.closeListener(7);
  dispatcher_.run(event::Dispatcher::RunType::NonBlock);
  EXPECT_FALSE(drained);
  ASSERT_TRUE(until([&] { return drained; }));
  for (auto& client : clients) {
    EXPECT_TRUE(client->closed());
  }
}

TEST_F(ConnectionHandlerTest, AcceptsWhatWaitsBeforeItStops) {
  apply(true);
  // In the queue, and nobody has looked yet.
  Client one(address_);
  Client two(address_);
  handler_.stopAccepting(7);
  Client three(address_);
  EXPECT_FALSE(three.connected());
  EXPECT_EQ(read(one) + read(two), "AA");
  EXPECT_EQ(ask(one, "x"), "one");
}

TEST_F(ConnectionHandlerTest, AcceptsWhatWaitsInASocketThatAnUpdateLeavesOut) {
  apply(true);
  const net::Address old_address = address_;
  Client waiting(old_address);
  apply(true, false);
  Client late(old_address);
  EXPECT_FALSE(late.connected());
  EXPECT_EQ(read(waiting), "A");
  Client moved(address_);
  EXPECT_EQ(read(moved), "A");
}

TEST_F(ConnectionHandlerTest, ADrainedListenerIsForgotten) {
  apply(true);
  Client client(address_);
  EXPECT_EQ(read(client), "A");
  handler_.stopAccepting(7);
  bool drained = false;
  handler_.drainListener(7, [&] { drained = true; });
  EXPECT_FALSE(drained);
  client.close();
  ASSERT_TRUE(until([&] { return drained; }));
  bool again = false;
  handler_.drainListener(7, [&] { again = true; });
  EXPECT_TRUE(again);
}

TEST_F(ConnectionHandlerTest, AConnectionEndsInTheStatisticsItBeganIn) {
  apply(true);
  Client client(address_);
  EXPECT_EQ(read(client), "A");
  spec_.stats = std::make_shared<const ListenerStats>(*store_.root(), "y", 1);
  apply(false);
  client.close();
  ASSERT_TRUE(until([&] { return gauge("downstream_cx_active") == 0; }));
  EXPECT_EQ(store_.gaugeValue("listener.y.downstream_cx_active"), 0u);
  Client other(address_);
  EXPECT_EQ(read(other), "A");
  EXPECT_EQ(store_.counterValue("listener.y.downstream_cx_total"), 1u);
}

TEST_F(ConnectionHandlerTest, WithoutDescriptorsItPausesAndComesBack) {
  apply(true);
  rlimit before;
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  Client client(address_);
  // The lowest number that is free is what an accept would take.
  const int next = ::dup(0);
  ::close(next);
  const rlimit none{static_cast<rlim_t>(next), before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  EXPECT_TRUE(until([&] { return counter("downstream_cx_accept_out_of_descriptors") == 1; }));
  // The event stays ready, but nobody looks.
  for (int i = 0; i < 20; ++i) {
    dispatcher_.run(event::Dispatcher::RunType::NonBlock);
  }
  EXPECT_LE(counter("downstream_cx_accept_out_of_descriptors"), 2u);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_EQ(read(client), "A");
}

TEST_F(ConnectionHandlerTest, ASocketThatFailsForEverIsLookedAtFromTimeToTime) {
  apply(true);
  const int listening = listeningDescriptor();
  ASSERT_GE(listening, 0);
  // From now on each accept fails with EINVAL, and the socket stays ready.
  ASSERT_EQ(::shutdown(listening, SHUT_RDWR), 0);
  ASSERT_TRUE(until([&] { return counter("downstream_cx_accept_error") == 1; }));
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 200; ++i) {
    dispatcher_.run(event::Dispatcher::RunType::NonBlock);
  }
  const auto pauses = (std::chrono::steady_clock::now() - begin) / milliseconds(100);
  EXPECT_LE(counter("downstream_cx_accept_error"), 2u + pauses);
  EXPECT_TRUE(until([&] { return counter("downstream_cx_accept_error") >= 3; })) << "it tries again";
  EXPECT_EQ(counter("downstream_cx_accept_out_of_descriptors"), 0u);
}

/** One whose handshake is never complete. */
class StuckTransport final : public net::TransportSocket {
 public:
  void setCallbacks(net::TransportSocketCallbacks&) override {}
  absl::string_view protocol() const override { return ""; }
  absl::string_view failureReason() const override { return ""; }
  void onConnected() override {}
  net::IoResult read(net::Buffer&, uint64_t, bool) override { return {}; }
  net::IoResult write(net::Buffer&, bool) override { return {}; }
  void onClose(net::ConnectionEvent) override {}
  bool canFlush() const override { return false; }
  std::shared_ptr<const net::TlsInfo> tlsInfo() const override { return nullptr; }
  bool isRaw() const override { return false; }
};

class StuckTransportFactory final : public net::TransportSocketFactory {
 public:
  std::unique_ptr<net::TransportSocket> create(const net::TransportSocketTarget&) const override {
    return std::make_unique<StuckTransport>();
  }
  bool readsOptions() const override { return false; }
  bool isTls() const override { return false; }
  const config::ContentKey& structuralKey() const override { return key_; }

 private:
  const config::ContentKey key_;
};

TEST_F(ConnectionHandlerTest, AHandshakeHasItsTime) {
  auto limited = std::make_shared<FilterChain>(*spec_.chains[0]);
  limited->connect_timeout = milliseconds(20);
  spec_.chains = {limited};
  apply(true);
  Client plain(address_);
  EXPECT_EQ(read(plain), "A") << "one without a handshake has none to wait for";
  auto stuck = std::make_shared<FilterChain>(*limited);
  stuck->id = 2;
  stuck->transport = std::make_shared<const StuckTransportFactory>();
  spec_.chains = {stuck};
  apply(false);
  Client client(address_);
  EXPECT_EQ(read(client), "");
  EXPECT_EQ(counter("downstream_cx_transport_socket_connect_timeout"), 1u);
  EXPECT_FALSE(plain.readable());
}

TEST_F(ConnectionHandlerTest, AUnixListenerHandsOnToEachWorkerInTurn) {
  const std::string path = testing::TempDir() + "/h.sock";
  options_.address = *net::Address::pipe(path.size() < 100 ? path : "@sluice-handler-test");
  hands_on_ = true;
  apply(true);
  Client mine(address_);
  Client others(address_);
  EXPECT_EQ(read(mine), "A");
  ASSERT_TRUE(until([&] { return handed_.size() == 1; }));
  EXPECT_EQ(handed_.front().listener, 7u);
  // The other worker's side of it, here on this one.
  handler_.takeOver(std::move(handed_.front()));
  EXPECT_EQ(read(others), "A");
  EXPECT_EQ(counter("downstream_cx_total"), 2u);
  // One whose listener has gone is closed.
  Client late(address_);
  Client later(address_);
  EXPECT_EQ(read(late), "A");
  ASSERT_TRUE(until([&] { return handed_.size() == 2; }));
  handed_.back().listener = 1234;
  handler_.takeOver(std::move(handed_.back()));
  EXPECT_EQ(later.read(), "");
}

}  // namespace
}  // namespace sluice::listener
