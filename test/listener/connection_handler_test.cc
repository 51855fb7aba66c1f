#include "source/listener/connection_handler.h"

#include <sys/resource.h>
#include <sys/un.h>

#include <deque>
#include <string>

#include "gtest/gtest.h"

#include "source/event/libevent_dispatcher.h"
#include "source/net/raw_transport_socket.h"
#include "source/stats/store.h"
#include "test/listener/test_listener.h"

namespace sluice::listener {
namespace {

using std::chrono::milliseconds;
using test::Client;
using test::SayConfig;

/** A listener filter that waits for a number of bytes, or for being told to go on. */
class TestListenerFilter final : public net::ListenerFilter {
 public:
  struct Script {
    size_t wants = 0;
    bool pauses = false;
    size_t consumes = 0;
    bool wants_all = true;
    std::vector<std::string> seen;
    std::vector<net::ListenerFilterCallbacks*> paused;
  };
  explicit TestListenerFilter(Script& script) : script_(script) {}
  net::FilterStatus onAccept(net::ListenerFilterCallbacks& callbacks) override {
    if (script_.pauses) {
      script_.paused.push_back(&callbacks);
      return net::FilterStatus::StopIteration;
    }
    return script_.wants > 0 ? net::FilterStatus::StopIteration : net::FilterStatus::Continue;
  }
  size_t maxReadBytes() const override { return script_.pauses ? 0 : script_.wants; }
  net::FilterStatus onData(absl::string_view peeked, bool end_stream, size_t& consumed) override {
    script_.seen.push_back(std::string(peeked) + (end_stream ? "$" : ""));
    if (script_.wants_all && peeked.size() < script_.wants) {
      return net::FilterStatus::StopIteration;
    }
    consumed = script_.consumes;
    return net::FilterStatus::Continue;
  }

 private:
  Script& script_;
};

class TestListenerFilterConfig final : public net::ListenerFilterConfig {
 public:
  explicit TestListenerFilterConfig(TestListenerFilter::Script& script) : script_(script) {}
  const config::ContentKey& structuralKey() const override { return key_; }
  std::unique_ptr<net::ListenerFilter> create() const override { return std::make_unique<TestListenerFilter>(script_); }

 private:
  TestListenerFilter::Script& script_;
  const config::ContentKey key_;
};

class ConnectionHandlerTest : public testing::Test, protected AcceptedSocketRouter {
 protected:
  ConnectionHandlerTest() {
    options_.address = *net::Address::ip("127.0.0.1", 0);
    spec_.name = std::make_shared<const std::string>("l");
    spec_.stats = std::make_shared<const ListenerStats>(*store_.root(), "x", 1);
    spec_.limit = std::make_shared<ConnectionLimit>();
    spec_.backlog = 100;
    spec_.chains = {chain(1, "A", "one")};
    setRules({FilterChainRule()});
  }
  ~ConnectionHandlerTest() override {
    handler_.shutdown();
    dispatcher_.clearDeferredDeletes();
    EXPECT_EQ(limit_.open(), 0u);
    EXPECT_EQ(spec_.limit->open(), 0u);
    EXPECT_EQ(gauge("downstream_cx_active"), 0u);
    EXPECT_EQ(gauge("downstream_pre_cx_active"), 0u);
  }

  std::shared_ptr<const FilterChain> chain(uint64_t id, const std::string& say, const std::string& live,
                                           const std::string& name = "") {
    auto made = std::make_shared<FilterChain>();
    made->id = id;
    made->name = std::make_shared<const std::string>(name);
    made->transport = std::make_shared<const net::RawTransportSocketFactory>();
    if (!say.empty()) {
      made->filters.push_back(std::make_shared<const SayConfig>(say, live));
    }
    return made;
  }
  void setRules(const std::vector<FilterChainRule>& rules) {
    std::vector<FilterChainMatcher::Conflict> conflicts;
    spec_.matcher = FilterChainMatcher(rules, conflicts);
  }
  static FilterChainRule from(const std::string& address) {
    FilterChainRule rule;
    rule.source_prefixes.push_back(*IpPrefix::create(address, 32));
    return rule;
  }

  /** Gives the handler the listener as it is in spec_, with a new socket or the one that it has. */
  void apply(bool new_socket, bool keep = true) {
    ListenerAssignment assignment;
    assignment.listener = 7;
    assignment.spec = std::make_shared<const ListenerSpec>(spec_);
    if (keep && set_ > 0) {
      assignment.kept_sets.push_back(set_);
    }
    if (new_socket) {
      absl::StatusOr<net::Socket> socket = net::bindListenSocket(options_);
      ASSERT_TRUE(socket.ok()) << socket.status().message();
      ASSERT_TRUE(net::startListening(*socket, options_, spec_.backlog).ok());
      address_ = *net::localAddress(*socket);
      assignment.new_sockets.push_back({++set_, *std::move(socket), address_, exact_local_, hands_on_});
    }
    handler_.apply(std::move(assignment));
  }

  /** Turns of the loop until `done`; fails after ten seconds. */
  testing::AssertionResult until(const std::function<bool()>& done) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!done()) {
      if (std::chrono::steady_clock::now() > end) {
        return testing::AssertionFailure() << "it does not happen";
      }
      dispatcher_.run(event::Dispatcher::RunType::NonBlock);
    }
    return testing::AssertionSuccess();
  }
  std::string read(Client& client) {
    return until([&] { return client.readable(); }) ? client.read() : "(nothing)";
  }
  std::string ask(Client& client, const std::string& text) {
    return client.send(text) ? read(client) : "(cannot send)";
  }

  /** The handler's own descriptor of the listening socket; -1 if there is none. */
  int listeningDescriptor() const {
    for (int fd = 3; fd < 256; ++fd) {
      int listens = 0;
      socklen_t length = sizeof(listens);
      sockaddr_storage storage;
      socklen_t size = sizeof(storage);
      if (::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &length) == 0 && listens == 1 &&
          ::getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &size) == 0 &&
          net::Address::fromSockaddr(reinterpret_cast<sockaddr*>(&storage), size) == address_) {
        return fd;
      }
    }
    return -1;
  }

  uint64_t counter(const std::string& name) { return store_.counterValue("listener.x." + name); }
  uint64_t gauge(const std::string& name) { return store_.gaugeValue("listener.x." + name); }

  // AcceptedSocketRouter
  uint32_t workerCount() const override { return 2; }
  void handOn(uint32_t worker, HandedSocket socket) override {
    EXPECT_EQ(worker, 1u);
    handed_.push_back(std::move(socket));
  }

  stats::Store store_;
  event::LibeventDispatcher dispatcher_{"worker_0"};
  ConnectionLimit limit_;
  ConnectionHandler handler_{dispatcher_, 0, limit_, *this};
  net::ListenSocketOptions options_;
  bool exact_local_ = true;
  bool hands_on_ = false;
  ListenerSpec spec_;
  net::Address address_;
  uint64_t set_ = 0;
  std::deque<HandedSocket> handed_;
  TestListenerFilter::Script script_;
};

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

TEST_F(ConnectionHandlerTest, ListenerFiltersPeekAndLeaveTheBytes) {
  script_.wants = 4;
  spec_.listener_filters.push_back(std::make_shared<const TestListenerFilterConfig>(script_));
  apply(true);
  Client client(address_);
  ASSERT_TRUE(client.send("ab"));
  ASSERT_TRUE(until([&] { return script_.seen.size() == 1; }));
  EXPECT_EQ(gauge("downstream_pre_cx_active"), 1u);
  EXPECT_EQ(limit_.open(), 1u);
  ASSERT_TRUE(client.send("cd"));
  // The greeting and the answer to the four bytes, which the filter left in the socket.
  std::string got;
  ASSERT_TRUE(until([&] { return (client.readable() && !(got += client.read()).empty(), got == "Aone"); }));
  EXPECT_EQ(script_.seen, (std::vector<std::string>{"ab", "abcd"}));
  EXPECT_EQ(gauge("downstream_pre_cx_active"), 0u);
}

TEST_F(ConnectionHandlerTest, AListenerFilterMayTakeBytesOut) {
  script_.wants = 4;
  script_.consumes = 4;
  spec_.listener_filters.push_back(std::make_shared<const TestListenerFilterConfig>(script_));
  apply(true);
  Client client(address_);
  ASSERT_TRUE(client.send("head"));
  EXPECT_EQ(read(client), "A");
  dispatcher_.run(event::Dispatcher::RunType::NonBlock);
  EXPECT_FALSE(client.readable());
}

TEST_F(ConnectionHandlerTest, AListenerFilterMayPauseAndGoOnOrRefuse) {
  script_.pauses = true;
  spec_.listener_filters.push_back(std::make_shared<const TestListenerFilterConfig>(script_));
  apply(true);
  Client good(address_);
  Client bad(address_);
  ASSERT_TRUE(until([&] { return script_.paused.size() == 2; }));
  EXPECT_EQ(gauge("downstream_pre_cx_active"), 2u);
  script_.paused[0]->continueFilterChain(true);
  script_.paused[1]->continueFilterChain(false);
  EXPECT_EQ(read(good), "A");
  EXPECT_EQ(read(bad), "");
}

TEST_F(ConnectionHandlerTest, APeerThatEndsInTheListenerFiltersIsCounted) {
  script_.wants = 4;
  spec_.listener_filters.push_back(std::make_shared<const TestListenerFilterConfig>(script_));
  apply(true);
  Client client(address_);
  ASSERT_TRUE(client.send("ab"));
  ::shutdown(client.fd(), SHUT_WR);
  EXPECT_EQ(read(client), "");
  EXPECT_EQ(counter("downstream_listener_filter_remote_close"), 1u);
  EXPECT_EQ(script_.seen.back(), "ab$");
}

TEST_F(ConnectionHandlerTest, ListenerFiltersHaveATimeout) {
  script_.wants = 4;
  spec_.listener_filters.push_back(std::make_shared<const TestListenerFilterConfig>(script_));
  spec_.listener_filters_timeout = milliseconds(20);
  apply(true);
  Client refused(address_);
  EXPECT_EQ(read(refused), "");
  EXPECT_EQ(counter("downstream_pre_cx_timeout"), 1u);
  spec_.continue_on_listener_filters_timeout = true;
  apply(false);
  Client goes_on(address_);
  EXPECT_EQ(read(goes_on), "A");
  EXPECT_EQ(counter("downstream_pre_cx_timeout"), 2u);
}

TEST_F(ConnectionHandlerTest, AClosingListenerRefusesWhatItsFiltersHold) {
  script_.pauses = true;
  spec_.listener_filters.push_back(std::make_shared<const TestListenerFilterConfig>(script_));
  apply(true);
  Client client(address_);
  ASSERT_TRUE(until([&] { return !script_.paused.empty(); }));
  handler_.stopAccepting(7);
  bool drained = false;
  handler_.drainListener(7, [&] { drained = true; });
  EXPECT_FALSE(drained);
  handler_.closeListener(7);
  EXPECT_TRUE(drained);
  EXPECT_EQ(read(client), "");
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
