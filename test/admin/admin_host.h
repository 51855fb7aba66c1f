#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/util/json_util.h"
#include "gtest/gtest.h"

#include "source/admin/admin_server.h"
#include "source/config/loader.h"
#include "test/admin/http_client.h"
#include "test/admin/loop_thread.h"

namespace sluice::test {

template <class Message>
Message fromYaml(absl::string_view text) {
  Message message;
  config::Violations violations;
  EXPECT_TRUE(config::parseYaml(text, message, {}, nullptr, violations)) << text << "\n" << violations.toString();
  return message;
}

/** Reads a page as the message that it is the JSON of. */
template <class Message>
Message fromJson(const std::string& json) {
  Message message;
  const auto status = google::protobuf::util::JsonStringToMessage(json, &message);
  EXPECT_TRUE(status.ok()) << status.ToString() << "\n" << json.substr(0, 4000);
  return message;
}

/** A cluster as the cluster manager would show it. */
struct FakeCluster {
  envoy::config::cluster::v3::Cluster config;
  std::string version;
  bool added_via_api = true;
  bool warming = false;
  std::shared_ptr<const cluster::ClusterInfo> info;
  std::shared_ptr<const cluster::EndpointSet> endpoints;
  envoy::config::endpoint::v3::ClusterLoadAssignment assignment;
  std::unique_ptr<cluster::ClusterFailure> failure;
};

/**
 * An admin server on a free port, with main on a thread of its own. Its views show what the public members hold, which a
 * test sets before start().
 */
class AdminHost {
 public:
  AdminHost() {
    main_.run([this] { store_ = std::make_unique<stats::Store>(); });
    facts.bootstrap = fromYaml<envoy::config::bootstrap::v3::Bootstrap>(
        "{admin: {address: {socket_address: {address: 127.0.0.1, port_value: 0}}}}");
    facts.bootstrap_loaded = base::SystemTime(std::chrono::milliseconds(1700000000123));
    facts.started = clock_.monotonicNow();
    facts.node.set_id("n1");
    facts.state = [this] { return state.load(); };
    runtime = std::make_shared<const runtime::Snapshot>();
  }
  ~AdminHost() {
    main_.run([this] {
      admin_ = nullptr;
      clusters.clear();
      store_ = nullptr;
    });
  }

  void start() {
    absl::Status status;
    main_.run([&] { status = tryStart(); });
    ASSERT_TRUE(status.ok()) << status;
  }
  void stop() {
    main_.run([this] { admin_ = nullptr; });
  }
  /** On main. */
  absl::Status tryStart() {
    absl::StatusOr<std::unique_ptr<admin::AdminServer>> made = admin::AdminServer::create(
        {main_.dispatcher(), clock_, *store_, nullptr, facts, makeViews(), makeActions(), limits});
    if (!made.ok()) {
      return made.status();
    }
    admin_ = *std::move(made);
    admin_->start();
    return absl::OkStatus();
  }

  const net::Address& address() const { return admin_->localAddress(); }
  HttpAnswer get(absl::string_view target) { return HttpClient(address()).get(target); }
  HttpAnswer post(absl::string_view target, absl::string_view form = {}) {
    return HttpClient(address()).post(target, form);
  }
  LoopThread& main() { return main_; }
  stats::Store& store() { return *store_; }

  /** A cluster of `yaml` with the endpoints of its load_assignment, which are IP addresses. */
  void addCluster(absl::string_view yaml, absl::string_view version = "v1") {
    auto fake = std::make_unique<FakeCluster>();
    fake->config = fromYaml<envoy::config::cluster::v3::Cluster>(yaml);
    fake->version = std::string(version);
    fake->assignment = fake->config.load_assignment();
    std::vector<cluster::EndpointSet::Entry> entries;
    std::vector<cluster::Locality> localities;
    for (int group = 0; group < fake->assignment.endpoints_size(); ++group) {
      const auto& locality = fake->assignment.endpoints(group).locality();
      localities.push_back({locality.region(), locality.zone(), locality.sub_zone()});
      for (int i = 0; i < fake->assignment.endpoints(group).lb_endpoints_size(); ++i) {
        entries.push_back(makeEntry(fake->assignment.endpoints(group).lb_endpoints(i), group, i));
      }
    }
    fake->endpoints =
        std::make_shared<const cluster::EndpointSet>(std::move(entries), std::move(localities), cluster::HealthRules());
    main_.run([&] {
      auto info = std::make_shared<cluster::ClusterInfo>(
          main_.dispatcher(), store_->createScope(absl::StrCat("cluster.", fake->config.name())));
      info->name = info->observability_name = std::make_shared<const std::string>(fake->config.name());
      fake->info = std::move(info);
    });
    clusters[fake->config.name()].push_back(std::move(fake));
  }

  std::atomic<envoy::admin::v3::ServerInfo::State> state{envoy::admin::v3::ServerInfo::LIVE};
  admin::ServerFacts facts;
  admin::HttpLimits limits;
  std::map<std::string, listener::ListenerView> listeners;
  std::vector<http::RouteConfigView> routes;
  std::map<std::string, std::vector<std::unique_ptr<FakeCluster>>, std::less<>> clusters;
  std::map<std::string, cluster::ClusterFailure> cluster_failures;
  std::vector<cluster::ClusterManager::Pending> pending_clusters;
  std::vector<xds::InitManager::Pending> pending_server;
  std::shared_ptr<const runtime::Snapshot> runtime;
  /** What was done, in order; on main. */
  std::vector<std::string> done;
  std::promise<void> quit;
  absl::Status reopen_logs;

 private:
  static cluster::EndpointSet::Entry makeEntry(const envoy::config::endpoint::v3::LbEndpoint& from, int group, int i) {
    const auto& address = from.endpoint().address().socket_address();
    cluster::EndpointSet::Entry entry;
    entry.endpoint = std::make_shared<cluster::Endpoint>(
        *net::Address::ip(address.address(), static_cast<uint16_t>(address.port_value())), from.endpoint().hostname());
    entry.weight = from.has_load_balancing_weight() ? from.load_balancing_weight().value() : 1;
    entry.health = static_cast<cluster::EdsHealth>(from.health_status());
    entry.locality = entry.group_index = group;
    entry.endpoint_index = i;
    return entry;
  }

  admin::MainViews makeViews() {
    admin::MainViews views;
    views.listener_names = [this] {
      std::vector<std::string> names;
      for (const auto& [name, view] : listeners) {
        names.push_back(name);
      }
      return names;
    };
    views.listener = [this](absl::string_view name) -> std::optional<listener::ListenerView> {
      const auto found = listeners.find(std::string(name));
      return found == listeners.end() ? std::nullopt : std::make_optional(found->second);
    };
    views.visit_routes = [this](const std::string& after, http::RouteViewVisitor visit) {
      // Keys are places in the list.
      for (size_t i = after.empty() ? 0 : static_cast<size_t>(std::stoi(after)) + 1; i < routes.size(); ++i) {
        if (!visit(std::to_string(i), routes[i])) {
          return;
        }
      }
    };
    views.lds_version = [] { return "lds-version"; };
    views.visit_clusters = [this](absl::string_view after, admin::MainViews::ClusterVisitor visit) {
      bool more = true;
      for (auto next = clusters.upper_bound(after); more && next != clusters.end(); ++next) {
        for (const std::unique_ptr<FakeCluster>& fake : next->second) {
          const cluster::ClusterView view{next->first,
                                          fake->config,
                                          fake->version,
                                          base::SystemTime(std::chrono::milliseconds(1700000001456)),
                                          fake->added_via_api,
                                          fake->warming,
                                          "",
                                          {},
                                          *fake->info,
                                          fake->endpoints,
                                          &fake->assignment,
                                          fake->failure.get()};
          more = visit(view);
        }
      }
    };
    views.cluster_failures = [this]() -> const std::map<std::string, cluster::ClusterFailure>& {
      return cluster_failures;
    };
    views.cds_version = [] { return "cds-version"; };
    views.pending_clusters = [this] { return pending_clusters; };
    views.pending_server = [this] { return pending_server; };
    views.runtime = [this] { return runtime; };
    return views;
  }

  admin::Actions makeActions() {
    admin::Actions actions;
    actions.drain_listeners = [this](const admin::DrainRequest& drain) {
      done.push_back(absl::StrCat("drain", drain.inbound_only ? " inbound" : "", drain.graceful ? " graceful" : "",
                                  drain.skip_exit ? " skip_exit" : ""));
    };
    actions.fail_health_check = [this] { done.push_back("fail"); };
    actions.pass_health_check = [this] { done.push_back("pass"); };
    actions.reopen_logs = [this] { return reopen_logs; };
    actions.quit = [this] { quit.set_value(); };
    return actions;
  }

  LoopThread main_;
  base::RealClock clock_;
  std::unique_ptr<stats::Store> store_;
  std::unique_ptr<admin::AdminServer> admin_;
};

}  // namespace sluice::test
