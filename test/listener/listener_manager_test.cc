#include "source/listener/listener_manager.h"

#include <cstdio>
#include <fstream>

#include "gtest/gtest.h"

#include "source/stats/store.h"
#include "test/listener/fake_workers.h"
#include "test/listener/test_listener.h"
#include "test/support/fake_dispatcher.h"

namespace sluice::listener {
namespace {

using test::addChain;
using test::addSay;
using test::makeListener;
using test::toResource;
using Kind = ListenerVerdict::Kind;

class ListenerManagerTest : public testing::Test {
 protected:
  ListenerManagerTest() {
    auto say = std::make_unique<test::SayFactory>();
    say_ = say.get();
    factories_.network.push_back(std::move(say));
    makeManager({});
  }
  void makeManager(ListenerManagerOptions options) {
    options.drain_time = std::chrono::seconds(60);
    manager_.reset();
    manager_ = std::make_unique<ListenerManager>(main_, workers_, builder_, process_limit_, runtime_, *store_.root(),
                                                 server_init_, options);
  }

  void start() {
    server_init_.initialize([] {});
    bool started = false;
    manager_->startWorkers([&started] { started = true; });
    workers_.work();
    EXPECT_TRUE(started);
  }
  ListenerVerdict add(const test::v3::Listener& listener, const std::string& version = "v") {
    return manager_->addOrUpdate(toResource(listener, version));
  }
  Kind addAndWork(const test::v3::Listener& listener) {
    const Kind kind = add(listener).kind;
    workers_.work();
    return kind;
  }
  static std::string text(const ListenerVerdict& verdict) { return verdict.violations.toString(); }
  uint64_t counter(const std::string& name) { return store_.counterValue("listener_manager." + name); }
  uint64_t gauge(const std::string& name) { return store_.gaugeValue("listener_manager." + name); }
  uint16_t portOf(const std::string& name) { return manager_->view(name)->addresses.at(0).port(); }
  static test::v3::Listener simple(const std::string& name, const std::string& say = "A", uint32_t port = 0) {
    test::v3::Listener listener = makeListener(name, port);
    addChain(listener, "", "", say);
    return listener;
  }

  stats::Store store_;
  test::FakeDispatcher main_;
  test::FakeWorkers workers_;
  FilterFactories factories_;
  test::SayFactory* say_;
  test::CountingLoggers loggers_;
  ListenerBuilder builder_{main_, factories_, loggers_};
  ConnectionLimit process_limit_;
  std::shared_ptr<const runtime::Snapshot> runtime_ = std::make_shared<const runtime::Snapshot>();
  xds::InitManager server_init_{"server"};
  std::unique_ptr<ListenerManager> manager_;
};

TEST_F(ListenerManagerTest, AnEqualResourceWhoseFilesChangedIsAnUpdateInPlace) {
  start();
  const std::string path = testing::TempDir() + "/listener_manager_test.txt";
  std::ofstream(path) << "one";
  test::v3::Listener listener = makeListener("l");
  test::addSay(*listener.add_filter_chains(), "A", "", "live_file", path);
  ASSERT_EQ(addAndWork(listener), Kind::Accepted);
  ASSERT_EQ(addAndWork(listener), Kind::Accepted);
  EXPECT_EQ(counter("listener_modified"), 0u);
  std::ofstream(path) << "two";
  ASSERT_EQ(addAndWork(listener), Kind::Accepted);
  EXPECT_EQ(counter("listener_modified"), 1u);
  EXPECT_EQ(counter("listener_in_place_updated"), 1u);
  EXPECT_EQ(gauge("total_filter_chains_draining"), 0u);
  ASSERT_EQ(addAndWork(listener), Kind::Accepted);
  EXPECT_EQ(counter("listener_modified"), 1u);
  ASSERT_EQ(remove(path.c_str()), 0);
  const ListenerVerdict gone = add(listener);
  EXPECT_EQ(gone.kind, Kind::Refused);
  EXPECT_NE(text(gone).find(path), std::string::npos) << text(gone);
}

TEST_F(ListenerManagerTest, AddsAListenerAndSaysSo) {
  start();
  ASSERT_EQ(add(simple("l")).kind, Kind::Accepted);
  EXPECT_EQ(counter("listener_create_success"), 0u);
  workers_.work();
  EXPECT_EQ(counter("listener_create_success"), 2u);
  EXPECT_EQ(counter("listener_added"), 1u);
  EXPECT_EQ(gauge("total_listeners_active"), 1u);
  EXPECT_EQ(gauge("total_listeners_warming"), 0u);
  EXPECT_NE(portOf("l"), 0);
  EXPECT_EQ(manager_->names(), std::vector<std::string>{"l"});
  EXPECT_EQ(workers_.byName("l").sockets.size(), 1u);
}

TEST_F(ListenerManagerTest, StartsTheWorkersWithWhatThereIs) {
  config::Violations violations;
  auto listener = std::make_shared<test::v3::Listener>(simple("static"));
  manager_->addStatic(listener, config::FieldPath("static_resources.listeners[0]"), violations);
  auto unnamed = std::make_shared<test::v3::Listener>(simple(""));
  manager_->addStatic(unnamed, config::FieldPath("static_resources.listeners[1]"), violations);
  EXPECT_TRUE(violations.empty()) << violations.toString();
  // They hold up the server's start, and no worker hears of them before.
  EXPECT_EQ(gauge("total_listeners_warming"), 2u);
  bool initialized = false;
  server_init_.initialize([&] { initialized = true; });
  EXPECT_TRUE(initialized);
  EXPECT_EQ(gauge("total_listeners_active"), 2u);
  EXPECT_TRUE(workers_.listeners.empty());
  bool started = false;
  manager_->startWorkers([&] { started = true; });
  EXPECT_FALSE(started);
  EXPECT_EQ(gauge("workers_started"), 0u);
  workers_.work();
  EXPECT_TRUE(started);
  EXPECT_EQ(gauge("workers_started"), 1u);
  EXPECT_EQ(workers_.listeners.size(), 2u);
  EXPECT_FALSE(manager_->view("static")->dynamic);
  EXPECT_TRUE(manager_->view("static_resources.listeners[1]").has_value());
}

TEST_F(ListenerManagerTest, StartsWorkersWithoutListeners) { start(); }

TEST_F(ListenerManagerTest, AWaitingListenerHoldsUpTheServersStart) {
  test::v3::Listener listener = makeListener("l");
  addSay(*listener.add_filter_chains(), "A", "", "wait", "a secret");
  ASSERT_EQ(add(listener).kind, Kind::Accepted);
  bool initialized = false;
  server_init_.initialize([&] { initialized = true; });
  EXPECT_FALSE(initialized);
  say_->waiting[0]->ready();
  EXPECT_TRUE(initialized);
  EXPECT_EQ(gauge("total_listeners_active"), 1u);
}

TEST_F(ListenerManagerTest, AnEqualResourceIsNoUpdate) {
  start();
  ASSERT_EQ(addAndWork(simple("l")), Kind::Accepted);
  ASSERT_EQ(addAndWork(simple("l")), Kind::Accepted);
  EXPECT_EQ(counter("listener_modified"), 0u);
  EXPECT_EQ(workers_.byName("l").applied, 1u);
}

TEST_F(ListenerManagerTest, AnUpdateKeepsTheSocketsAndDrainsWhatChanged) {
  start();
  test::v3::Listener listener = makeListener("l");
  addChain(listener, "one", "127.0.0.1", "A");
  addChain(listener, "two", "127.0.0.2", "A");
  addAndWork(listener);
  const uint16_t port = portOf("l");
  const int fd = workers_.byName("l").sockets.begin()->second.fd();
  const uint64_t one = workers_.byName("l").spec->chains[0]->id;
  const uint64_t two = workers_.byName("l").spec->chains[1]->id;

  listener.clear_filter_chains();
  addChain(listener, "two", "127.0.0.2", "B");
  addChain(listener, "one", "127.0.0.1", "A", "live");
  addAndWork(listener);
  EXPECT_EQ(portOf("l"), port);
  EXPECT_EQ(workers_.byName("l").sockets.begin()->second.fd(), fd);
  EXPECT_EQ(workers_.byName("l").spec->chains[1]->id, one);
  EXPECT_NE(workers_.byName("l").spec->chains[0]->id, two);
  EXPECT_EQ(counter("listener_modified"), 1u);
  EXPECT_EQ(counter("listener_in_place_updated"), 1u);
  EXPECT_EQ(gauge("total_filter_chains_draining"), 1u);
  ASSERT_EQ(workers_.draining_chains.size(), 1u);
  EXPECT_EQ(workers_.draining_chains[0].chains, std::vector<uint64_t>{two});

  main_.advance(std::chrono::seconds(59));
  EXPECT_TRUE(workers_.closed_chains.empty());
  main_.advance(std::chrono::seconds(1));
  ASSERT_EQ(workers_.closed_chains.size(), 1u);
  EXPECT_EQ(workers_.closed_chains[0].second, std::vector<uint64_t>{two});
  EXPECT_EQ(gauge("total_filter_chains_draining"), 1u);
  workers_.draining_chains[0].done();
  EXPECT_EQ(gauge("total_filter_chains_draining"), 0u);
}

TEST_F(ListenerManagerTest, AnUpdateThatIsTakenBackKeepsWhatDrains) {
  start();
  addAndWork(simple("l", "A"));
  const uint64_t a = workers_.byName("l").spec->chains[0]->id;
  addAndWork(simple("l", "B"));
  EXPECT_EQ(gauge("total_filter_chains_draining"), 1u);
  addAndWork(simple("l", "A"));
  EXPECT_EQ(workers_.byName("l").spec->chains[0]->id, a);
  // Now B's drains, and A's does not.
  EXPECT_EQ(gauge("total_filter_chains_draining"), 1u);
  main_.advance(std::chrono::seconds(60));
  for (const auto& [listener, chains] : workers_.closed_chains) {
    for (uint64_t chain : chains) {
      EXPECT_NE(chain, a);
    }
  }
}

TEST_F(ListenerManagerTest, AChainWhoseTimeIsUpIsNotTakenBack) {
  start();
  addAndWork(simple("l", "A"));
  const uint64_t a = workers_.byName("l").spec->chains[0]->id;
  addAndWork(simple("l", "B"));
  main_.advance(std::chrono::seconds(60));
  addAndWork(simple("l", "A"));
  EXPECT_NE(workers_.byName("l").spec->chains[0]->id, a);
}

TEST_F(ListenerManagerTest, ANewAddressTakesNewSockets) {
  start();
  addAndWork(simple("l", "A"));
  const uint64_t chain = workers_.byName("l").spec->chains[0]->id;
  test::v3::Listener moved = simple("l", "A");
  moved.mutable_address()->mutable_socket_address()->set_address("127.0.0.2");
  const int old_fd = workers_.byName("l").sockets.begin()->second.fd();
  addAndWork(moved);
  EXPECT_EQ(manager_->view("l")->addresses[0].ipString(), "127.0.0.2");
  ASSERT_EQ(workers_.byName("l").sockets.size(), 1u);
  EXPECT_NE(workers_.byName("l").sockets.begin()->second.fd(), old_fd);
  // Its connections do not care where they came in.
  EXPECT_EQ(workers_.byName("l").spec->chains[0]->id, chain);
  EXPECT_EQ(counter("listener_in_place_updated"), 0u);
  EXPECT_EQ(gauge("total_filter_chains_draining"), 0u);
}

TEST_F(ListenerManagerTest, AdditionalAddressesAreBoundAndKeptEachForItself) {
  start();
  test::v3::Listener listener = simple("l");
  auto* more = listener.add_additional_addresses()->mutable_address()->mutable_socket_address();
  more->set_address("127.0.0.1");
  more->set_port_value(0);
  addAndWork(listener);
  const auto before = manager_->view("l")->addresses;
  ASSERT_EQ(before.size(), 2u);
  EXPECT_NE(before[0].port(), before[1].port());
  addSay(*listener.mutable_default_filter_chain(), "D");
  addAndWork(listener);
  EXPECT_EQ(manager_->view("l")->addresses, before);
  listener.clear_additional_addresses();
  addAndWork(listener);
  EXPECT_EQ(manager_->view("l")->addresses, std::vector<net::Address>{before[0]});
  EXPECT_EQ(workers_.byName("l").sockets.size(), 1u);
}

TEST_F(ListenerManagerTest, RefusesAnAddressOfAnotherListener) {
  start();
  addAndWork(simple("left"));
  const ListenerVerdict verdict = add(simple("right", "A", portOf("left")));
  EXPECT_EQ(verdict.kind, Kind::AddressTaken);
  EXPECT_NE(text(verdict).find("duplicate address"), std::string::npos) << text(verdict);
  EXPECT_NE(text(verdict).find("'left'"), std::string::npos) << text(verdict);
  EXPECT_FALSE(manager_->view("right").has_value());
  // One that binds nothing may name any address.
  test::v3::Listener unbound = simple("right", "A", portOf("left"));
  unbound.mutable_bind_to_port()->set_value(false);
  EXPECT_EQ(add(unbound).kind, Kind::Accepted);
  workers_.work();
  EXPECT_TRUE(workers_.byName("right").sockets.empty());
}

TEST_F(ListenerManagerTest, APortInUseIsPartOfTheVerdict) {
  start();
  net::ListenSocketOptions options;
  options.address = *net::Address::ip("127.0.0.1", 0);
  options.reuse_port = false;
  const net::Socket holder = *net::bindListenSocket(options);
  ASSERT_TRUE(net::startListening(holder, options, 1).ok());
  const uint16_t port = net::localAddress(holder)->port();
  const ListenerVerdict verdict = add(simple("l", "A", port));
  EXPECT_EQ(verdict.kind, Kind::AddressTaken);
  EXPECT_NE(text(verdict).find("address: cannot bind '127.0.0.1:" + std::to_string(port) + "': Address already in use"),
            std::string::npos)
      << text(verdict);
}

TEST_F(ListenerManagerTest, AnAddressGivenUpIsFree) {
  start();
  addAndWork(simple("left"));
  const uint16_t port = portOf("left");
  addAndWork(simple("left", "A", 0));
  manager_->remove("left");
  EXPECT_EQ(addAndWork(simple("right", "A", port)), Kind::Accepted);
}

TEST_F(ListenerManagerTest, AListenerThatFailsToListenIsDroppedAndSaidSo) {
  start();
  test::v3::Listener listener = simple("l");
  auto* option = listener.add_socket_options();
  option->set_level(99999);
  option->set_name(1);
  option->set_int_value(1);
  option->set_state(envoy::config::core::v3::SocketOption::STATE_LISTENING);
  // The verdict comes before.
  EXPECT_EQ(addAndWork(listener), Kind::Accepted);
  EXPECT_EQ(counter("listener_create_failure"), 1u);
  EXPECT_EQ(gauge("total_listeners_active"), 0u);
  const std::optional<ListenerView> view = manager_->view("l");
  ASSERT_TRUE(view && view->failure);
  EXPECT_FALSE(view->active);
  EXPECT_NE(view->failure->details.find("99999/1"), std::string::npos) << view->failure->details;

  // An update that fails so leaves the old version serving.
  addAndWork(simple("other"));
  const uint16_t port = portOf("other");
  test::v3::Listener update = simple("other", "B");
  *update.add_socket_options() = *option;
  addAndWork(update);
  EXPECT_EQ(counter("listener_create_failure"), 2u);
  EXPECT_EQ(portOf("other"), port);
  EXPECT_EQ(workers_.byName("other").applied, 1u);
}

TEST_F(ListenerManagerTest, AWarmingVersionWaitsAndTheOldOneServes) {
  start();
  addAndWork(simple("l"));
  test::v3::Listener listener = makeListener("l");
  addSay(*listener.add_filter_chains(), "B", "", "wait", "a secret");
  ASSERT_EQ(add(listener, "v2").kind, Kind::Accepted);
  EXPECT_EQ(gauge("total_listeners_warming"), 1u);
  EXPECT_EQ(gauge("total_listeners_active"), 1u);
  const ListenerView view = *manager_->view("l");
  EXPECT_EQ(view.active->version, "v");
  EXPECT_EQ(view.warming->version, "v2");
  ASSERT_EQ(view.warming->waits_for.size(), 1u);
  EXPECT_EQ(view.warming->waits_for[0].target, "a secret");
  say_->waiting[0]->ready();
  workers_.work();
  EXPECT_EQ(gauge("total_listeners_warming"), 0u);
  EXPECT_EQ(manager_->view("l")->active->version, "v2");
  EXPECT_EQ(workers_.byName("l").applied, 2u);
}

TEST_F(ListenerManagerTest, ANewerVersionReplacesTheWarmingOne) {
  start();
  test::v3::Listener slow = makeListener("l");
  addSay(*slow.add_filter_chains(), "B", "", "wait", "a secret");
  ASSERT_EQ(add(slow).kind, Kind::Accepted);
  // The same again waits on.
  ASSERT_EQ(add(slow).kind, Kind::Accepted);
  EXPECT_EQ(say_->waiting.size(), 1u);
  ASSERT_EQ(addAndWork(simple("l", "C")), Kind::Accepted);
  EXPECT_EQ(gauge("total_listeners_warming"), 0u);
  say_->waiting[0]->ready();
  workers_.work();
  EXPECT_EQ(workers_.byName("l").applied, 1u);
}

TEST_F(ListenerManagerTest, BackToTheActiveVersionEndsTheWarming) {
  start();
  addAndWork(simple("l"));
  test::v3::Listener slow = makeListener("l");
  addSay(*slow.add_filter_chains(), "B", "", "wait", "a secret");
  add(slow);
  add(simple("l"));
  EXPECT_EQ(gauge("total_listeners_warming"), 0u);
  say_->waiting[0]->ready();
  workers_.work();
  EXPECT_EQ(workers_.byName("l").applied, 1u);
}

TEST_F(ListenerManagerTest, ARemovedListenerStopsDrainsAndGoes) {
  start();
  addAndWork(simple("l"));
  manager_->remove("l");
  EXPECT_TRUE(manager_->closesSockets());
  EXPECT_EQ(counter("listener_removed"), 1u);
  EXPECT_EQ(gauge("total_listeners_active"), 0u);
  EXPECT_EQ(gauge("total_listeners_draining"), 1u);
  EXPECT_TRUE(manager_->view("l")->draining.has_value());
  // Its connections drain once no worker can hand on another.
  EXPECT_TRUE(workers_.draining_listeners.empty());
  bool closed = false;
  manager_->whenSocketsClosed([&] { closed = true; });
  EXPECT_FALSE(closed);
  workers_.work();
  EXPECT_TRUE(closed);
  ASSERT_EQ(workers_.draining_listeners.size(), 1u);
  main_.advance(std::chrono::seconds(60));
  ASSERT_EQ(workers_.closed_listeners.size(), 1u);
  workers_.draining_listeners.begin()->second();
  EXPECT_EQ(gauge("total_listeners_draining"), 0u);
  EXPECT_FALSE(manager_->view("l").has_value());
}

TEST_F(ListenerManagerTest, AListenerMayComeBackWhileItsOldConnectionsDrain) {
  start();
  addAndWork(simple("l"));
  manager_->remove("l");
  workers_.work();
  ASSERT_EQ(addAndWork(simple("l")), Kind::Accepted);
  const ListenerView view = *manager_->view("l");
  EXPECT_TRUE(view.active && view.draining);
  EXPECT_EQ(manager_->names(), std::vector<std::string>{"l"});
}

TEST_F(ListenerManagerTest, TheBootstrapsListenersAreNotTheControlPlanes) {
  config::Violations violations;
  manager_->addStatic(std::make_shared<test::v3::Listener>(simple("l")), config::FieldPath("x"), violations);
  start();
  EXPECT_EQ(add(simple("l", "B")).kind, Kind::Accepted);
  workers_.work();
  EXPECT_EQ(workers_.byName("l").applied, 1u);
  manager_->remove("l");
  EXPECT_EQ(counter("listener_removed"), 0u);
  EXPECT_EQ(manager_->nextDynamicName(""), nullptr);
  manager_->addStatic(std::make_shared<test::v3::Listener>(simple("l", "C")), config::FieldPath("x"), violations);
  EXPECT_NE(violations.toString().find("there is another listener 'l'"), std::string::npos);
}

TEST_F(ListenerManagerTest, StopsAllOrInboundListeners) {
  start();
  addAndWork(simple("out"));
  test::v3::Listener in = simple("in");
  in.set_traffic_direction(envoy::config::core::v3::INBOUND);
  addAndWork(in);
  manager_->stopListeners(true);
  workers_.work();
  EXPECT_EQ(counter("listener_stopped"), 1u);
  EXPECT_TRUE(workers_.byName("in").spec == nullptr);
  EXPECT_EQ(workers_.byName("out").sockets.size(), 1u);
  // An update still reaches the connections, and listens on nothing.
  addChain(in, "more", "9.9.9.9", "B");
  addAndWork(in);
  manager_->stopListeners(false);
  workers_.work();
  EXPECT_EQ(counter("listener_stopped"), 2u);
  addAndWork(simple("later"));
  EXPECT_TRUE(workers_.byName("later").sockets.empty());
}

TEST_F(ListenerManagerTest, LimitsComeFromTheRuntime) {
  envoy::config::bootstrap::v3::LayeredRuntime layers;
  auto* layer = layers.add_layers();
  layer->set_name("static");
  auto& fields = *layer->mutable_static_layer()->mutable_fields();
  fields["envoy.resource_limits.listener.l.connection_limit"].set_number_value(7);
  fields["overload.global_downstream_max_connections"].set_number_value(70);
  config::Violations violations;
  runtime_ = runtime::Snapshot::create(layers, config::FieldPath("layered_runtime"), violations);
  makeManager({});
  start();
  EXPECT_EQ(process_limit_.limit(), 70u);
  addAndWork(simple("l"));
  EXPECT_EQ(workers_.byName("l").spec->limit->limit(), 7u);
  addAndWork(simple("l", "B"));
  EXPECT_EQ(workers_.byName("l").spec->limit->limit(), 7u);
  addAndWork(simple("other", "A", 2));
  EXPECT_EQ(workers_.byName("other").spec->limit->limit(), ConnectionLimit::kNone);
}

TEST_F(ListenerManagerTest, InValidateModeNothingIsBound) {
  ListenerManagerOptions options;
  options.open_sockets = false;
  makeManager(options);
  config::Violations violations;
  manager_->addStatic(std::make_shared<test::v3::Listener>(simple("a", "A", 1)), config::FieldPath("x"), violations);
  manager_->addStatic(std::make_shared<test::v3::Listener>(simple("b", "A", 0)), config::FieldPath("x"), violations);
  manager_->addStatic(std::make_shared<test::v3::Listener>(simple("c", "A", 0)), config::FieldPath("x"), violations);
  EXPECT_TRUE(violations.empty()) << violations.toString();
  manager_->addStatic(std::make_shared<test::v3::Listener>(simple("d", "A", 1)), config::FieldPath("x"), violations);
  EXPECT_NE(violations.toString().find("duplicate address"), std::string::npos);
}

TEST_F(ListenerManagerTest, SharedSocketsAndOtherOptionsAtOneAddress) {
  start();
  test::v3::Listener listener = simple("l");
  listener.mutable_enable_reuse_port()->set_value(false);
  addAndWork(listener);
  const uint16_t port = portOf("l");
  // The same address with another option cannot be bound beside the old socket.
  listener.mutable_address()->mutable_socket_address()->set_port_value(port);
  listener.mutable_freebind()->set_value(true);
  const ListenerVerdict verdict = add(listener);
  EXPECT_EQ(verdict.kind, Kind::Refused);
  EXPECT_NE(text(verdict).find("other socket options"), std::string::npos) << text(verdict);
  EXPECT_EQ(portOf("l"), port);
}

}  // namespace
}  // namespace sluice::listener
