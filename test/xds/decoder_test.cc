#include "source/xds/decoder.h"

#include "gtest/gtest.h"

#include "source/config/loader.h"
#include "source/xds/nack.h"
#include "test/xds/resources.h"

namespace sluice::xds {
namespace {

using envoy::service::discovery::v3::DiscoveryResponse;
using test::assignment;
using test::badCluster;
using test::cluster;
using test::listener;
using test::response;

DecodedResponse decode(const DiscoveryResponse& response, DecodeOptions options = {}) {
  return decodeResponse(
      [&response](DiscoveryResponse& out, config::SourceMap&) {
        out = response;
        return absl::OkStatus();
      },
      "", options);
}

std::string errors(const DecodedResponse& decoded) { return describeErrors(decoded.type_url, decoded.errors); }

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST(Decoder, GivesNamesVersionsAndKeys) {
  DiscoveryResponse sent = response<envoy::config::cluster::v3::Cluster>("v7", "n1", {cluster("a"), cluster("b")});
  sent.mutable_control_plane()->set_identifier("cp-0");
  const DecodedResponse decoded = decode(sent);
  ASSERT_TRUE(decoded.status.ok());
  EXPECT_EQ(decoded.type_url, kClusterType);
  EXPECT_EQ(decoded.version, "v7");
  EXPECT_EQ(decoded.nonce, "n1");
  EXPECT_EQ(decoded.control_plane, "cp-0");
  EXPECT_TRUE(decoded.errors.empty()) << errors(decoded);
  ASSERT_EQ(decoded.resources.size(), 2u);
  EXPECT_EQ(decoded.resources[0].name, "a");
  EXPECT_EQ(decoded.resources[1].version, "v7");
  EXPECT_FALSE(decoded.resources[0].key == decoded.resources[1].key);
  EXPECT_EQ(decoded.record.size(), 2u);
  const auto* message = dynamic_cast<const envoy::config::cluster::v3::Cluster*>(decoded.resources[1].message.get());
  ASSERT_NE(message, nullptr);
  EXPECT_EQ(message->name(), "b");
}

TEST(Decoder, EqualResourcesHaveEqualKeysWhateverTheResponse) {
  const DecodedResponse one = decode(response<envoy::config::cluster::v3::Cluster>("1", "n", {cluster("a")}));
  const DecodedResponse two =
      decode(response<envoy::config::cluster::v3::Cluster>("2", "m", {cluster("b"), cluster("a")}));
  EXPECT_TRUE(one.resources[0].key == two.resources[1].key);
}

TEST(Decoder, NamesAssignmentsByTheirCluster) {
  const DecodedResponse decoded =
      decode(response<envoy::config::endpoint::v3::ClusterLoadAssignment>("1", "n", {assignment("be")}));
  ASSERT_EQ(decoded.resources.size(), 1u) << errors(decoded);
  EXPECT_EQ(decoded.resources[0].name, "be");
}

TEST(Decoder, KeepsTheGoodOnesAndTellsEveryBadOne) {
  DiscoveryResponse sent = response<envoy::config::cluster::v3::Cluster>(
      "1", "n", {cluster("good"), badCluster("bad-1"), cluster("fine"), badCluster("bad-2")});
  const DecodedResponse decoded = decode(sent);
  ASSERT_EQ(decoded.resources.size(), 2u);
  EXPECT_EQ(decoded.resources[0].name, "good");
  EXPECT_EQ(decoded.resources[1].name, "fine");
  ASSERT_EQ(decoded.errors.size(), 2u);
  EXPECT_NE(decoded.errors[0].message, nullptr);
  EXPECT_TRUE(contains(errors(decoded), "Cluster \"bad-1\": connect_timeout: ")) << errors(decoded);
  EXPECT_TRUE(contains(errors(decoded), "Cluster \"bad-2\": connect_timeout: ")) << errors(decoded);
}

TEST(Decoder, TwoOfOneNameAreBothRefused) {
  const DecodedResponse decoded = decode(response<envoy::config::cluster::v3::Cluster>(
      "1", "n", {cluster("twin", 1), cluster("other"), cluster("twin", 2)}));
  ASSERT_EQ(decoded.resources.size(), 1u);
  EXPECT_EQ(decoded.resources[0].name, "other");
  EXPECT_EQ(decoded.record.size(), 1u);
  ASSERT_EQ(decoded.errors.size(), 1u);
  EXPECT_EQ(decoded.errors[0].name, "twin");
  EXPECT_TRUE(contains(errors(decoded), "2 resources of this name")) << errors(decoded);
}

TEST(Decoder, AResourceOfAnotherTypeIsRefusedByItsName) {
  DiscoveryResponse sent = response<envoy::config::listener::v3::Listener>("1", "n", {});
  sent.add_resources()->PackFrom(cluster("stray"));
  const DecodedResponse decoded = decode(sent);
  EXPECT_TRUE(decoded.resources.empty());
  ASSERT_EQ(decoded.errors.size(), 1u);
  EXPECT_EQ(decoded.errors[0].name, "stray");
  EXPECT_TRUE(contains(errors(decoded), "envoy.config.cluster.v3.Cluster")) << errors(decoded);
}

TEST(Decoder, GarbageInOneResourceIsToldByItsPlace) {
  DiscoveryResponse sent = response<envoy::config::cluster::v3::Cluster>("1", "n", {cluster("good")});
  auto* garbage = sent.add_resources();
  garbage->set_type_url(std::string(kClusterType));
  garbage->set_value("\xff\xff\xff");
  const DecodedResponse decoded = decode(sent);
  EXPECT_EQ(decoded.resources.size(), 1u);
  ASSERT_EQ(decoded.errors.size(), 1u);
  EXPECT_EQ(decoded.errors[0].name, "");
  EXPECT_TRUE(contains(errors(decoded), "Cluster: resources[1]: ")) << errors(decoded);
}

TEST(Decoder, UnknownTypeIsAnErrorOfTheWhole) {
  DiscoveryResponse sent;
  sent.set_type_url("type.googleapis.com/no.such.Resource");
  sent.set_nonce("u1");
  sent.add_resources()->PackFrom(cluster("x"));
  const DecodedResponse decoded = decode(sent);
  EXPECT_TRUE(decoded.unknown_type);
  EXPECT_EQ(decoded.nonce, "u1");
  EXPECT_TRUE(contains(errors(decoded), "no.such.Resource")) << errors(decoded);
}

TEST(Decoder, UnwrapsResourcesWithVersionsOfTheirOwn) {
  DiscoveryResponse sent = response<envoy::config::cluster::v3::Cluster>("1", "n", {});
  envoy::service::discovery::v3::Resource wrapper;
  wrapper.set_name("a");
  wrapper.set_version("own");
  wrapper.mutable_resource()->PackFrom(cluster("a"));
  sent.add_resources()->PackFrom(wrapper);
  envoy::service::discovery::v3::Resource empty;
  empty.set_name("hollow");
  sent.add_resources()->PackFrom(empty);
  const DecodedResponse decoded = decode(sent);
  ASSERT_EQ(decoded.resources.size(), 1u);
  EXPECT_EQ(decoded.resources[0].version, "own");
  // What one without a body means is for who knows what is held.
  EXPECT_TRUE(decoded.errors.empty());
  ASSERT_EQ(decoded.heartbeats.size(), 1u);
  EXPECT_EQ(decoded.heartbeats[0].name, "hollow");
}

TEST(Decoder, NamelessClusterIsRefusedAndNamelessListenerIsNamedByItsAddress) {
  const DecodedResponse clusters = decode(response<envoy::config::cluster::v3::Cluster>("1", "n", {cluster("")}));
  EXPECT_TRUE(clusters.resources.empty());
  EXPECT_TRUE(contains(errors(clusters), "name")) << errors(clusters);

  const DecodedResponse listeners =
      decode(response<envoy::config::listener::v3::Listener>("1", "n", {listener("", 8080)}));
  ASSERT_EQ(listeners.resources.size(), 1u) << errors(listeners);
  EXPECT_EQ(listeners.resources[0].name, "unnamed:127.0.0.1:8080");
  EXPECT_EQ(dynamic_cast<const envoy::config::listener::v3::Listener&>(*listeners.resources[0].message).name(),
            "unnamed:127.0.0.1:8080");
}

TEST(Decoder, UnknownFieldsAreCountedAndOnlyRefusedIfAsked) {
  auto strange = cluster("a");
  strange.GetReflection()->MutableUnknownFields(&strange)->AddVarint(54321, 1);
  const DiscoveryResponse sent = response<envoy::config::cluster::v3::Cluster>("1", "n", {strange});
  const DecodedResponse taken = decode(sent);
  EXPECT_EQ(taken.resources.size(), 1u);
  EXPECT_EQ(taken.unknown.size(), 1u);
  const DecodedResponse refused = decode(sent, {.reject_unknown_fields = true});
  EXPECT_TRUE(refused.resources.empty());
  EXPECT_EQ(refused.errors.size(), 1u);
}

TEST(Decoder, WhatIsNoResponseIsAFailure) {
  const DecodedResponse decoded = decodeResponse(
      [](DiscoveryResponse&, config::SourceMap&) { return absl::InvalidArgumentError("half a message"); }, "");
  EXPECT_EQ(decoded.status.message(), "half a message");
  EXPECT_TRUE(decoded.resources.empty());
}

TEST(Decoder, MistakesInATextHaveLines) {
  const std::string text = R"(version_info: "1"
resources:
- "@type": type.googleapis.com/envoy.config.cluster.v3.Cluster
  name: good
- "@type": type.googleapis.com/envoy.config.cluster.v3.Cluster
  name: bad
  connect_timeout: 0s
)";
  const DecodedResponse decoded = decodeResponse(
      [&text](DiscoveryResponse& out, config::SourceMap& locations) {
        config::Violations violations;
        return config::parseYaml(text, out, {}, &locations, violations)
                   ? absl::OkStatus()
                   : absl::InvalidArgumentError(violations.toString());
      },
      std::string(kClusterType));
  ASSERT_TRUE(decoded.status.ok()) << decoded.status;
  ASSERT_EQ(decoded.resources.size(), 1u) << errors(decoded);
  ASSERT_EQ(decoded.errors.size(), 1u);
  EXPECT_TRUE(contains(errors(decoded), "Cluster \"bad\" (line 7): connect_timeout: ")) << errors(decoded);
}

}  // namespace
}  // namespace sluice::xds
