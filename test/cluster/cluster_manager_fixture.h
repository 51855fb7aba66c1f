#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "envoy/config/core/v3/config_source.pb.h"
#include <gtest/gtest.h>

#include "source/cluster/cluster_manager.h"
#include "source/stats/store.h"
#include "test/cluster/fake_upstream_transport.h"
#include "test/cluster/fixtures.h"
#include "test/support/fake_dispatcher.h"

namespace sluice::cluster {

/** Keeps the subscriptions for the test to feed. */
class FakeSubscriptions : public xds::SubscriptionFactory {
 public:
  struct Held : xds::Subscription {
    ~Held() override { --owner->live[key]; }
    void setNames(std::set<std::string>) override {}
    FakeSubscriptions* owner;
    std::string key;
  };

  absl::StatusOr<std::unique_ptr<xds::Subscription>> subscribe(const envoy::config::core::v3::ConfigSource& source,
                                                               absl::string_view type_url, std::set<std::string> names,
                                                               absl::string_view stat_prefix,
                                                               xds::ResourceWatcher& watcher) override {
    if (source.has_api_config_source()) {
      return absl::UnimplementedError("no such source");
    }
    auto held = std::make_unique<Held>();
    held->owner = this;
    held->key = type_url == xds::kClusterType ? "cds" : absl::StrJoin(names, ",");
    ++live[held->key];
    ++made[held->key];
    prefixes[held->key] = std::string(stat_prefix);
    watchers[held->key] = &watcher;
    return held;
  }
  std::shared_ptr<void> pause(absl::string_view type_url) override {
    EXPECT_EQ(xds::kEndpointType, type_url);
    ++pauses;
    return std::shared_ptr<void>(this, [this](void*) { --pauses; });
  }

  std::map<std::string, int> live;
  std::map<std::string, int> made;
  std::map<std::string, std::string> prefixes;
  std::map<std::string, xds::ResourceWatcher*> watchers;
  int pauses = 0;
};

/** Never answers. */
class SilentResolver : public DnsResolver {
 public:
  std::unique_ptr<DnsQuery> resolve(const std::string& name, DnsFamily, Callback) override {
    asked.push_back(name);
    return std::make_unique<DnsQuery>();
  }
  std::vector<std::string> asked;
};

template <class Message>
xds::Resource resource(std::string name, std::shared_ptr<Message> message, std::string version = "1") {
  xds::Resource made;
  made.name = std::move(name);
  made.version = std::move(version);
  made.key = config::contentKeyOf(*message);
  made.message = std::move(message);
  return made;
}

inline std::string endpointsText(const std::vector<int>& ports) {
  std::vector<std::string> all;
  for (const int port : ports) {
    all.push_back(
        absl::StrCat("{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: ", port, "}}}}"));
  }
  return absl::StrCat("endpoints: [{lb_endpoints: [", absl::StrJoin(all, ", "), "]}]");
}

inline std::string staticText(absl::string_view name, const std::vector<int>& ports, absl::string_view more = "") {
  return absl::StrCat("{name: ", name, ", load_assignment: {", endpointsText(ports), "}", more, "}");
}

inline std::string edsText(absl::string_view name, absl::string_view more = "") {
  return absl::StrCat("{name: ", name, ", type: EDS, eds_cluster_config: {eds_config: {ads: {}}}", more, "}");
}

class ClusterManagerTest : public testing::Test {
 protected:
  static UpstreamTransportSocketFactories onlyOne(UpstreamTransportSocketFactory* factory) {
    UpstreamTransportSocketFactories all;
    all.emplace_back(factory);
    return all;
  }
  ~ClusterManagerTest() override {
    manager_.reset();
    dispatcher_.runUntilIdle();
    slots_.shutdownThread(dispatcher_);
  }

  std::string addStatic(const std::vector<std::string>& texts) {
    google::protobuf::RepeatedPtrField<ClusterProto> clusters;
    for (const std::string& text : texts) {
      *clusters.Add() = *test::clusterYaml(text);
    }
    config::Violations violations;
    manager_->addStaticClusters(clusters, config::FieldPath("static_resources.clusters"), violations);
    return violations.toString();
  }
  void initialize(bool with_cds = true) {
    envoy::config::core::v3::ConfigSource ads;
    ads.mutable_ads();
    EXPECT_TRUE(manager_->initialize(with_cds ? &ads : nullptr, [this] { ++initialized_; }).ok());
    dispatcher_.runUntilIdle();
  }

  /** Hands CDS an update; the names of what was refused. */
  std::vector<std::string> cds(const std::vector<std::string>& texts, bool full_state = true,
                               const std::string& version = "1") {
    xds::Update update;
    for (const std::string& text : texts) {
      auto message = test::clusterYaml(text);
      update.resources.push_back(resource(message->name(), message, version));
    }
    update.full_state = full_state;
    update.version = version;
    return deliver("cds", std::move(update));
  }
  std::vector<std::string> eds(const std::string& name, absl::string_view text) {
    xds::Update update;
    update.resources.push_back(resource(name, test::assignmentYaml(text)));
    return deliver(name, std::move(update));
  }
  std::vector<std::string> deliver(const std::string& key, xds::Update update) {
    std::vector<std::string> refused;
    bool done = false;
    dispatcher_.callback([&] {
      subscriptions_.watchers.at(key)->onUpdate(std::move(update), [&](std::vector<xds::ResourceError> errors) {
        for (const xds::ResourceError& error : errors) {
          refused.push_back(error.name);
          last_violations_ = error.violations.toString();
        }
        done = true;
      });
    });
    dispatcher_.runUntilIdle();
    EXPECT_TRUE(done);
    EXPECT_EQ(0, subscriptions_.pauses);
    return refused;
  }
  void fail(const std::string& key, xds::FetchFailure reason) {
    dispatcher_.callback([&] { subscriptions_.watchers.at(key)->onFetchFailure(reason); });
    dispatcher_.runUntilIdle();
  }

  LocalCluster* local(absl::string_view name) { return manager_->provider().localClusters().find(name); }
  /** The views of one cluster, each as "active 1.2.3.4:5" or "warming". */
  std::string shown(absl::string_view name) {
    std::string text;
    manager_->visit("", [&](const ClusterView& view) {
      if (view.name == name) {
        absl::StrAppend(&text, text.empty() ? "" : "; ", view.warming ? "warming" : "active");
        for (size_t i = 0; view.endpoints != nullptr && i < view.endpoints->entries().size(); ++i) {
          absl::StrAppend(&text, " ", view.endpoints->entries()[i].endpoint->address().port());
        }
      }
      return true;
    });
    return text;
  }
  std::vector<std::shared_ptr<Endpoint>> endpointsOf(absl::string_view name) {
    std::vector<std::shared_ptr<Endpoint>> endpoints;
    manager_->visit("", [&](const ClusterView& view) {
      if (view.name == name && !view.warming) {
        for (const EndpointSet::Entry& entry : view.endpoints->entries()) {
          endpoints.push_back(entry.endpoint);
        }
      }
      return true;
    });
    return endpoints;
  }
  uint64_t counter(absl::string_view name) const { return store_.counterValue(name); }
  uint64_t gauge(absl::string_view name) const { return store_.gaugeValue(name); }

  test::FakeDispatcher dispatcher_;
  thread::SlotAllocator slots_{dispatcher_};
  stats::Store store_;
  const runtime::Snapshot runtime_;
  FakeSubscriptions subscriptions_;
  SilentResolver resolver_;
  test::FakeUpstreamTransport* const tls_ = new test::FakeUpstreamTransport();
  UpstreamTransportSocketFactories transports_ = onlyOne(tls_);
  std::unique_ptr<ClusterManager> manager_ = std::make_unique<ClusterManager>(
      dispatcher_, slots_, *store_.root(), runtime_, subscriptions_, resolver_, transports_);
  int initialized_ = 0;
  std::string last_violations_;
};

}  // namespace sluice::cluster
