#pragma once

#include <deque>
#include <string>

#include "gtest/gtest.h"

#include "source/event/libevent_dispatcher.h"
#include "source/listener/connection_handler.h"
#include "source/net/raw_transport_socket.h"
#include "source/stats/store.h"
#include "test/listener/test_listener.h"
#include "test/support/turn_until.h"

// A connection handler on a real loop and real sockets, with one listener.

namespace sluice::listener {

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
    /** What it wants once it has seen what it wanted. */
    size_t grows_to = 0;
    /** The destination that it restores. */
    net::Address restores;
    bool wants_all = true;
    std::vector<std::string> seen;
    std::vector<net::ListenerFilterCallbacks*> paused;
  };
  explicit TestListenerFilter(Script& script) : script_(script) {}
  net::FilterStatus onAccept(net::ListenerFilterCallbacks& callbacks) override {
    if (script_.restores.isIp()) {
      callbacks.streamInfo().downstream_local = script_.restores;
      callbacks.streamInfo().makeExtras().local_address_restored = true;
    }
    if (script_.pauses) {
      script_.paused.push_back(&callbacks);
      return net::FilterStatus::StopIteration;
    }
    return script_.wants > 0 ? net::FilterStatus::StopIteration : net::FilterStatus::Continue;
  }
  size_t maxReadBytes() const override { return script_.pauses ? 0 : script_.wants; }
  net::FilterStatus onData(absl::string_view peeked, bool end_stream, size_t& consumed) override {
    script_.seen.push_back(std::string(peeked) + (end_stream ? "$" : ""));
    if (peeked.size() == script_.wants && script_.grows_to > script_.wants) {
      script_.wants = script_.grows_to;
      return net::FilterStatus::StopIteration;
    }
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

  /** The listener with a filter that does what script_ says. */
  void applyWithListenerFilter(std::shared_ptr<const ListenerFilterPredicate> disabled = nullptr) {
    spec_.listener_filters.push_back({std::make_shared<const TestListenerFilterConfig>(script_), std::move(disabled)});
    apply(true);
  }

  bool until(const std::function<bool()>& done) { return test::turnUntil(dispatcher_, done); }
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

}  // namespace sluice::listener
