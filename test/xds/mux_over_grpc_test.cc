// The mux over real gRPC streams against the scripted server.

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

#include "control_plane_mock/relay.h"
#include "control_plane_mock/server.h"
#include "source/event/libevent_dispatcher.h"
#include "source/stats/store.h"
#include "source/xds/api_config_source.h"
#include "source/xds/grpc_transport.h"
#include "source/xds/mux.h"
#include "test/xds/recording_watcher.h"
#include "test/xds/resources.h"

namespace sluice::xds {
namespace {

using control_plane_mock::Request;
using control_plane_mock::Server;
using envoy::config::cluster::v3::Cluster;
using envoy::config::endpoint::v3::ClusterLoadAssignment;
using std::chrono::milliseconds;
using test::cluster;
using test::RecordingWatcher;

/** How often the process's threads of this name have gone to sleep. */
int timesAsleep(const std::string& thread_name) {
  int times = 0;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::string name;
    std::getline(std::ifstream(task.path() / "comm"), name);
    std::ifstream status(task.path() / "status");
    for (std::string line; name == thread_name && std::getline(status, line);) {
      if (absl::StartsWith(line, "voluntary_ctxt_switches:")) {
        times += std::stoi(line.substr(line.find(':') + 1));
      }
    }
  }
  return times;
}

/** Has each turn of the loop be its last, so that a condition is looked at whenever something has happened. */
class TurnByTurn : public event::LoopObserver {
 public:
  explicit TurnByTurn(event::Dispatcher& dispatcher) : dispatcher_(dispatcher) { dispatcher_.setObserver(this); }
  ~TurnByTurn() override { dispatcher_.setObserver(nullptr); }
  void beforePoll() override {}
  void afterPoll() override { dispatcher_.exit(); }

 private:
  event::Dispatcher& dispatcher_;
};

class MuxOverGrpcTest : public ::testing::Test {
 protected:
  void SetUp() override { listen("127.0.0.1:0"); }

  void TearDown() override {
    subscription_.reset();
    mux_.reset();
  }

  void listen(const std::string& address) {
    auto server = Server::start(address);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    // What the server sees may be what a test waits for.
    server_->setObserver([this](const control_plane_mock::Event&) { main_.post([] {}); });
    ChannelTarget target;
    target.authority = "xds-cluster";
    if (server_->port() != 0) {
      target.endpoints.push_back({ChannelTarget::Endpoint::Kind::Ip, "127.0.0.1", server_->port()});
    } else {
      target.endpoints.push_back({ChannelTarget::Endpoint::Kind::UnixPath, server_->address().substr(5), 0});
    }
    auto maker = ChannelMaker::create(std::move(target));
    ASSERT_TRUE(maker.ok());
    channels_ = *std::move(maker);
  }

  /** Subscribes to all clusters; back-off is short so that tests are. */
  void connect() {
    envoy::config::core::v3::GrpcService service;
    service.mutable_envoy_grpc()->set_cluster_name("xds");
    auto* header = service.add_initial_metadata();
    header->set_key("X-Tenant");
    header->set_value("blue");
    Mux::Options options;
    options.node.set_id("me");
    options.set_node_on_first_message_only = true;
    options.stream.back_off_base = milliseconds(10);
    options.stream.back_off_max = milliseconds(100);
    mux_ = std::make_unique<Mux>(main_, *store_.root(), decoder_, random_,
                                 std::make_unique<GrpcTransport>(
                                     main_, grpc_, [this](const auto&) { return channels_->make(); }, service,
                                     aggregatedMethod(Variant::StateOfTheWorld)),
                                 "xds", options);
    subscription_ = mux_->subscribe(kClusterType, {}, "cluster_manager.cds.", milliseconds(0), watcher_);
  }

  /** Runs main until it is true; fails the test after a while. */
  template <class Condition>
  void runUntil(Condition condition) {
    bool late = false;
    auto patience = main_.createTimer([&late] { late = true; });
    patience->enable(Server::kPatience);
    while (!condition()) {
      ASSERT_FALSE(late) << "it never came to that";
      main_.run(event::Dispatcher::RunType::UntilExit);
    }
  }
  void runUntilAck(absl::string_view type, const std::string& version) {
    runUntil([&] { return server_->waitForAck(type, version, milliseconds(0)); });
  }
  void runUntilConnected(uint64_t state) {
    runUntil([&] { return store_.gaugeValue("control_plane.connected_state") == state; });
  }

  stats::Store store_;
  event::LibeventDispatcher main_{"main_thread"};
  TurnByTurn turn_by_turn_{main_};
  base::Random random_{1};
  DecoderThread decoder_{main_, std::make_unique<event::LibeventDispatcher>("decoder")};
  GrpcThread grpc_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<ChannelMaker> channels_;
  RecordingWatcher watcher_;
  std::unique_ptr<Mux> mux_;
  std::unique_ptr<Subscription> subscription_;
};

TEST_F(MuxOverGrpcTest, SubscribesAcknowledgesAndRefuses) {
  server_->setResources<Cluster>({cluster("a")});
  connect();
  runUntilAck(kClusterType, "1");
  ASSERT_EQ(watcher_.updates.size(), 1u);
  EXPECT_EQ(watcher_.lastNames(), std::vector<std::string>{"a"});
  runUntilConnected(1);
  const std::vector<Request> requests = server_->requests();
  ASSERT_TRUE(requests[0].node.has_value());
  EXPECT_EQ(requests[0].node->id(), "me");
  EXPECT_FALSE(requests[1].node.has_value());

  server_->setResources<Cluster>({cluster("a"), test::badCluster("broken")});
  std::optional<std::string> nack;
  runUntil([&] { return (nack = server_->waitForNack(kClusterType, "2", milliseconds(0))).has_value(); });
  EXPECT_NE(nack->find("Cluster \"broken\": connect_timeout: "), std::string::npos) << *nack;
  // The server does not insist, and a good version heals.
  server_->setResources<Cluster>({cluster("b")});
  runUntilAck(kClusterType, "3");
  EXPECT_EQ(watcher_.lastNames(), std::vector<std::string>{"b"});
}

TEST_F(MuxOverGrpcTest, SleepsWhileTheServerIsSilent) {
  server_->setResources<Cluster>({cluster("a")});
  connect();
  runUntilAck(kClusterType, "1");
  // Whoever looks now and then whether something came lets it wait until the next look.
  const auto silence = [this] {
    bool over = false;
    auto timer = main_.createTimer([&over] { over = true; });
    timer->enable(milliseconds(200));
    runUntil([&over] { return over; });
  };
  silence();
  const int before = timesAsleep("grpc");
  ASSERT_GT(before, 0);
  silence();
  EXPECT_LE(timesAsleep("grpc") - before, 1);
}

TEST_F(MuxOverGrpcTest, SpeaksOverUnixSockets) {
  const std::string path = absl::StrCat(::testing::TempDir(), "/ads-", getpid());
  listen(absl::StrCat("unix:", path));
  server_->setResources<Cluster>({cluster("a")});
  connect();
  runUntilAck(kClusterType, "1");
  unlink(path.c_str());
}

TEST_F(MuxOverGrpcTest, ResolvesNamesAndKeepsOffTheProxyOfTheEnvironment) {
  // On both families, since the name may mean either.
  listen("[::]:0");
  setenv("http_proxy", "http://127.0.0.1:1", 1);
  ChannelTarget target;
  target.endpoints.push_back({ChannelTarget::Endpoint::Kind::DnsName, "localhost", server_->port()});
  channels_ = *ChannelMaker::create(std::move(target));
  server_->setResources<Cluster>({cluster("a")});
  connect();
  runUntilAck(kClusterType, "1");
  unsetenv("http_proxy");
}

TEST_F(MuxOverGrpcTest, GoesAroundEndpointsUntilOneAnswers) {
  listen("[::]:0");
  // The first address and the Unix socket refuse.
  ChannelTarget target;
  target.endpoints.push_back({ChannelTarget::Endpoint::Kind::Ip, "127.0.0.1", 1});
  target.endpoints.push_back({ChannelTarget::Endpoint::Kind::UnixPath, "/no/such/socket", 0});
  target.endpoints.push_back({ChannelTarget::Endpoint::Kind::DnsName, "localhost", server_->port()});
  channels_ = *ChannelMaker::create(std::move(target));
  server_->setResources<Cluster>({cluster("a")});
  connect();
  runUntilAck(kClusterType, "1");
  EXPECT_GE(store_.counterValue("cluster_manager.cds.update_failure"), 2u);
}

TEST_F(MuxOverGrpcTest, TakesMoreThanGrpcDoesByDefault) {
  std::vector<Cluster> clusters;
  for (int i = 0; i < 20; ++i) {
    clusters.push_back(cluster(absl::StrCat("c", i)));
    clusters.back().set_alt_stat_name(std::string(600 * 1024, 'x'));
  }
  server_->setResources(clusters);
  connect();
  runUntilAck(kClusterType, "1");
  EXPECT_EQ(watcher_.updates[0].resources.size(), 20u);
}

TEST_F(MuxOverGrpcTest, ComesBackAfterTheStreamBreaks) {
  server_->setResources<Cluster>({cluster("a")});
  connect();
  runUntilAck(kClusterType, "1");
  server_->breakStreams();
  std::optional<Request> again;
  runUntil([&] {
    again = server_->waitForRequest([](const Request& request) { return request.stream >= 2; }, milliseconds(0));
    return again.has_value();
  });
  EXPECT_EQ(again->type_url, kClusterType);
  EXPECT_EQ(again->version, "1");
  EXPECT_EQ(again->nonce, "");
  EXPECT_TRUE(again->node.has_value());
  runUntilConnected(1);
}

TEST_F(MuxOverGrpcTest, FindsTheEndOfAStreamBehindMoreThanItReadsAtOnce) {
  server_->setResources<Cluster>({cluster("a")});
  connect();
  runUntilAck(kClusterType, "1");
  // While main is busy; its next acknowledgement has nowhere to go.
  for (int i = 0; i < 8; ++i) {
    envoy::service::discovery::v3::DiscoveryResponse response;
    response.set_type_url(std::string(kClusterType));
    response.set_version_info(absl::StrCat("busy-", i));
    server_->send(std::move(response));
  }
  ASSERT_TRUE(server_->waitUntilSent());
  server_->breakStreams();
  runUntil([&] { return server_->waitForStreams(2, milliseconds(0)); });
}

TEST_F(MuxOverGrpcTest, FindsAControlPlaneThatComesLaterAndComesBack) {
  server_->stop();
  connect();
  runUntil([&] { return store_.counterValue("cluster_manager.cds.update_failure") >= 3; });
  EXPECT_EQ(store_.gaugeValue("control_plane.connected_state"), 0u);
  server_->setResources<Cluster>({cluster("a")});
  ASSERT_TRUE(server_->restart().ok());
  runUntilAck(kClusterType, "1");
  server_->stop();
  runUntilConnected(0);
  server_->setResources<Cluster>({cluster("b")});
  ASSERT_TRUE(server_->restart().ok());
  runUntilAck(kClusterType, "2");
  EXPECT_EQ(watcher_.lastNames(), std::vector<std::string>{"b"});
  EXPECT_TRUE(watcher_.failures.empty());
}

TEST_F(MuxOverGrpcTest, SurvivesGarbage) {
  server_->setResources<Cluster>({cluster("a")});
  connect();
  runUntilAck(kClusterType, "1");
  server_->sendBytes("\xff\xff\xff garbage");
  runUntil([&] { return server_->streamsOpened() >= 2; });
  server_->setResources<Cluster>({cluster("b")});
  runUntilAck(kClusterType, "2");
}

TEST_F(MuxOverGrpcTest, HalfAMessageIsNoMessage) {
  auto relay = control_plane_mock::Relay::start(server_->port());
  ASSERT_TRUE(relay.ok()) << relay.status();
  ChannelTarget target;
  target.endpoints.push_back({ChannelTarget::Endpoint::Kind::Ip, "127.0.0.1", (*relay)->port()});
  channels_ = *ChannelMaker::create(std::move(target));
  server_->setResources<Cluster>({cluster("a")});
  connect();
  runUntilAck(kClusterType, "1");
  std::vector<Cluster> many;
  for (int i = 0; i < 1000; ++i) {
    many.push_back(cluster(absl::StrCat("c", i)));
    many.back().set_alt_stat_name(std::string(1000, 'x'));
  }
  // The connection ends in the middle of the new state.
  (*relay)->cutAfter(100 * 1000);
  server_->setResources(many);
  runUntil([&] { return (*relay)->cuts() > 0 && watcher_.updates.size() == 2; });
  EXPECT_EQ(watcher_.updates.back().resources.size(), 1000u);
  EXPECT_EQ(server_->streamsOpened(), 2u);
  // And the next one stops there, to go on later.
  (*relay)->stallAfter(100 * 1000);
  server_->setResources(many);
  for (int i = 0; i < 20; ++i) {
    main_.run(event::Dispatcher::RunType::NonBlock);
  }
  EXPECT_EQ(watcher_.updates.size(), 2u);
  (*relay)->resume();
  runUntilAck(kClusterType, "3");
  EXPECT_EQ(server_->streamsOpened(), 2u);
}

TEST_F(MuxOverGrpcTest, ServerThatRefusesStreamsIsNotHammered) {
  server_->refuseStreams(grpc::Status(grpc::StatusCode::PERMISSION_DENIED, "not you"));
  connect();
  runUntil([&] { return server_->streamsOpened() >= 3; });
  server_->refuseStreams(std::nullopt);
  server_->setResources<Cluster>({cluster("a")});
  runUntilAck(kClusterType, "1");
}

TEST_F(MuxOverGrpcTest, SlowServerIsWaitedFor) {
  server_->setResources<Cluster>({cluster("a")});
  server_->hold();
  connect();
  runUntil([&] { return !server_->requests().empty(); });
  EXPECT_TRUE(watcher_.updates.empty());
  server_->release();
  runUntilAck(kClusterType, "1");
  server_->setDelay(milliseconds(30));
  server_->setResources<Cluster>({cluster("b")});
  runUntilAck(kClusterType, "2");
}

TEST_F(MuxOverGrpcTest, EndpointsAreAskedForByName) {
  server_->setResources<Cluster>({cluster("be")});
  connect();
  RecordingWatcher endpoints;
  auto subscription = mux_->subscribe(kEndpointType, {"be"}, "cluster.be.", milliseconds(0), endpoints);
  runUntil([&] {
    for (const Request& request : server_->requests()) {
      if (request.type_url == kEndpointType) {
        return request.names == std::vector<std::string>{"be"};
      }
    }
    return false;
  });
  server_->setResources<ClusterLoadAssignment>({test::assignment("be"), test::assignment("other")});
  runUntilAck(kEndpointType, "1");
  EXPECT_EQ(endpoints.lastNames(), std::vector<std::string>{"be"});
}

TEST_F(MuxOverGrpcTest, EndsWhileEverythingIsUnderWay) {
  for (int round = 0; round < 20; ++round) {
    server_->setResources<Cluster>({cluster(absl::StrCat("c", round))});
    connect();
    // Anywhere between not yet connected and in the middle of an update.
    for (int turn = 0; turn < round; ++turn) {
      main_.post([] {});
      main_.run(event::Dispatcher::RunType::NonBlock);
    }
    subscription_.reset();
    mux_.reset();
  }
}

TEST_F(MuxOverGrpcTest, DestroyedWhileTheServerHasGone) {
  connect();
  server_->stop();
  for (int turn = 0; turn < 10; ++turn) {
    main_.post([] {});
    main_.run(event::Dispatcher::RunType::NonBlock);
  }
}

}  // namespace
}  // namespace sluice::xds
