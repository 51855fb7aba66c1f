#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "envoy/admin/v3/server_info.pb.h"
#include "envoy/config/bootstrap/v3/bootstrap.pb.h"
#include "envoy/config/core/v3/base.pb.h"

#include "source/base/clock.h"
#include "source/cluster/cluster_manager.h"
#include "source/cluster/cluster_view.h"
#include "source/config/canonical_key.h"
#include "source/http/route_view.h"
#include "source/listener/listener_view.h"
#include "source/runtime/snapshot.h"
#include "source/tls/certificate.h"
#include "source/tls/secret_view.h"
#include "source/tls/validation_context.h"
#include "source/xds/init_manager.h"

// What the admin pages show and do: given by the server, so that the pages know nothing of how it is put together.

namespace sluice::admin {

/** What stays as it is for the server's life: read on the admin thread. */
struct ServerFacts {
  envoy::admin::v3::CommandLineOptions options;
  envoy::config::core::v3::Node node;
  envoy::config::bootstrap::v3::Bootstrap bootstrap;
  base::SystemTime bootstrap_loaded;
  base::MonotonicTime started;
  /** For any thread: what /ready says must wait for nobody. */
  std::function<envoy::admin::v3::ServerInfo::State()> state;
};

/** What is known on main alone; called there, a slice at a time. None is null but where it says so. */
struct MainViews {
  /** In order of name. */
  std::function<std::vector<std::string>()> listener_names;
  std::function<std::optional<listener::ListenerView>(absl::string_view name)> listener;
  std::function<std::string()> lds_version;

  using ClusterVisitor = absl::FunctionRef<bool(const cluster::ClusterView&)>;
  /** As ClusterManager::visit(). */
  std::function<void(absl::string_view after, ClusterVisitor visit)> visit_clusters;
  std::function<const std::map<std::string, cluster::ClusterFailure>&()> cluster_failures;
  std::function<std::string()> cds_version;
  std::function<std::vector<cluster::ClusterManager::Pending>()> pending_clusters;

  /** As http::RouteProviders::visit(); null where nothing speaks HTTP. */
  std::function<void(const std::string& after, http::RouteViewVisitor visit)> visit_routes;

  /** As tls::Secrets::visit(); null where there are none, as are those below. */
  std::function<void(const std::string& after, tls::SecretVisitor visit)> visit_secrets;
  /** What is in use, as tls::ContentCache::visit(). */
  template <class Content>
  using ContentVisitor = std::function<bool(const config::ContentKey& key, const Content& content)>;
  std::function<void(const config::ContentKey* after, const ContentVisitor<tls::Certificate>& visit)>
      visit_certificates;
  std::function<void(const config::ContentKey* after, const ContentVisitor<tls::ValidationContext>& visit)>
      visit_validations;

  /** What the server itself waits for before it is live. */
  std::function<std::vector<xds::InitManager::Pending>()> pending_server;
  std::function<std::shared_ptr<const runtime::Snapshot>()> runtime;
};

struct DrainRequest {
  bool inbound_only = false;
  /** Connections are asked to go over the drain time before the listeners stop. */
  bool graceful = false;
  /** The listeners never stop. */
  bool skip_exit = false;
};

/** What a POST does; called on main. None is null. */
struct Actions {
  std::function<void(const DrainRequest&)> drain_listeners;
  std::function<void()> fail_health_check;
  std::function<void()> pass_health_check;
  std::function<absl::Status()> reopen_logs;
  /** After its answer has gone out. */
  std::function<void()> quit;
};

}  // namespace sluice::admin
