// Transport sockets of clusters, and clusters of type ORIGINAL_DST, on main.

#include "absl/strings/substitute.h"
#include <gtest/gtest.h>

#include "source/cluster/original_destinations.h"
#include "source/net/stream_info.h"
#include "test/cluster/cluster_manager_fixture.h"

namespace sluice::cluster {
namespace {

std::string tls(absl::string_view sni) { return absl::StrCat(", transport_socket: ", test::fakeTls(sni)); }

class ClusterTransportsTest : public ClusterManagerTest {
 protected:
  std::shared_ptr<const ConnectionRecipe> recipeOf(absl::string_view name, int port) {
    const LocalCluster& cluster = *local(name);
    for (const EndpointSet::Entry& entry : (*cluster.localEndpoints())->entries()) {
      if (entry.endpoint->address().port() == port) {
        return cluster.info().recipeOf(entry);
      }
    }
    return nullptr;
  }
};

TEST_F(ClusterTransportsTest, MistakesNameTheirField) {
  EXPECT_EQ(
      "static_resources.clusters[0].transport_socket.typed_config.sni: is bad in a\n"
      "static_resources.clusters[1].transport_socket_matches[0].transport_socket.typed_config: there is no transport "
      "socket of the type 'envoy.extensions.transport_sockets.starttls.v3.UpstreamStartTlsConfig' for clusters\n",
      addStatic({staticText("a", {1}, tls("bad")),
                 staticText("b", {1},
                            R"(, transport_socket_matches: [{name: x, match: {}, transport_socket: {name: y,
                 typed_config: {"@type": type.googleapis.com/envoy.extensions.transport_sockets.starttls.v3.UpstreamStartTlsConfig}}}])")}));
  initialize();
  cds({staticText("c", {1}, tls("good"))});
  EXPECT_EQ((std::vector<std::string>{"c"}), cds({staticText("c", {2}, tls("bad"))}));
  EXPECT_EQ("transport_socket.typed_config.sni: is bad in c\n", last_violations_);
  EXPECT_EQ("active 1", shown("c")) << "the last good one stays";
}

TEST_F(ClusterTransportsTest, AStaticClusterIsWaitedForUntilItsSecretsAreThere) {
  EXPECT_EQ("", addStatic({staticText("a", {1}, tls("wait-s"))}));
  initialize(false);
  EXPECT_EQ(0, initialized_);
  EXPECT_EQ(nullptr, local("a"));
  ASSERT_EQ(1u, manager_->pending().size());
  EXPECT_EQ("secret s", manager_->pending()[0].target);
  dispatcher_.callback([&] { tls_->secrets["s"]->ready(); });
  dispatcher_.runUntilIdle();
  EXPECT_EQ(1, initialized_);
  EXPECT_NE(nullptr, local("a"));
}

TEST_F(ClusterTransportsTest, TheOldVersionServesWhileTheNewOneWaitsForItsSecrets) {
  initialize();
  cds({edsText("a", tls("old"))});
  eds("a", endpointsText({5}));
  const ConnectionRecipe* const before = local("a")->info().recipe.get();
  cds({edsText("a", tls("wait-s"))});
  EXPECT_EQ("active 5; warming", shown("a"));
  EXPECT_EQ(before, local("a")->info().recipe.get());
  EXPECT_EQ(1, subscriptions_.made["a"]) << "the endpoints are not asked for again";
  eds("a", endpointsText({5, 6}));
  EXPECT_EQ("active 5 6; warming", shown("a")) << "the old version's endpoints are kept up to date";
  EXPECT_EQ("secret s", manager_->pending().at(0).target);

  // A change of something else meanwhile waits for the same secret.
  cds({edsText("a", absl::StrCat(tls("wait-s"), ", connect_timeout: 1s"))});
  EXPECT_EQ("active 5 6; warming", shown("a"));
  dispatcher_.callback([&] { tls_->secrets["s"]->ready(); });
  dispatcher_.runUntilIdle();
  EXPECT_EQ("active 5 6", shown("a"));
  EXPECT_NE(before, local("a")->info().recipe.get());
  EXPECT_EQ(std::chrono::seconds(1), local("a")->info().connect_timeout);
  eds("a", endpointsText({7}));
  EXPECT_EQ("active 7", shown("a"));
  EXPECT_EQ(1, gauge("cluster_manager.active_clusters"));
  EXPECT_EQ(0, gauge("cluster_manager.warming_clusters"));
}

TEST_F(ClusterTransportsTest, AVersionThatWaitedIsForgottenWhenTheOldOneComesBack) {
  initialize();
  cds({staticText("a", {1}, tls("old"))});
  const ConnectionRecipe* const before = local("a")->info().recipe.get();
  cds({staticText("a", {1}, tls("wait-s"))});
  EXPECT_EQ("active 1; warming", shown("a"));
  cds({staticText("a", {1}, tls("old"))});
  EXPECT_EQ("active 1", shown("a"));
  EXPECT_EQ(before, local("a")->info().recipe.get());
  dispatcher_.callback([&] { tls_->secrets["s"]->ready(); });
  dispatcher_.runUntilIdle();
  EXPECT_EQ(before, local("a")->info().recipe.get());
}

TEST_F(ClusterTransportsTest, EqualTransportsStayOneObject) {
  initialize();
  cds({staticText("a", {1}, tls("x"))});
  const std::shared_ptr<const ConnectionRecipe> before = local("a")->info().recipe;
  cds({staticText("a", {1}, absl::StrCat(tls("x"), ", connect_timeout: 1s"))});
  EXPECT_EQ(before, local("a")->info().recipe);
  EXPECT_EQ(std::chrono::seconds(1), local("a")->info().connect_timeout);
  cds({staticText("a", {1}, tls("y"))});
  EXPECT_NE(before->key, local("a")->info().recipe->key);
}

constexpr char kEndpoints[] = R"(endpoints: [
  {metadata: {filter_metadata: {envoy.transport_socket_match: {zone: z}}}, lb_endpoints: [
    {endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 1}}},
     metadata: {filter_metadata: {envoy.transport_socket_match: {mode: $0}}}},
    {endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 2}}}}]},
  {lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 3}}}}]}])";

TEST_F(ClusterTransportsTest, MetadataOfEndpointsAndLocalitiesChoosesTheTransport) {
  initialize();
  const auto matches = [](absl::string_view istio) {
    return absl::StrCat(
        ", transport_socket_matches: [{name: istio, match: {mode: istio}, transport_socket: ", test::fakeTls(istio),
        "}, {name: zone, match: {zone: z}, transport_socket: ", test::fakeTls("zone"), "}]");
  };
  cds({edsText("a", matches("one"))});
  eds("a", absl::Substitute(kEndpoints, "istio"));
  const std::shared_ptr<const ConnectionRecipe> istio = recipeOf("a", 1);
  const std::shared_ptr<const ConnectionRecipe> zone = recipeOf("a", 2);
  const std::shared_ptr<const ConnectionRecipe> plain = recipeOf("a", 3);
  EXPECT_TRUE(istio->tls && zone->tls && !plain->tls);
  EXPECT_NE(istio, zone);
  EXPECT_EQ(1, counter("cluster.a.istio.total_match_count"));
  EXPECT_EQ(1, counter("cluster.a.zone.total_match_count"));
  EXPECT_EQ(1, counter("cluster.a.default.total_match_count"));

  // Another label, another transport; the endpoint stays.
  const std::vector<std::shared_ptr<Endpoint>> endpoints = endpointsOf("a");
  eds("a", absl::Substitute(kEndpoints, "none"));
  EXPECT_EQ(zone, recipeOf("a", 1));
  EXPECT_EQ(endpoints, endpointsOf("a"));
  EXPECT_EQ(2, counter("cluster.a.zone.total_match_count"));
  eds("a", absl::Substitute(kEndpoints, "istio"));
  EXPECT_EQ(istio, recipeOf("a", 1));

  // A change of one of them touches no other's connections.
  cds({edsText("a", matches("two"))});
  EXPECT_NE(istio->key, recipeOf("a", 1)->key);
  EXPECT_EQ(zone, recipeOf("a", 2));
  EXPECT_EQ(plain, recipeOf("a", 3));
  cds({edsText("a")});
  EXPECT_EQ(plain, recipeOf("a", 1));
}

TEST_F(ClusterTransportsTest, MainKnowsTheOriginalDestinationsOfItsWorkers) {
  EXPECT_EQ("", addStatic({"{name: a, type: ORIGINAL_DST, lb_policy: CLUSTER_PROVIDED}"}));
  initialize(false);
  net::StreamInfo stream;
  stream.downstream_local = *net::Address::ip("10.0.0.1", 80);
  stream.makeExtras().local_address_restored = true;
  {
    OriginalDestinations destinations(*local("a"));
    EXPECT_NE(nullptr, destinations.pick(stream).entry);
    EXPECT_NE(nullptr, destinations.pick(stream).entry);
    dispatcher_.runUntilIdle();
    EXPECT_EQ("active 80", shown("a"));
    EXPECT_EQ(1, gauge("cluster.a.membership_total"));
    EXPECT_EQ(1, counter("cluster.a.membership_change"));
    // Used since the last clean-up, then no more.
    dispatcher_.advance(std::chrono::seconds(5));
    EXPECT_EQ("active 80", shown("a"));
    dispatcher_.advance(std::chrono::seconds(5));
    dispatcher_.runUntilIdle();
    EXPECT_EQ("active", shown("a"));
    EXPECT_EQ(0, gauge("cluster.a.membership_total"));
  }
}

}  // namespace
}  // namespace sluice::cluster
