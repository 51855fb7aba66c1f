#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

#include "source/cluster/local_clusters.h"
#include "source/event/libevent_dispatcher.h"
#include "source/net/raw_transport_socket.h"
#include "source/stats/store.h"
#include "test/support/sockets.h"
#include "test/support/turn_until.h"

namespace sluice::test {

/** A thread's clusters over real sockets: the cluster "be", and the backend behind it. */
class LocalClustersFixture : public ::testing::Test {
 protected:
  explicit LocalClustersFixture(const char* thread = "worker_0") : dispatcher_(thread) { setRecipe({}); }
  ~LocalClustersFixture() override { clear(); }

  /** With all of its connections. */
  void clear() {
    clusters_.reset();
    dispatcher_.clearDeferredDeletes();
  }

  /** What the next makeInfo() makes connections with. */
  void setRecipe(cluster::HttpOptions http) {
    auto recipe = std::make_shared<cluster::ConnectionRecipe>();
    recipe->transport = std::make_shared<net::RawTransportSocketFactory>();
    recipe->http = std::move(http);
    recipe_ = std::move(recipe);
  }
  std::unique_ptr<cluster::ClusterInfo> makeInfo() {
    auto info = std::make_unique<cluster::ClusterInfo>(dispatcher_, scope_);
    info->name = name_;
    info->observability_name = name_;
    info->recipe = recipe_;
    info->breakers = breakers_;
    breakers_->setThresholds(thresholds_, high_thresholds_, *scope_);
    info->normal_thresholds = thresholds_;
    return info;
  }
  std::shared_ptr<const cluster::EndpointSet> makeSet(const std::vector<std::shared_ptr<cluster::Endpoint>>& endpoints,
                                                      cluster::EdsHealth health = cluster::EdsHealth::Healthy) {
    std::vector<cluster::EndpointSet::Entry> entries;
    for (const auto& endpoint : endpoints) {
      entries.emplace_back().endpoint = endpoint;
      entries.back().health = health;
    }
    return std::make_shared<cluster::EndpointSet>(std::move(entries), std::vector<cluster::Locality>(1),
                                                  cluster::HealthRules());
  }
  void add(std::unique_ptr<cluster::ClusterInfo> info, std::shared_ptr<const cluster::EndpointSet> endpoints) {
    clusters_->apply({{name_, std::move(info), std::move(endpoints)}});
  }
  void addDefault() { add(makeInfo(), makeSet({endpoint_})); }
  cluster::LocalCluster& cluster() { return *clusters_->find("be"); }

  void turn() { dispatcher_.run(event::Dispatcher::RunType::NonBlock); }
  bool until(const std::function<bool()>& done) { return turnUntil(dispatcher_, done); }
  /** The backend's end of the next connection. */
  net::Socket accept() {
    net::Socket peer;
    net::Address remote;
    EXPECT_TRUE(until([&] { return net::acceptConnection(backend_.socket.fd(), peer, remote) == 0; }));
    return peer;
  }

  /** Of the cluster. */
  uint64_t counter(absl::string_view name) const { return store_.counterValue(absl::StrCat("cluster.be.", name)); }
  uint64_t gauge(absl::string_view name) const { return store_.gaugeValue(absl::StrCat("cluster.be.", name)); }

  event::LibeventDispatcher dispatcher_;
  stats::Store store_;
  stats::ScopePtr scope_ = store_.createScope("cluster.be");
  std::shared_ptr<cluster::CircuitBreakers> breakers_ = std::make_shared<cluster::CircuitBreakers>(*scope_);
  cluster::Thresholds thresholds_;
  cluster::Thresholds high_thresholds_;
  std::shared_ptr<const cluster::ConnectionRecipe> recipe_;
  const std::shared_ptr<const std::string> name_ = std::make_shared<const std::string>("be");
  ListeningSocket backend_ = listenOnLoopback();
  std::shared_ptr<cluster::Endpoint> endpoint_ = std::make_shared<cluster::Endpoint>(backend_.address, "host.test");
  std::unique_ptr<cluster::LocalClusters> clusters_ = std::make_unique<cluster::LocalClusters>(dispatcher_);
};

}  // namespace sluice::test
