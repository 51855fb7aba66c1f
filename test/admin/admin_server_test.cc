#include "source/admin/admin_server.h"

#include <unistd.h>

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "envoy/admin/v3/init_dump.pb.h"
#include "envoy/admin/v3/listeners.pb.h"
#include "envoy/admin/v3/memory.pb.h"
#include "envoy/admin/v3/server_info.pb.h"
#include "gtest/gtest.h"

#include "test/admin/admin_host.h"

namespace sluice::admin {
namespace {

using absl::StrContains;
using envoy::admin::v3::ServerInfo;
using test::AdminHost;
using test::HttpAnswer;
using test::HttpClient;

TEST(AdminServer, saysWhetherTheServerIsReady) {
  AdminHost host;
  host.state = ServerInfo::PRE_INITIALIZING;
  host.start();
  const auto expect = [&host](ServerInfo::State state, int status, const char* body) {
    host.state = state;
    const HttpAnswer answer = host.get("/ready");
    EXPECT_EQ(answer.status, status);
    EXPECT_EQ(answer.body, body);
  };
  expect(ServerInfo::PRE_INITIALIZING, 503, "PRE_INITIALIZING\n");
  expect(ServerInfo::INITIALIZING, 503, "INITIALIZING\n");
  expect(ServerInfo::LIVE, 200, "LIVE\n");
  expect(ServerInfo::DRAINING, 503, "DRAINING\n");
}

TEST(AdminServer, isReadyThoughMainIsBusy) {
  AdminHost host;
  host.start();
  std::promise<void> asked;
  host.main().dispatcher().post([&asked] { asked.get_future().wait(); });
  EXPECT_EQ(host.get("/ready").status, 200);
  EXPECT_EQ(host.get("/stats").status, 200);
  EXPECT_EQ(host.get("/server_info").status, 200);
  asked.set_value();
}

TEST(AdminServer, countsWhatMainHasYetToName) {
  AdminHost host;
  host.start();
  std::promise<void> answered;
  // As workers post what they count for the first time: main comes to it only after the page was asked for.
  host.main().dispatcher().post([&answered] { answered.get_future().wait_for(std::chrono::milliseconds(300)); });
  host.main().dispatcher().post([&host] { host.store().root()->counter("late.one").inc(); });
  const std::string page = host.get("/stats").body;
  answered.set_value();
  EXPECT_TRUE(StrContains(page, "late.one: 1\n")) << page;
}

TEST(AdminServer, showsServerInfo) {
  AdminHost host;
  host.facts.options.set_concurrency(3);
  host.facts.options.set_config_path("x.yaml");
  host.start();
  const HttpAnswer answer = host.get("/server_info");
  EXPECT_EQ(answer.headers.at("content-type"), "application/json");
  const ServerInfo info = test::fromJson<ServerInfo>(answer.body);
  EXPECT_EQ(info.state(), ServerInfo::LIVE);
  EXPECT_EQ(info.hot_restart_version(), "disabled");
  EXPECT_EQ(info.command_line_options().concurrency(), 3u);
  EXPECT_EQ(info.node().id(), "n1");
  EXPECT_FALSE(info.version().empty());
  // Defaults are there for those who look for them.
  EXPECT_TRUE(StrContains(answer.body, "\n  \"log_path\": \"\",\n")) << answer.body;
}

TEST(AdminServer, refusesWhatItDoesNotKnow) {
  AdminHost host;
  host.start();
  const HttpAnswer unknown = host.get("/nosuch");
  EXPECT_EQ(unknown.status, 404);
  EXPECT_TRUE(absl::StartsWith(unknown.body, "invalid path. admin commands are:\n  /: Admin home page\n"));
  for (const char* path : {"/quitquitquit", "/logging", "/drain_listeners", "/healthcheck/fail", "/healthcheck/ok",
                           "/reset_counters", "/reopen_logs"}) {
    const HttpAnswer answer = host.get(path);
    EXPECT_EQ(answer.status, 405) << path;
    EXPECT_EQ(answer.body, "Method GET not allowed, POST required.");
  }
  EXPECT_EQ(HttpClient(host.address()).request("DELETE", "/quitquitquit").body,
            "Method DELETE not allowed, POST required.");
  EXPECT_TRUE(host.done.empty());
}

TEST(AdminServer, listsItsPages) {
  AdminHost host;
  host.start();
  const std::string help = host.get("/help").body;
  EXPECT_TRUE(absl::StartsWith(help, "admin commands are:\n  /: Admin home page\n")) << help;
  EXPECT_TRUE(StrContains(help, "  /quitquitquit (POST): exit the server\n"));
  EXPECT_TRUE(StrContains(help, "      format: Format of the answer; One of (text, json)\n"));
  EXPECT_EQ(host.post("/help").body, help);
}

TEST(AdminServer, showsTheServerAtAGlance) {
  AdminHost host;
  host.facts.node.set_id("<n&1>");
  host.main().run([&host] { host.store().root()->gauge("listener_manager.total_listeners_active").set(3); });
  host.start();
  const HttpAnswer answer = host.get("/");
  EXPECT_EQ(answer.headers.at("content-type"), "text/html; charset=UTF-8");
  EXPECT_TRUE(StrContains(answer.body, "LIVE for 0s"));
  EXPECT_TRUE(StrContains(answer.body, "&lt;n&amp;1&gt;"));
  EXPECT_TRUE(StrContains(answer.body, "<form id=\"quitquitquit\" action=\"quitquitquit\" method=\"post\">"));
  EXPECT_TRUE(StrContains(answer.body, "<a href=\"ready\">ready</a>"));
}

TEST(AdminServer, doesWhatAPostAsksOnMain) {
  AdminHost host;
  host.start();
  for (const char* target : {"/healthcheck/fail", "/healthcheck/ok", "/drain_listeners",
                             "/drain_listeners?inboundonly&graceful", "/drain_listeners?graceful&skip_exit"}) {
    const HttpAnswer answer = host.post(target);
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body, "OK\n");
  }
  EXPECT_EQ(host.post("/drain_listeners", "inboundonly=on").status, 200);
  EXPECT_EQ(host.done, (std::vector<std::string>{"fail", "pass", "drain", "drain inbound graceful",
                                                 "drain graceful skip_exit", "drain inbound"}));
}

TEST(AdminServer, tellsThatLogsWereNotReopened) {
  AdminHost host;
  host.start();
  EXPECT_EQ(host.post("/reopen_logs").body, "OK\n");
  host.reopen_logs = absl::UnavailableError("no space left");
  const HttpAnswer answer = host.post("/reopen_logs");
  EXPECT_EQ(answer.status, 500);
  EXPECT_EQ(answer.body, "no space left\n");
}

TEST(AdminServer, answersBeforeItQuits) {
  AdminHost host;
  host.start();
  EXPECT_EQ(host.post("/quitquitquit").body, "OK\n");
  host.quit.get_future().wait();
}

TEST(AdminServer, showsAndResetsStats) {
  AdminHost host;
  stats::ScopePtr scope;
  host.main().run([&] {
    scope = host.store().createScope("cluster.be");
    scope->counter("upstream_cx_total").add(5);
    scope->counter("unused");
    scope->gauge("upstream_cx_active").set(2);
  });
  host.start();
  const HttpAnswer answer = host.get("/stats?filter=^cluster.be");
  EXPECT_EQ(answer.headers.at("content-type"), "text/plain; charset=UTF-8");
  EXPECT_EQ(answer.body, "cluster.be.unused: 0\ncluster.be.upstream_cx_active: 2\ncluster.be.upstream_cx_total: 5\n");
  EXPECT_EQ(host.get("/stats?usedonly&filter=unused").body, "");
  EXPECT_TRUE(StrContains(host.get("/stats/prometheus").body,
                          "envoy_cluster_upstream_cx_total{envoy_cluster_name=\"be\"} 5\n"));
  EXPECT_TRUE(
      StrContains(host.get("/stats?format=json").body, "{\"name\":\"cluster.be.upstream_cx_total\",\"value\":5}"));
  const HttpAnswer bad = host.get("/stats?filter=[");
  EXPECT_EQ(bad.status, 400);
  EXPECT_EQ(bad.body, "Invalid re2 regex: missing ]: [");

  EXPECT_EQ(host.post("/reset_counters").body, "OK\n");
  EXPECT_EQ(host.get("/stats?filter=upstream_cx").body,
            "cluster.be.upstream_cx_active: 2\ncluster.be.upstream_cx_total: 0\n");
  host.main().run([&] { scope = nullptr; });
}

TEST(AdminServer, isReadyWhileASlowClientTakesAHugePage) {
  constexpr int kScopes = 200;
  constexpr int kCounters = 500;
  AdminHost host;
  std::vector<stats::ScopePtr> scopes;
  host.main().run([&] {
    for (int i = 0; i < kScopes; ++i) {
      scopes.push_back(host.store().createScope(absl::StrCat("cluster.a_cluster_with_quite_a_long_name_", i)));
      for (int j = 0; j < kCounters; ++j) {
        scopes.back()->counter(absl::StrCat("a_counter_with_quite_a_long_name_as_well_", j));
      }
    }
  });
  host.start();
  HttpClient slow(host.address(), 4096);
  slow.sendRequest("GET", "/stats");
  HttpAnswer page = slow.receiveHead();
  EXPECT_EQ(page.status, 200);

  HttpClient other(host.address());
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(other.get("/ready").body, "LIVE\n");
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));

  const HttpAnswer whole = HttpClient(host.address()).get("/stats");
  EXPECT_EQ(std::count(whole.body.begin(), whole.body.end(), '\n'), kScopes * kCounters);
  host.main().run([&] { scopes.clear(); });
}

TEST(AdminServer, endsWhileClientsWait) {
  AdminHost host;
  host.start();
  // Main ends the server instead of building what the client asked it for.
  std::promise<void> asked;
  host.main().dispatcher().post([&asked] { asked.get_future().wait(); });
  HttpClient client(host.address());
  client.sendRequest("GET", "/listeners");
  EXPECT_EQ(client.receiveHead().status, 200);
  std::thread ending([&host] { host.stop(); });
  asked.set_value();
  ending.join();
  EXPECT_TRUE(client.receiveEnd());
}

TEST(AdminServer, listsListeners) {
  AdminHost host;
  listener::ListenerView& two = host.listeners["two"];
  two.name = "two";
  two.active.emplace();
  two.addresses = {*net::Address::ip("127.0.0.1", 80), *net::Address::pipe("/run/x.sock")};
  listener::ListenerView& warming = host.listeners["warming"];
  warming.name = "warming";
  warming.warming.emplace();
  host.start();
  EXPECT_EQ(host.get("/listeners").body, "two::127.0.0.1:80\ntwo::/run/x.sock\n");
  const auto listeners = test::fromJson<envoy::admin::v3::Listeners>(host.get("/listeners?format=json").body);
  ASSERT_EQ(listeners.listener_statuses_size(), 1);
  EXPECT_EQ(listeners.listener_statuses(0).local_address().socket_address().port_value(), 80u);
  EXPECT_EQ(listeners.listener_statuses(0).additional_local_addresses(0).pipe().path(), "/run/x.sock");
}

TEST(AdminServer, listsThousandsOfListenersInSlices) {
  AdminHost host;
  for (int i = 0; i < 5000; ++i) {
    const std::string name = absl::StrCat("listener-", 10000 + i);
    listener::ListenerView& view = host.listeners[name];
    view.name = name;
    view.active.emplace();
    view.addresses = {*net::Address::ip("127.0.0.1", static_cast<uint16_t>(i + 1))};
  }
  host.start();
  const std::string text = host.get("/listeners").body;
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 5000);
  EXPECT_EQ(
      test::fromJson<envoy::admin::v3::Listeners>(host.get("/listeners?format=json").body).listener_statuses_size(),
      5000);
}

TEST(AdminServer, tellsWhatIsWaitedForAndSinceWhen) {
  AdminHost host;
  const base::MonotonicTime since = std::chrono::steady_clock::now() - std::chrono::seconds(75);
  host.pending_clusters = {{"Server", "CDS", since}, {"Cluster be", "EDS endpoints of be", since}};
  listener::ListenerView& listener = host.listeners["l"];
  listener.name = "l";
  listener.warming.emplace();
  listener.warming->waits_for = {{"RDS r", since}, {"secret s", since}};
  host.start();
  const auto dump = test::fromJson<envoy::admin::v3::UnreadyTargetsDumps>(host.get("/init_dump").body);
  ASSERT_EQ(dump.unready_targets_dumps_size(), 3);
  EXPECT_EQ(dump.unready_targets_dumps(0).name(), "Server");
  EXPECT_TRUE(absl::StartsWith(dump.unready_targets_dumps(0).target_names(0), "CDS (since 20"));
  EXPECT_TRUE(StrContains(dump.unready_targets_dumps(0).target_names(0), "Z, 75s)"));
  EXPECT_EQ(dump.unready_targets_dumps(1).name(), "Cluster be");
  EXPECT_EQ(dump.unready_targets_dumps(2).name(), "Listener l");
  EXPECT_EQ(dump.unready_targets_dumps(2).target_names_size(), 2);
  const auto listeners =
      test::fromJson<envoy::admin::v3::UnreadyTargetsDumps>(host.get("/init_dump?mask=listener").body);
  ASSERT_EQ(listeners.unready_targets_dumps_size(), 1);
  EXPECT_EQ(listeners.unready_targets_dumps(0).name(), "Listener l");
}

TEST(AdminServer, showsEmptyPagesAsEnvoyDoes) {
  AdminHost host;
  host.start();
  EXPECT_EQ(host.get("/init_dump").body, "{}\n");
  EXPECT_EQ(host.get("/listeners").body, "");
  EXPECT_EQ(host.get("/listeners?format=json").body, "{}\n");
  EXPECT_EQ(host.get("/clusters").body, "");
  EXPECT_EQ(host.get("/clusters?format=json").body, "{}\n");
  EXPECT_EQ(host.get("/certs").body, "{\n \"certificates\": []\n}\n");
  EXPECT_EQ(host.get("/hot_restart_version").body, "disabled");
  EXPECT_EQ(host.get("/runtime").body, "{\n \"layers\": [],\n \"entries\": {}\n}\n");
  EXPECT_GT(test::fromJson<envoy::admin::v3::Memory>(host.get("/memory").body).total_physical_bytes(), 0u);
}

TEST(AdminServer, showsRuntimeLayers) {
  AdminHost host;
  config::Violations violations;
  host.runtime = runtime::Snapshot::create(
      test::fromYaml<envoy::config::bootstrap::v3::LayeredRuntime>(
          "layers: [{name: base, static_layer: {a: 1, x: {y: s}}}, {name: top, static_layer: {a: 2}}]"),
      config::FieldPath(), violations);
  host.start();
  EXPECT_EQ(
      host.get("/runtime").body,
      "{\n \"layers\": [\n  \"base\",\n  \"top\"\n ],\n \"entries\": {\n"
      "  \"a\": {\n   \"final_value\": \"2\",\n   \"layer_values\": [\n    \"1\",\n    \"2\"\n   ]\n  },\n"
      "  \"x.y\": {\n   \"final_value\": \"s\",\n   \"layer_values\": [\n    \"s\",\n    \"\"\n   ]\n  }\n }\n}\n");
}

TEST(AdminServer, saysWhyItCannotListen) {
  AdminHost first;
  first.start();
  AdminHost second;
  second.facts.bootstrap.mutable_admin()->mutable_address()->mutable_socket_address()->set_port_value(
      first.address().port());
  absl::Status status;
  second.main().run([&] { status = second.tryStart(); });
  EXPECT_FALSE(status.ok());
  EXPECT_TRUE(StrContains(status.message(), first.address().toString())) << status;
  EXPECT_TRUE(StrContains(status.message(), "already in use")) << status;
}

TEST(AdminServer, listensOnAPipe) {
  AdminHost host;
  const std::string path = absl::StrCat(testing::TempDir(), "/admin-", ::getpid(), ".sock");
  host.facts.bootstrap.mutable_admin()->mutable_address()->mutable_pipe()->set_path(path);
  host.start();
  EXPECT_EQ(host.address().toString(), path);
  EXPECT_EQ(host.get("/ready").body, "LIVE\n");
}

TEST(AdminServer, neverStarted) {
  AdminHost host;
  host.main().run([&host] {
    const base::RealClock clock;
    EXPECT_TRUE(
        AdminServer::create({host.main().dispatcher(), clock, host.store(), nullptr, host.facts, {}, {}, {}}).ok());
  });
}

}  // namespace
}  // namespace sluice::admin
