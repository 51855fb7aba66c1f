#include "source/cluster/cluster_manager.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "envoy/config/core/v3/config_source.pb.h"

#include "source/base/logging.h"

namespace sluice::cluster {

ClusterManager::Stats::Stats(stats::Scope& scope)
    : active_clusters(scope.gauge("cluster_manager.active_clusters")),
      warming_clusters(scope.gauge("cluster_manager.warming_clusters")),
      cluster_added(scope.counter("cluster_manager.cluster_added")),
      cluster_modified(scope.counter("cluster_manager.cluster_modified")),
      cluster_removed(scope.counter("cluster_manager.cluster_removed")),
      cluster_updated(scope.counter("cluster_manager.cluster_updated")),
      cluster_updated_via_merge(scope.counter("cluster_manager.cluster_updated_via_merge")),
      update_merge_cancelled(scope.counter("cluster_manager.update_merge_cancelled")),
      update_out_of_merge_window(scope.counter("cluster_manager.update_out_of_merge_window")) {}

ClusterManager::ClusterManager(event::Dispatcher& main, thread::SlotAllocator& slots, stats::Scope& root_scope,
                               const runtime::Snapshot& runtime, xds::SubscriptionFactory& subscriptions,
                               DnsResolver& resolver, const UpstreamTransportSocketFactories& transports)
    : main_(main),
      runtime_(runtime),
      subscriptions_(subscriptions),
      stats_(root_scope),
      slot_(slots, [](event::Dispatcher& dispatcher) { return std::make_unique<LocalClusters>(dispatcher); }),
      provider_(slot_),
      context_{.main = main,
               .root_scope = root_scope,
               .subscriptions = subscriptions,
               .resolver = resolver,
               .transports = transports,
               .send = [this](ClusterChange change) { send(std::move(change)); },
               .count =
                   [this](int active, int warming) {
                     active_count_ += static_cast<uint64_t>(active);
                     warming_count_ += static_cast<uint64_t>(warming);
                     stats_.active_clusters.set(active_count_);
                     stats_.warming_clusters.set(warming_count_);
                   },
               .count_endpoint_update = [this] { stats_.cluster_updated.inc(); },
               .settled =
                   [this](Cluster& cluster) {
                     waiting_.erase(cluster.name());
                     advance();
                   }} {
  stats_.active_clusters.set(0);
  stats_.warming_clusters.set(0);
}

ClusterManager::~ClusterManager() {
  shutdown();
  clusters_.clear();
}

void ClusterManager::shutdown() {
  cds_.reset();
  on_initialized_ = nullptr;
  for (auto& entry : clusters_) {
    entry.second->stop();
  }
}

void ClusterManager::addStaticClusters(const google::protobuf::RepeatedPtrField<ClusterProto>& clusters,
                                       const config::FieldPath& path, config::Violations& violations) {
  for (int i = 0; i < clusters.size(); ++i) {
    const config::FieldPath at = path.index(i);
    ClusterConfiguration configuration;
    configuration.message = std::make_shared<const ClusterProto>(clusters[i]);
    config::Violations mistakes;
    ClusterParts parts = takeApart(configuration.message, runtime_, at, mistakes);
    if (clusters_.contains(parts.name)) {
      mistakes.add(at.field("name"), absl::StrCat("there are two clusters '", parts.name, "'"));
    }
    std::unique_ptr<Cluster> cluster;
    if (mistakes.empty()) {
      cluster = std::make_unique<Cluster>(context_, parts.name, /*added_via_api=*/false);
      cluster->update(std::move(configuration), std::move(parts), at, mistakes);
    }
    violations.addAll(mistakes);
    if (!mistakes.empty()) {
      continue;
    }
    clusters_.emplace(cluster->name(), std::move(cluster));
    stats_.cluster_added.inc();
  }
}

absl::Status ClusterManager::initialize(const envoy::config::core::v3::ConfigSource* cds,
                                        std::function<void()> on_initialized) {
  on_initialized_ = std::move(on_initialized);
  if (cds != nullptr) {
    cds_source_ = std::make_unique<envoy::config::core::v3::ConfigSource>(*cds);
  }
  phase_ = Phase::Primary;
  phase_since_ = main_.now();
  startStatic(/*eds=*/false);
  advance();
  return cds_status_;
}

void ClusterManager::startStatic(bool eds) {
  for (auto& [name, cluster] : clusters_) {
    if ((cluster->discovery() == Discovery::Eds) != eds) {
      continue;
    }
    if (cluster->waitForWarmOnInit()) {
      waiting_.insert(name);
    }
  }
  const bool outer = std::exchange(advancing_, true);
  for (auto& [name, cluster] : clusters_) {
    if ((cluster->discovery() == Discovery::Eds) != eds) {
      continue;
    }
    const absl::Status started = cluster->start();
    if (!started.ok()) {
      LOG_ERROR(upstream, "cluster '{}' has no endpoints: {}", name, started);
      waiting_.erase(name);
    }
  }
  advancing_ = outer;
}

void ClusterManager::advance() {
  if (advancing_) {
    return;
  }
  advancing_ = true;
  while (waiting_.empty() && phase_ != Phase::Loading && phase_ != Phase::Cds && phase_ != Phase::Initialized) {
    phase_since_ = main_.now();
    if (phase_ == Phase::Primary) {
      phase_ = Phase::Secondary;
      startStatic(/*eds=*/true);
      continue;
    }
    if (phase_ == Phase::Secondary && cds_source_ != nullptr) {
      phase_ = Phase::Cds;
      CdsTarget& target = *this;
      cds_ = std::make_unique<CdsWatcher>(main_, subscriptions_, target, threadCpuNanoseconds);
      cds_status_ = cds_->start(*cds_source_);
      if (cds_status_.ok()) {
        break;
      }
      LOG_ERROR(upstream, "cds: {}", cds_status_);
    }
    phase_ = Phase::Initialized;
    LOG_INFO(upstream, "cm init: all clusters initialized");
    // Whoever goes on from here finds the clusters on the workers.
    flush();
    if (on_initialized_ != nullptr) {
      std::exchange(on_initialized_, nullptr)();
    }
  }
  advancing_ = false;
}

void ClusterManager::beginUpdate() {
  ++update_number_;
  sweep_after_.clear();
  sweep_failures_after_.clear();
  refused_.clear();
  tally_ = {};
}

void ClusterManager::applyCluster(const xds::Resource& resource, config::Violations& violations) {
  const auto found = clusters_.find(resource.name);
  Cluster* const old = found == clusters_.end() ? nullptr : found->second.get();
  if (old != nullptr) {
    old->setSeen(update_number_);
  }
  if (old != nullptr && !old->addedViaApi()) {
    LOG_DEBUG(upstream, "cds: cluster '{}' is the bootstrap's, and stays as it is", resource.name);
    return;
  }
  if (old != nullptr && old->isEqual(resource)) {
    old->clearFailure();
    return;
  }
  ClusterConfiguration configuration{.message = std::static_pointer_cast<const ClusterProto>(resource.message),
                                     .key = resource.key,
                                     .version = resource.version};
  ClusterParts parts = takeApart(configuration.message, runtime_, config::FieldPath(), violations);
  if (!violations.empty()) {
    noteFailure({resource.name, violations}, resource.message, resource.version);
    return;
  }
  std::unique_ptr<Cluster> added;
  if (old == nullptr) {
    added = std::make_unique<Cluster>(context_, resource.name, /*added_via_api=*/true);
  }
  Cluster& cluster = old != nullptr ? *old : *added;
  const bool wait = phase_ == Phase::Cds && parts.wait_for_warm_on_init;
  if (wait) {
    waiting_.insert(resource.name);
  }
  cluster.update(std::move(configuration), std::move(parts), config::FieldPath(), violations);
  if (violations.empty() && added != nullptr) {
    if (const absl::Status started = cluster.start(); !started.ok()) {
      violations.add(config::FieldPath("eds_cluster_config").field("eds_config"), std::string(started.message()));
    }
  }
  if (!violations.empty()) {
    waiting_.erase(resource.name);
    noteFailure({resource.name, violations}, resource.message, resource.version);
    return;
  }
  if (!cluster.warming()) {
    waiting_.erase(resource.name);
  }
  cluster.clearFailure();
  failures_.erase(resource.name);
  (added != nullptr ? stats_.cluster_added : stats_.cluster_modified).inc();
  ++(added != nullptr ? tally_.added : tally_.modified);
  if (added != nullptr) {
    added->setSeen(update_number_);
    clusters_.emplace(resource.name, std::move(added));
  }
}

void ClusterManager::removeCluster(const std::string& name) {
  failures_.erase(name);
  const auto found = clusters_.find(name);
  if (found == clusters_.end() || !found->second->addedViaApi()) {
    return;
  }
  LOG_DEBUG(upstream, "cds: cluster '{}' is removed", name);
  waiting_.erase(name);
  clusters_.erase(found);
  stats_.cluster_removed.inc();
  ++tally_.removed;
}

bool ClusterManager::sweep() {
  constexpr int kStep = 16;
  auto next = clusters_.upper_bound(sweep_after_);
  for (int looked_at = 0; next != clusters_.end(); ++next) {
    const bool gone = next->second->addedViaApi() && next->second->seen() != update_number_;
    if (gone || ++looked_at == kStep) {
      sweep_after_ = next->first;
      if (gone) {
        removeCluster(sweep_after_);
      }
      return true;
    }
  }
  // Refused ones without a version, of earlier updates.
  auto failure = sweep_failures_after_.empty() ? failures_.begin() : failures_.upper_bound(sweep_failures_after_);
  for (int looked_at = 0; looked_at < kStep && failure != failures_.end(); ++looked_at) {
    sweep_failures_after_ = failure->first;
    failure = refused_.contains(failure->first) ? std::next(failure) : failures_.erase(failure);
  }
  return failure != failures_.end();
}

void ClusterManager::onUndecodable(const xds::ResourceError& error, absl::string_view version) {
  noteFailure(error, error.message, version);
}

void ClusterManager::noteFailure(const xds::ResourceError& error,
                                 std::shared_ptr<const google::protobuf::Message> message, absl::string_view version) {
  refused_.insert(error.name);
  ClusterFailure failure{.failed_configuration = std::move(message),
                         .last_update_attempt = main_.systemNow(),
                         .details = error.violations.toString(),
                         .version = std::string(version)};
  const auto found = clusters_.find(error.name);
  if (found != clusters_.end()) {
    found->second->setFailure(std::move(failure));
  } else {
    failures_[error.name] = std::move(failure);
  }
}

void ClusterManager::onApplied(const std::string& version) {
  cds_version_ = version;
  if (tally_.added + tally_.modified + tally_.removed > 0 || !refused_.empty()) {
    LOG_INFO(upstream, "cds: version '{}' added {} clusters, changed {}, removed {}; refused {}", version, tally_.added,
             tally_.modified, tally_.removed, refused_.size());
  }
  // What was waited for may have gone, or gone back to what it was.
  advance();
}

void ClusterManager::onSettled() {
  if (phase_ == Phase::Cds) {
    phase_ = Phase::CdsClusters;
    phase_since_ = main_.now();
    advance();
  }
}

void ClusterManager::send(ClusterChange change) {
  changes_.push_back(std::move(change));
  main_.runAtUnwind(flush_);
}

void ClusterManager::flush() {
  if (changes_.empty()) {
    return;
  }
  // The slot drops it on main, and with it what it may hold the last reference to.
  const auto batch = std::make_shared<const std::vector<ClusterChange>>(std::exchange(changes_, {}));
  slot_.runOnAllThreads([batch](LocalClusters& clusters) { clusters.apply(*batch); });
}

void ClusterManager::visit(absl::string_view after, absl::FunctionRef<bool(const ClusterView&)> visit) const {
  bool more = true;
  for (auto next = clusters_.upper_bound(after); more && next != clusters_.end(); ++next) {
    next->second->visit([&](const ClusterView& view) { return more = visit(view); });
  }
}

std::vector<ClusterManager::Pending> ClusterManager::pending() const {
  std::vector<Pending> all;
  if (phase_ == Phase::Cds) {
    all.push_back({"Server", "CDS", phase_since_});
  }
  for (const auto& [name, cluster] : clusters_) {
    if (cluster->warming()) {
      all.push_back({absl::StrCat("Cluster ", name), cluster->waitsFor(), cluster->warmingSince()});
    }
  }
  return all;
}

absl::string_view healthFlags(EdsHealth health) {
  switch (toHealth(health)) {
    case Health::Healthy:
      return "healthy";
    case Health::Degraded:
      return "/degraded_eds_health";
    case Health::Unhealthy:
      return health == EdsHealth::Draining ? "/eds_status_draining" : "/failed_eds_health";
  }
  return "";
}

}  // namespace sluice::cluster
