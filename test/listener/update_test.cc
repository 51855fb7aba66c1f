// Real listeners on real threads: what an update, a removal and the end of the workers do to connections held open.

#include <dirent.h>

#include <atomic>
#include <thread>

#include "gtest/gtest.h"

#include "source/event/libevent_dispatcher.h"
#include "source/listener/listener_manager.h"
#include "source/listener/worker.h"
#include "source/stats/store.h"
#include "test/listener/test_listener.h"

namespace sluice::listener {
namespace {

using test::addChain;
using test::addSay;
using test::Client;
using test::makeListener;
using test::toResource;
using test::v3::Listener;

class UpdateTest : public testing::Test {
 protected:
  explicit UpdateTest(std::chrono::milliseconds drain_time = std::chrono::milliseconds(0), uint32_t workers = 2)
      : pool_(
            workers, main_, [](const std::string& name) { return std::make_unique<event::LibeventDispatcher>(name); },
            process_limit_) {
    factories_.network.push_back(std::make_unique<test::SayFactory>());
    ListenerManagerOptions options;
    options.drain_time = drain_time;
    manager_ = std::make_unique<ListenerManager>(main_, pool_, builder_, process_limit_,
                                                 std::make_shared<const runtime::Snapshot>(), *store_.root(),
                                                 server_init_, options);
    server_init_.initialize([] {});
    bool started = false;
    pool_.start({}, [&] { manager_->startWorkers([&] { started = true; }); });
    EXPECT_TRUE(until([&] { return started; }));
  }
  ~UpdateTest() override {
    pool_.stop();
    main_.run(event::Dispatcher::RunType::NonBlock);
    manager_.reset();
    main_.run(event::Dispatcher::RunType::NonBlock);
    EXPECT_EQ(process_limit_.open(), 0u);
  }

  testing::AssertionResult until(const std::function<bool()>& done) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!done()) {
      if (std::chrono::steady_clock::now() > end) {
        return testing::AssertionFailure() << "it does not happen";
      }
      main_.run(event::Dispatcher::RunType::NonBlock);
      std::this_thread::yield();
    }
    return testing::AssertionSuccess();
  }
  /** Gives the listener to the manager and waits until every worker has it and what drains is gone. */
  void add(const Listener& listener) {
    const uint64_t before = gauge("listener_create_success", true);
    const ListenerVerdict verdict = manager_->addOrUpdate(toResource(listener));
    ASSERT_EQ(verdict.kind, ListenerVerdict::Kind::Accepted) << verdict.violations.toString();
    ASSERT_TRUE(until([&] { return gauge("listener_create_success", true) > before; }));
    ASSERT_TRUE(until([&] { return gauge("total_filter_chains_draining") == 0; }));
  }
  uint64_t gauge(const std::string& name, bool counter = false) {
    const std::string full = "listener_manager." + name;
    return counter ? store_.counterValue(full) : store_.gaugeValue(full);
  }
  net::Address addressOf(const std::string& name) { return manager_->view(name)->addresses.at(0); }

  stats::Store store_;
  event::LibeventDispatcher main_{"main_thread"};
  ConnectionLimit process_limit_;
  WorkerPool pool_;
  FilterFactories factories_;
  test::CountingLoggers loggers_;
  ListenerBuilder builder_{main_, factories_, loggers_};
  xds::InitManager server_init_{"server"};
  std::unique_ptr<ListenerManager> manager_;
};

/** A kind of change, and what becomes of a connection of the chain "one" and of one of the chain "two". */
struct Change {
  const char* name;
  void (*make)(Listener&);
  bool keeps_one;
  bool keeps_two;
};

Listener base() {
  Listener listener = makeListener("l");
  addChain(listener, "one", "127.0.0.1", "A", "live");
  addChain(listener, "two", "127.0.0.2", "A", "live");
  return listener;
}

const Change kChanges[] = {
    {"nothing_of_substance", [](Listener& l) { l.mutable_per_connection_buffer_limit_bytes()->set_value(70000); }, true,
     true},
    {"live_part_of_a_filter",
     [](Listener& l) {
       l.mutable_filter_chains(0)->clear_filters();
       addSay(*l.mutable_filter_chains(0), "A", "new");
     },
     true, true},
    {"listener_metadata", [](Listener& l) { (*l.mutable_metadata()->mutable_filter_metadata())["x"]; }, true, true},
    {"chain_metadata",
     [](Listener& l) { (*l.mutable_filter_chains(0)->mutable_metadata()->mutable_filter_metadata())["x"]; }, true,
     true},
    {"order_of_chains", [](Listener& l) { l.mutable_filter_chains()->SwapElements(0, 1); }, true, true},
    {"name_of_a_chain", [](Listener& l) { l.mutable_filter_chains(0)->set_name("uno"); }, true, true},
    {"match_of_a_chain",
     [](Listener& l) {
       l.mutable_filter_chains(0)->mutable_filter_chain_match()->mutable_source_prefix_ranges(0)->set_address_prefix(
           "127.0.0.7");
     },
     true, true},
    {"new_chain", [](Listener& l) { addChain(l, "three", "127.0.0.3", "A"); }, true, true},
    {"new_default_chain", [](Listener& l) { addSay(*l.mutable_default_filter_chain(), "D"); }, true, true},
    {"chain_removed", [](Listener& l) { l.mutable_filter_chains()->RemoveLast(); }, true, false},
    {"structure_of_the_other_chain",
     [](Listener& l) {
       l.mutable_filter_chains(1)->clear_filters();
       addSay(*l.mutable_filter_chains(1), "B");
     },
     true, false},
    {"structure_of_both",
     [](Listener& l) {
       l.clear_filter_chains();
       addChain(l, "one", "127.0.0.1", "B");
       addChain(l, "two", "127.0.0.2", "B");
     },
     false, false},
    {"structures_swapped",
     [](Listener& l) {
       l.clear_filter_chains();
       addChain(l, "one", "127.0.0.1", "B");
       addChain(l, "two", "127.0.0.2", "A", "live");
     },
     false, true},
    {"filters_left_out", [](Listener& l) { l.mutable_filter_chains(1)->clear_filters(); }, true, false},
    {"access_log", [](Listener& l) { l.add_access_log()->set_name("x"); }, true, true},
    {"stat_prefix", [](Listener& l) { l.set_stat_prefix("other"); }, true, true},
    {"backlog", [](Listener& l) { l.mutable_tcp_backlog_size()->set_value(3); }, true, true},
    {"accepts_per_event", [](Listener& l) { l.mutable_max_connections_to_accept_per_socket_event()->set_value(9); },
     true, true},
    {"listener_filters_timeout", [](Listener& l) { l.mutable_listener_filters_timeout()->set_seconds(3); }, true, true},
    {"global_limit", [](Listener& l) { l.set_ignore_global_conn_limit(true); }, true, true},
    {"direction", [](Listener& l) { l.set_traffic_direction(envoy::config::core::v3::OUTBOUND); }, true, true},
    {"more_addresses",
     [](Listener& l) {
       auto& address = *l.add_additional_addresses()->mutable_address()->mutable_socket_address();
       address.set_address("127.0.0.1");
       address.set_port_value(0);
     },
     true, true},
    {"socket_options", [](Listener& l) { l.mutable_freebind()->set_value(true); }, true, true},
    {"address", [](Listener& l) { l.mutable_address()->mutable_socket_address()->set_address("127.0.0.5"); }, true,
     true},
};

class UpdateMatrixTest : public UpdateTest, public testing::WithParamInterface<Change> {};

TEST_P(UpdateMatrixTest, DisturbsNoConnectionButThoseItConcerns) {
  const Change& change = GetParam();
  Listener listener = base();
  add(listener);
  Client one(addressOf("l"), "127.0.0.1");
  Client two(addressOf("l"), "127.0.0.2");
  ASSERT_EQ(one.read() + two.read(), "AA");
  change.make(listener);
  add(listener);
  if (change.keeps_one) {
    EXPECT_EQ(one.ask("x"), std::string(change.name) == "live_part_of_a_filter" ? "new" : "live");
  } else {
    EXPECT_EQ(one.read(), "");
  }
  if (change.keeps_two) {
    EXPECT_EQ(two.ask("x"), "live");
  } else {
    EXPECT_EQ(two.read(), "");
  }
  if (listener.filter_chains(0).filter_chain_match().source_prefix_ranges(0).address_prefix() == "127.0.0.1") {
    Client again(addressOf("l"), "127.0.0.1");
    EXPECT_FALSE(again.read().empty());
  }
}

INSTANTIATE_TEST_SUITE_P(Each, UpdateMatrixTest, testing::ValuesIn(kChanges),
                         [](const auto& info) { return std::string(info.param.name); });

TEST_F(UpdateTest, ManyUpdatesUnderLoadLoseNothing) {
  Listener listener = base();
  add(listener);
  Client held(addressOf("l"), "127.0.0.1");
  ASSERT_EQ(held.read(), "A");
  auto descriptors = [] {
    DIR* folder = ::opendir("/proc/self/fd");
    int count = 0;
    while (::readdir(folder) != nullptr) {
      ++count;
    }
    ::closedir(folder);
    return count;
  };
  const int before = descriptors();
  std::atomic<bool> stop{false};
  std::atomic<int> served{0};
  std::atomic<int> failed{0};
  std::thread load([&, address = addressOf("l")] {
    while (!stop) {
      Client client(address, "127.0.0.1");
      (client.read() == "A" ? served : failed).fetch_add(1);
    }
  });
  int updates = 0;
  for (; updates < 200 || served < 100; ++updates) {
    listener.clear_filter_chains();
    addChain(listener, "one", "127.0.0.1", "A", "live" + std::to_string(updates));
    addChain(listener, "two", "127.0.0.2", "B" + std::to_string(updates % 3));
    add(listener);
  }
  stop = true;
  load.join();
  EXPECT_EQ(failed, 0);
  EXPECT_EQ(held.ask("x"), "live" + std::to_string(updates - 1));
  EXPECT_EQ(gauge("listener_in_place_updated", true), static_cast<uint64_t>(updates));
  EXPECT_TRUE(until([&] { return descriptors() <= before; }));
}

TEST_F(UpdateTest, MovingToAnotherSocketUnderLoadLosesNothing) {
  // With reuse_port the new sockets stand beside the old ones, whose queues are emptied before they go.
  Listener listener = base();
  add(listener);
  const net::Address address = addressOf("l");
  listener.mutable_address()->mutable_socket_address()->set_port_value(address.port());
  std::atomic<bool> stop{false};
  std::atomic<int> served{0};
  std::atomic<int> failed{0};
  std::thread load([&] {
    while (!stop) {
      Client client(address, "127.0.0.1");
      (client.read() == "A" ? served : failed).fetch_add(1);
    }
  });
  for (int i = 0; i < 30; ++i) {
    EXPECT_TRUE(until([&] { return served + failed >= 3 * i; }));
    listener.mutable_freebind()->set_value(i % 2 == 0);
    add(listener);
  }
  stop = true;
  load.join();
  // What finishes its handshake between the last accept and the close is lost: next to nothing.
  EXPECT_LE(failed, 6);
}

TEST_F(UpdateTest, ARemovedListenersConnectionsEndWithTheDrainTime) {
  add(base());
  const net::Address address = addressOf("l");
  Client client(address, "127.0.0.1");
  ASSERT_EQ(client.read(), "A");
  manager_->remove("l");
  ASSERT_TRUE(until([&] { return gauge("total_listeners_draining") == 0; }));
  EXPECT_EQ(client.read(), "");
  EXPECT_FALSE(Client(address).connected());
}

class LongDrainTest : public UpdateTest {
 protected:
  LongDrainTest() : UpdateTest(std::chrono::hours(1)) {}
};

TEST_F(LongDrainTest, ARemovedListenersConnectionsGoOnMeanwhile) {
  add(base());
  const net::Address address = addressOf("l");
  Client client(address, "127.0.0.1");
  ASSERT_EQ(client.read(), "A");
  manager_->remove("l");
  ASSERT_TRUE(until([&] { return !manager_->closesSockets(); }));
  EXPECT_FALSE(Client(address).connected());
  EXPECT_EQ(client.ask("x"), "live");
  EXPECT_EQ(gauge("total_listeners_draining"), 1u);
  client.close();
  // With its last connection it is gone, long before the drain time.
  EXPECT_TRUE(until([&] { return gauge("total_listeners_draining") == 0; }));
}

TEST_F(LongDrainTest, StoppingWithConnectionsOfAllKindsIsClean) {
  Listener listener = base();
  add(listener);
  Client current(addressOf("l"), "127.0.0.1");
  Client draining(addressOf("l"), "127.0.0.2");
  ASSERT_EQ(current.read() + draining.read(), "AA");
  listener.mutable_filter_chains(1)->clear_filters();
  addSay(*listener.mutable_filter_chains(1), "B");
  ASSERT_EQ(manager_->addOrUpdate(toResource(listener)).kind, ListenerVerdict::Kind::Accepted);
  Listener other = makeListener("other");
  addChain(other, "", "", "C");
  ASSERT_EQ(manager_->addOrUpdate(toResource(other)).kind, ListenerVerdict::Kind::Accepted);
  manager_->remove("other");
  pool_.stop();
  EXPECT_EQ(current.read(), "");
  EXPECT_EQ(draining.read(), "");
}

class UnixTest : public UpdateTest {
 protected:
  UnixTest() : UpdateTest(std::chrono::milliseconds(0), 3) {}
};

TEST_F(UnixTest, AllWorkersShareAUnixSocket) {
  Listener listener;
  listener.set_name("l");
  listener.set_stat_prefix("unix");
  const std::string path = "@sluice-update-test-" + std::to_string(::getpid());
  listener.mutable_address()->mutable_pipe()->set_path(path);
  addSay(*listener.add_filter_chains(), "A", "live");
  add(listener);
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 9; ++i) {
    clients.push_back(std::make_unique<Client>(*net::Address::pipe(path)));
    EXPECT_EQ(clients.back()->read(), "A");
  }
  for (int worker = 0; worker < 3; ++worker) {
    EXPECT_EQ(store_.counterValue("listener.unix.worker_" + std::to_string(worker) + ".downstream_cx_total"), 3u);
  }
  // An update keeps the very socket.
  listener.mutable_filter_chains(0)->set_name("front");
  add(listener);
  for (auto& client : clients) {
    EXPECT_EQ(client->ask("x"), "live");
  }
  // Removed, it serves what was accepted and then goes.
  manager_->remove("l");
  EXPECT_TRUE(until([&] { return gauge("total_listeners_draining") == 0; }));
  EXPECT_FALSE(Client(*net::Address::pipe(path)).connected());
}

TEST_F(UnixTest, Ipv4ClientsOfAnIpv6SocketAreToldAsIpv4) {
  Listener listener = makeListener("l", 0, "::");
  listener.mutable_address()->mutable_socket_address()->set_ipv4_compat(true);
  addChain(listener, "v4", "127.0.0.1", "four");
  addSay(*listener.mutable_default_filter_chain(), "other");
  add(listener);
  const uint16_t port = addressOf("l").port();
  EXPECT_EQ(Client(*net::Address::ip("127.0.0.1", port)).read(), "four");
  Client six(*net::Address::ip("::1", port));
  if (six.connected()) {
    EXPECT_EQ(six.read(), "other");
  }
}

TEST_F(UnixTest, WithoutReusePortAllWorkersShareOneSocket) {
  Listener listener = makeListener("l");
  listener.mutable_enable_reuse_port()->set_value(false);
  addSay(*listener.add_filter_chains(), "A");
  add(listener);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(Client(addressOf("l")).read(), "A");
  }
  manager_->remove("l");
  EXPECT_TRUE(until([&] { return gauge("total_listeners_draining") == 0; }));
}

}  // namespace
}  // namespace sluice::listener
