#include "source/cluster/cluster_manager.h"

#include "absl/strings/str_cat.h"
#include <gtest/gtest.h>

#include "source/cluster/hash_balancer.h"
#include "test/cluster/cluster_manager_fixture.h"

namespace sluice::cluster {
namespace {

using std::chrono::seconds;

// Start-up.

TEST_F(ClusterManagerTest, StaticClustersServeAtOnce) {
  EXPECT_EQ("", addStatic({staticText("a", {1, 2}), staticText("b", {})}));
  initialize(false);
  EXPECT_EQ(1, initialized_);
  EXPECT_EQ("active 1 2", shown("a"));
  EXPECT_NE(nullptr, local("a"));
  EXPECT_NE(nullptr, local("b"));
  EXPECT_EQ(2, gauge("cluster_manager.active_clusters"));
  EXPECT_EQ(2, counter("cluster_manager.cluster_added"));
  EXPECT_EQ(2, gauge("cluster.a.membership_total"));
  EXPECT_EQ(2, gauge("cluster.a.membership_healthy"));
  EXPECT_EQ(1, counter("cluster.a.membership_change"));
}

TEST_F(ClusterManagerTest, AllMistakesOfTheBootstrapAreFound) {
  EXPECT_EQ(
      "static_resources.clusters[0].eds_cluster_config: is required by the type EDS\n"
      "static_resources.clusters[2].maglev_lb_config.table_size: 65538 is not a prime number\n"
      "static_resources.clusters[3].name: there are two clusters 'b'\n",
      addStatic({"{name: a, type: EDS}", staticText("b", {1}),
                 "{name: c, lb_policy: MAGLEV, maglev_lb_config: {table_size: 65538}}", staticText("b", {2})}));
}

TEST_F(ClusterManagerTest, EdsWaitsForDnsAndCdsForEds) {
  addStatic({edsText("e"),
             "{name: d, type: STRICT_DNS, wait_for_warm_on_init: false, load_assignment: {endpoints: [{lb_endpoints: "
             "[{endpoint: {address: {socket_address: {address: a.test, port_value: 1}}}}]}]}}"});
  initialize();
  EXPECT_EQ((std::vector<std::string>{"a.test"}), resolver_.asked);
  EXPECT_EQ(1, subscriptions_.live["e"]) << "nobody waits for d";
  EXPECT_EQ(0, subscriptions_.made["cds"]);
  EXPECT_EQ(0, initialized_);
  EXPECT_EQ(2, gauge("cluster_manager.warming_clusters"));
  eds("e", endpointsText({5}));
  EXPECT_EQ(1, subscriptions_.live["cds"]);
  EXPECT_EQ(0, initialized_);
  ASSERT_EQ(2u, manager_->pending().size());
  EXPECT_EQ("CDS", manager_->pending()[0].target);
  EXPECT_EQ("DNS names of d a.test", manager_->pending()[1].target);
  cds({});
  EXPECT_EQ(1, initialized_);
}

TEST_F(ClusterManagerTest, TheFirstClustersOfCdsAreWaitedFor) {
  initialize();
  cds({edsText("a"), edsText("b"), staticText("c", {1})});
  EXPECT_EQ(0, initialized_);
  EXPECT_EQ(nullptr, local("a"));
  EXPECT_NE(nullptr, local("c"));
  EXPECT_EQ("cluster.a.", subscriptions_.prefixes["a"]);
  eds("a", endpointsText({5}));
  EXPECT_EQ(0, initialized_);
  ASSERT_EQ(1u, manager_->pending().size());
  EXPECT_EQ("Cluster b", manager_->pending()[0].manager);
  EXPECT_EQ("EDS endpoints of b", manager_->pending()[0].target);
  fail("b", xds::FetchFailure::Timeout);
  EXPECT_EQ(1, initialized_);
  EXPECT_EQ("active", shown("b")) << "with no endpoints";
  cds({edsText("a"), edsText("b"), edsText("later")});
  EXPECT_EQ(1, initialized_) << "once";
}

TEST_F(ClusterManagerTest, AClusterThatGoesBeforeItIsWarmIsNotWaitedFor) {
  initialize();
  cds({edsText("a"), edsText("b")});
  eds("a", endpointsText({5}));
  EXPECT_EQ(0, initialized_);
  cds({edsText("a")});
  EXPECT_EQ(1, initialized_);
  EXPECT_EQ("", shown("b"));
  EXPECT_EQ(0, subscriptions_.live["b"]);
  EXPECT_EQ(0, gauge("cluster_manager.warming_clusters"));
  EXPECT_EQ(1, counter("cluster_manager.cluster_removed"));
}

TEST_F(ClusterManagerTest, WithoutAnAnswerOfCdsStartUpGoesOn) {
  initialize();
  fail("cds", xds::FetchFailure::Timeout);
  EXPECT_EQ(1, initialized_);
  cds({staticText("a", {1})});
  EXPECT_NE(nullptr, local("a"));
}

TEST_F(ClusterManagerTest, ASourceOfCdsThatIsNotThereIsAnError) {
  envoy::config::core::v3::ConfigSource source;
  source.mutable_api_config_source();
  EXPECT_FALSE(manager_->initialize(&source, [] {}).ok());
}

TEST_F(ClusterManagerTest, ASourceOfCdsThatFailsLateIsAnErrorToo) {
  addStatic({edsText("e")});
  envoy::config::core::v3::ConfigSource source;
  source.mutable_api_config_source();
  bool called = false;
  EXPECT_TRUE(manager_->initialize(&source, [&] { called = true; }).ok()) << "its turn has not come";
  EXPECT_FALSE(called);
  EXPECT_TRUE(manager_->cdsStatus().ok());
  fail("e", xds::FetchFailure::Timeout);
  EXPECT_TRUE(called);
  EXPECT_FALSE(manager_->cdsStatus().ok());
}

// CDS.

TEST_F(ClusterManagerTest, AFullStateRemovesWhatItLeavesOut) {
  addStatic({staticText("s", {9})});
  initialize();
  cds({staticText("a", {1}), staticText("b", {2})});
  cds({staticText("b", {2})}, /*full_state=*/false);
  EXPECT_NE(nullptr, local("a")) << "something did not decode: it may be the very one";
  cds({staticText("b", {2})});
  EXPECT_EQ(nullptr, local("a"));
  EXPECT_EQ("", shown("a"));
  EXPECT_NE(nullptr, local("b"));
  EXPECT_NE(nullptr, local("s"));
  EXPECT_EQ(1, counter("cluster_manager.cluster_removed"));
  EXPECT_EQ(2, gauge("cluster_manager.active_clusters"));
}

TEST_F(ClusterManagerTest, ARemovedClustersStatisticsGo) {
  initialize();
  cds({staticText("a", {1})});
  EXPECT_EQ(1, gauge("cluster.a.membership_total"));
  cds({});
  EXPECT_EQ(0, gauge("cluster.a.membership_total"));
}

TEST_F(ClusterManagerTest, ABadClusterNeverBlocksOthers) {
  initialize();
  cds({staticText("a", {1})});
  EXPECT_EQ((std::vector<std::string>{"a", "bad"}),
            cds({"{name: a, type: EDS}", "{name: bad, lb_policy: MAGLEV, maglev_lb_config: {table_size: 65538}}",
                 staticText("b", {2})},
                true, "2"));
  EXPECT_EQ("active 1", shown("a")) << "the last good one stays";
  EXPECT_EQ("active 2", shown("b"));
  ASSERT_EQ(1u, manager_->failures().count("bad"));
  EXPECT_EQ("2", manager_->failures().at("bad").version);
  const ClusterFailure* failure = nullptr;
  manager_->visit("", [&](const ClusterView& view) {
    failure = view.name == "a" ? view.failure : failure;
    return true;
  });
  ASSERT_NE(nullptr, failure);
  EXPECT_EQ("eds_cluster_config: is required by the type EDS\n", failure->details);
  EXPECT_NE(nullptr, failure->failed_configuration);
  cds({staticText("a", {1}), staticText("b", {2})});
  EXPECT_TRUE(manager_->failures().empty());
}

TEST_F(ClusterManagerTest, WhatDidNotDecodeIsShownBesideWhatDid) {
  initialize();
  cds({staticText("a", {1})});
  const auto refuse = [this](const std::string& name, bool first) {
    xds::ResourceError error{name, {}, test::clusterYaml(staticText(name, {7}))};
    error.violations.add("connect_timeout", "is negative");
    subscriptions_.watchers.at("cds")->onUndecodable(error, "2", first);
  };
  refuse("a", /*first=*/true);
  refuse("bad", /*first=*/false);
  // Even of a whole state: what did not decode just now is no old failure.
  cds({staticText("a", {1}), staticText("b", {2})}, /*full_state=*/true, "2");
  ASSERT_EQ(1u, manager_->failures().count("bad"));
  EXPECT_EQ("2", manager_->failures().at("bad").version);
  EXPECT_EQ("connect_timeout: is negative\n", manager_->failures().at("bad").details);
  EXPECT_NE(nullptr, manager_->failures().at("bad").failed_configuration);
  // Nor does it keep an older one, once a response is without it.
  cds({staticText("a", {1})}, /*full_state=*/true, "3");
  EXPECT_TRUE(manager_->failures().empty());
  refuse("bad", /*first=*/true);
  fail("cds", xds::FetchFailure::Rejected);
  EXPECT_EQ(1u, manager_->failures().count("bad"));
  cds({staticText("a", {1})}, /*full_state=*/true, "4");
  EXPECT_TRUE(manager_->failures().empty());
}

TEST_F(ClusterManagerTest, ManyFailuresAreForgottenInTime) {
  initialize();
  std::vector<std::string> bad;
  for (int i = 0; i < 100; ++i) {
    bad.push_back(absl::StrCat("{name: bad", i, ", lb_policy: MAGLEV, maglev_lb_config: {table_size: 65538}}"));
  }
  cds(bad);
  EXPECT_EQ(100u, manager_->failures().size());
  cds({"{name: bad50, lb_policy: MAGLEV, maglev_lb_config: {table_size: 65538}}"});
  ASSERT_EQ(1u, manager_->failures().size());
  EXPECT_EQ("bad50", manager_->failures().begin()->first);
}

TEST_F(ClusterManagerTest, ASourceOfEndpointsThatIsNotThereIsRefused) {
  initialize();
  EXPECT_EQ((std::vector<std::string>{"a"}),
            cds({"{name: a, type: EDS, eds_cluster_config: {eds_config: {api_config_source: {api_type: REST}}}}"}));
  EXPECT_EQ("eds_cluster_config.eds_config: no such source\n", last_violations_);
  EXPECT_EQ("", shown("a"));
  EXPECT_EQ(0, gauge("cluster_manager.warming_clusters"));
  cds({staticText("a", {1})});
  EXPECT_EQ((std::vector<std::string>{"a"}),
            cds({"{name: a, type: EDS, eds_cluster_config: {eds_config: {api_config_source: {api_type: REST}}}}"}));
  EXPECT_EQ("active 1", shown("a"));
  EXPECT_EQ(0, gauge("cluster_manager.warming_clusters"));
}

TEST_F(ClusterManagerTest, AnEqualResourceIsNoUpdate) {
  initialize();
  cds({staticText("a", {1})});
  const ClusterInfo* before = &local("a")->info();
  cds({staticText("a", {1})}, true, "2");
  EXPECT_EQ(before, &local("a")->info());
  EXPECT_EQ(0, counter("cluster_manager.cluster_modified"));
}

TEST_F(ClusterManagerTest, AStaticClusterIsNotForCds) {
  addStatic({staticText("s", {9})});
  initialize();
  EXPECT_TRUE(cds({staticText("s", {1})}).empty());
  EXPECT_EQ("active 9", shown("s"));
  cds({});
  EXPECT_EQ("active 9", shown("s"));
}

TEST_F(ClusterManagerTest, AWorkerGetsOneBatchForManyClusters) {
  initialize();
  std::vector<std::string> texts;
  for (int i = 0; i < 500; ++i) {
    texts.push_back(staticText(absl::StrCat("c", i), {i + 1}));
  }
  cds(texts);
  EXPECT_EQ(500u, manager_->provider().localClusters().size());
  cds({});
  EXPECT_EQ(0u, manager_->provider().localClusters().size());
}

TEST_F(ClusterManagerTest, PagesGoOnWhereTheyStopped) {
  initialize();
  cds({staticText("b", {1}), staticText("a", {1}), staticText("d", {1}), edsText("c")});
  std::vector<std::string> names;
  std::string last;
  for (int slices = 0; slices < 10; ++slices) {
    manager_->visit(last, [&](const ClusterView& view) {
      names.emplace_back(view.name);
      last = std::string(view.name);
      return false;
    });
  }
  EXPECT_EQ((std::vector<std::string>{"a", "b", "c", "d"}), names);
}

// Updates of one cluster.

TEST_F(ClusterManagerTest, AChangeOfTheRestKeepsEndpointsAndConnections) {
  initialize();
  cds({edsText("a")});
  eds("a", endpointsText({5, 6}));
  const auto endpoints = endpointsOf("a");
  const ConnectionRecipe* recipe = local("a")->info().recipe.get();
  const CircuitBreakers* breakers = local("a")->info().breakers.get();
  cds({edsText("a", ", connect_timeout: 9s, circuit_breakers: {thresholds: [{max_connections: 3}]}")});
  EXPECT_EQ(9000, local("a")->info().connect_timeout.count());
  EXPECT_EQ(3u, local("a")->info().breakers->connections().limit());
  EXPECT_EQ(endpoints, endpointsOf("a"));
  EXPECT_EQ(recipe, local("a")->info().recipe.get());
  EXPECT_EQ(breakers, local("a")->info().breakers.get());
  EXPECT_EQ(1, subscriptions_.made["a"]) << "the subscription is kept";
  EXPECT_EQ("active 5 6", shown("a"));
  EXPECT_EQ(1, counter("cluster_manager.cluster_modified"));
  EXPECT_EQ(1, counter("cluster.a.membership_change"));
}

TEST_F(ClusterManagerTest, AChangeOfHowConnectionsAreMadeKeepsEndpoints) {
  initialize();
  cds({edsText("a")});
  eds("a", endpointsText({5}));
  const auto endpoints = endpointsOf("a");
  const config::ContentKey key = local("a")->info().recipe->key;
  cds({edsText("a", ", upstream_connection_options: {tcp_keepalive: {keepalive_time: 5}}")});
  EXPECT_NE(key, local("a")->info().recipe->key);
  EXPECT_EQ(endpoints, endpointsOf("a"));
  EXPECT_EQ("active 5", shown("a"));
}

TEST_F(ClusterManagerTest, OtherEndpointsWarmWhileTheOldOnesServe) {
  initialize();
  cds({edsText("a")});
  eds("a", endpointsText({5, 6}));
  const auto before = endpointsOf("a");
  cds({absl::StrCat(
      "{name: a, connect_timeout: 9s, type: EDS, eds_cluster_config: {service_name: new, eds_config: {ads: {}}}}")});
  EXPECT_EQ("active 5 6; warming", shown("a"));
  EXPECT_EQ(5000, local("a")->info().connect_timeout.count()) << "a version is one whole";
  EXPECT_EQ(1, gauge("cluster_manager.warming_clusters"));
  EXPECT_EQ("EDS endpoints new of a", manager_->pending()[0].target);
  eds("a", endpointsText({5}));
  EXPECT_EQ("active 5; warming", shown("a")) << "the old source goes on meanwhile";
  eds("new", endpointsText({6, 5}));
  EXPECT_EQ("active 6 5", shown("a"));
  EXPECT_EQ(9000, local("a")->info().connect_timeout.count());
  EXPECT_EQ(0, gauge("cluster_manager.warming_clusters"));
  EXPECT_EQ(0, subscriptions_.live["a"]);
  EXPECT_EQ(before[0], endpointsOf("a")[1]) << "an address that stays is the same endpoint";
}

TEST_F(ClusterManagerTest, AnUpdateOfWhatWarmsGoesOnWaiting) {
  initialize();
  cds({edsText("a")});
  cds({edsText("a", ", connect_timeout: 7s")});
  EXPECT_EQ("warming", shown("a"));
  EXPECT_EQ(1, subscriptions_.made["a"]);
  eds("a", endpointsText({5}));
  EXPECT_EQ("active 5", shown("a"));
  EXPECT_EQ(7000, local("a")->info().connect_timeout.count());
}

TEST_F(ClusterManagerTest, GoingBackToTheOldEndpointsEndsTheWarming) {
  initialize();
  cds({edsText("a")});
  eds("a", endpointsText({5}));
  cds({"{name: a, type: EDS, eds_cluster_config: {service_name: new, eds_config: {ads: {}}}}"});
  EXPECT_EQ(1, subscriptions_.live["new"]);
  cds({edsText("a")});
  EXPECT_EQ("active 5", shown("a"));
  EXPECT_EQ(0, subscriptions_.live["new"]);
  EXPECT_EQ(1, subscriptions_.live["a"]);
  EXPECT_EQ(0, gauge("cluster_manager.warming_clusters"));
}

TEST_F(ClusterManagerTest, StaticEndpointsAreReplacedAtOnceAndKeptByAddress) {
  initialize();
  cds({staticText("a", {1, 2})});
  const auto before = endpointsOf("a");
  cds({staticText("a", {3, 2})});
  EXPECT_EQ("active 3 2", shown("a"));
  EXPECT_EQ(before[1], endpointsOf("a")[1]);
  EXPECT_EQ(2, counter("cluster.a.membership_change"));
  cds({edsText("a")});
  EXPECT_EQ("active 3 2; warming", shown("a"));
  eds("a", endpointsText({2}));
  EXPECT_EQ(before[1], endpointsOf("a")[0]);
}

TEST_F(ClusterManagerTest, APanicThresholdIsInEffectAtOnce) {
  initialize();
  cds({edsText("a")});
  const std::string text =
      "endpoints: [{lb_endpoints: [{health_status: UNHEALTHY, endpoint: {address: {socket_address: {address: "
      "127.0.0.1, port_value: 1}}}}]}]";
  eds("a", text);
  bool panic = false;
  const auto look = [&](const ClusterView& view) {
    panic = view.endpoints->shares().front().panic;
    return true;
  };
  manager_->visit("", look);
  EXPECT_TRUE(panic);
  cds({edsText("a", ", common_lb_config: {healthy_panic_threshold: {value: 0}}")});
  manager_->visit("", look);
  EXPECT_FALSE(panic);
}

TEST_F(ClusterManagerTest, TablesOfHashesComeWithEndpointsAndPolicies) {
  initialize();
  cds({edsText("a")});
  eds("a", endpointsText({5, 6}));
  const auto tables = [&] { return (*local("a")->localEndpoints())->hashTables(); };
  EXPECT_EQ(nullptr, tables());
  cds({edsText("a", ", lb_policy: RING_HASH")});
  ASSERT_NE(nullptr, tables());
  EXPECT_EQ(1024, gauge("cluster.a.ring_hash_lb.size"));
  EXPECT_EQ(512, gauge("cluster.a.ring_hash_lb.min_hashes_per_host"));
  EXPECT_EQ(512, gauge("cluster.a.ring_hash_lb.max_hashes_per_host"));
  cds({edsText("a", ", lb_policy: MAGLEV, maglev_lb_config: {table_size: 101}")});
  EXPECT_EQ(101u, tables()->ofShare(0)->size());
  EXPECT_EQ(50, gauge("cluster.a.maglev_lb.min_entries_per_host"));
  EXPECT_EQ(51, gauge("cluster.a.maglev_lb.max_entries_per_host"));
  eds("a", endpointsText({5}));
  EXPECT_EQ(101, gauge("cluster.a.maglev_lb.max_entries_per_host"));
}

TEST_F(ClusterManagerTest, WeightsOfLocalitiesAreNews) {
  initialize();
  cds({edsText("a", ", common_lb_config: {locality_weighted_lb_config: {}}")});
  const auto text = [](int weight) {
    return absl::StrCat(
        "endpoints: [{locality: {zone: z}, load_balancing_weight: ", weight,
        ", lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 1}}}}]}]");
  };
  eds("a", text(2));
  eds("a", text(3));
  EXPECT_EQ(3, (*local("a")->localEndpoints())->groups()[0].share_weight);
}

TEST_F(ClusterManagerTest, AnotherStatisticsNameIsAnotherScope) {
  initialize();
  cds({staticText("a", {1})});
  cds({staticText("a", {1}, ", alt_stat_name: b")});
  EXPECT_EQ(1, gauge("cluster.b.membership_total"));
  EXPECT_EQ(0, gauge("cluster.a.membership_total"));
  EXPECT_EQ("b", *local("a")->info().observability_name);
}

// EDS.

TEST_F(ClusterManagerTest, EndpointsChangeUnderAServingCluster) {
  initialize();
  cds({edsText("a")});
  eds("a", endpointsText({5, 6}));
  const auto before = endpointsOf("a");
  eds("a", endpointsText({6, 7}));
  EXPECT_EQ("active 6 7", shown("a"));
  EXPECT_EQ(before[1], endpointsOf("a")[0]);
  EXPECT_EQ(1, counter("cluster_manager.cluster_updated"));
  EXPECT_EQ(2, counter("cluster.a.membership_change"));
  eds("a", endpointsText({6, 7}));
  EXPECT_EQ(1, counter("cluster.a.update_no_rebuild"));
  EXPECT_EQ(1, counter("cluster_manager.cluster_updated"));
  eds("a", "endpoints: []");
  EXPECT_EQ("active", shown("a"));
  EXPECT_EQ(0, gauge("cluster.a.membership_total"));
}

TEST_F(ClusterManagerTest, BadEndpointsLeaveTheOldOnes) {
  initialize();
  cds({edsText("a")});
  eds("a", endpointsText({5}));
  EXPECT_EQ((std::vector<std::string>{"a"}), eds("a", "endpoints: [{priority: 129}]"));
  EXPECT_EQ("endpoints[0].priority: 129 is above the limit of 128\n", last_violations_);
  EXPECT_EQ("active 5", shown("a"));
}

TEST_F(ClusterManagerTest, BadFirstEndpointsEndTheWarming) {
  initialize();
  cds({edsText("a")});
  eds("a", "endpoints: [{priority: 129}]");
  EXPECT_EQ("active", shown("a"));
  EXPECT_EQ(1, initialized_);
}

TEST_F(ClusterManagerTest, AnAnswerWithoutTheNameIsEmpty) {
  initialize();
  cds({edsText("a")});
  deliver("a", xds::Update());
  EXPECT_EQ("active", shown("a"));
  EXPECT_EQ(1, counter("cluster.a.update_empty"));
  eds("a", endpointsText({5}));
  deliver("a", xds::Update());
  EXPECT_EQ("active 5", shown("a")) << "leaving them out takes nothing back";
}

TEST_F(ClusterManagerTest, HealthOfEndpointsIsCounted) {
  initialize();
  cds({edsText("a")});
  std::string text = "endpoints: [{lb_endpoints: [";
  int port = 1;
  for (const char* health : {"HEALTHY", "UNKNOWN", "DEGRADED", "UNHEALTHY", "DRAINING", "TIMEOUT"}) {
    absl::StrAppend(&text, "{health_status: ", health, ", load_balancing_weight: ", port + 1,
                    ", endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: ", port, "}}}}, ");
    ++port;
  }
  eds("a", absl::StrCat(text, "]}]"));
  EXPECT_EQ(6, gauge("cluster.a.membership_total"));
  EXPECT_EQ(2, gauge("cluster.a.membership_healthy"));
  EXPECT_EQ(1, gauge("cluster.a.membership_degraded"));
  EXPECT_EQ(1, gauge("cluster.a.membership_excluded"));
  EXPECT_EQ(7, gauge("cluster.a.max_host_weight"));
  EXPECT_EQ("/eds_status_draining", healthFlags(EdsHealth::Draining));
}

TEST_F(ClusterManagerTest, ShutdownEndsWhatWaitsAndKeepsServing) {
  initialize();
  cds({edsText("a"), edsText("b"), staticText("c", {1})});
  eds("a", endpointsText({5}));
  manager_->shutdown();
  EXPECT_EQ(0, subscriptions_.live["cds"]);
  EXPECT_EQ(0, subscriptions_.live["a"]);
  EXPECT_EQ(0, subscriptions_.live["b"]);
  EXPECT_NE(nullptr, local("a"));
  EXPECT_EQ(0, initialized_);
}

}  // namespace
}  // namespace sluice::cluster
