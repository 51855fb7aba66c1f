#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"

#include "source/cluster/cds.h"
#include "source/cluster/cluster.h"
#include "source/cluster/cluster_view.h"
#include "source/cluster/dns.h"
#include "source/cluster/local_clusters.h"
#include "source/config/field_path.h"
#include "source/config/violations.h"
#include "source/event/dispatcher.h"
#include "source/runtime/snapshot.h"
#include "source/stats/stats.h"
#include "source/thread/slot.h"
#include "source/xds/subscription.h"

namespace sluice::cluster {

/**
 * Keeps the clusters, static and from CDS: takes them apart, warms them, applies updates and hands every change to the
 * workers in batches. Main thread; owned by the server, outlives every filter configuration. Nothing it calls deletes
 * it.
 *
 * Start-up: addStaticClusters(), then initialize(), which calls back when all that was waited for is warm, timed out, or
 * failed:
 *
 *   Loading -> Primary -----------> Secondary ----> Cds ---------------> CdsClusters ----> Initialized
 *              all static clusters  static EDS      the first answer     the clusters
 *              but those of EDS     clusters        of CDS               of that answer
 */
class ClusterManager : private CdsTarget {
 public:
  /**
   * Everything given outlives the manager. `resolver` is asked by STRICT_DNS clusters alone; `transports` are all kinds of
   * transport sockets that clusters may name.
   */
  ClusterManager(event::Dispatcher& main, thread::SlotAllocator& slots, stats::Scope& root_scope,
                 const runtime::Snapshot& runtime, xds::SubscriptionFactory& subscriptions, DnsResolver& resolver,
                 const UpstreamTransportSocketFactories& transports);
  ~ClusterManager() override;
  ClusterManager(const ClusterManager&) = delete;

  /**
   * Takes the bootstrap's clusters, which have passed config::validateMessage(). Mistakes go to `violations`, each with
   * its path from `path` (static_resources.clusters) on. Once, before initialize(); enough for validate mode.
   */
  void addStaticClusters(const google::protobuf::RepeatedPtrField<ClusterProto>& clusters,
                         const config::FieldPath& path, config::Violations& violations);

  /**
   * `cds` null: there is none. `on_initialized` is called once, at once if there is nothing to wait for. Fails when CDS's
   * source is of a kind that Sluice does not have, if CDS's turn comes at once; else see cdsStatus().
   */
  absl::Status initialize(const envoy::config::core::v3::ConfigSource* cds, std::function<void()> on_initialized);
  /** Not ok, from `on_initialized` on, when CDS could not be subscribed to. */
  const absl::Status& cdsStatus() const { return cds_status_; }
  bool initialized() const { return phase_ == Phase::Initialized; }

  /** Ends all subscriptions, DNS queries and timers; the workers' clusters stay until the slot goes. */
  void shutdown();

  /** Where filters find their worker's clusters; lives as long as the manager. */
  const ClusterProvider& provider() const { return provider_; }
  /** Whether there is such a cluster, be it that it still warms. */
  bool has(absl::string_view name) const { return clusters_.contains(name); }

  /**
   * Shows the clusters in order of name, from the first after `after` on, until `visit` returns false; a long answer is
   * made in slices this way, each going on after the last name of the one before. A name's warming version follows its
   * active one whatever `visit` says of that, so that no slice parts the two.
   */
  void visit(absl::string_view after, absl::FunctionRef<bool(const ClusterView&)> visit) const;
  /** Refused clusters of CDS that have no version at all, by name. */
  const std::map<std::string, ClusterFailure>& failures() const { return failures_; }
  /** The version of the last CDS response that was applied. */
  const std::string& cdsVersion() const { return cds_version_; }

  struct Pending {
    std::string manager;
    std::string target;
    base::MonotonicTime since;
  };
  /** What is waited for, at start-up and by clusters that warm: for /init_dump. */
  std::vector<Pending> pending() const;

 private:
  enum class Phase : uint8_t { Loading, Primary, Secondary, Cds, CdsClusters, Initialized };

  struct Stats {
    explicit Stats(stats::Scope& scope);
    stats::Gauge active_clusters;
    stats::Gauge warming_clusters;
    stats::Counter cluster_added;
    stats::Counter cluster_modified;
    stats::Counter cluster_removed;
    stats::Counter cluster_updated;
    /** Updates are never held back to be merged: these stay 0. */
    stats::Counter cluster_updated_via_merge;
    stats::Counter update_merge_cancelled;
    stats::Counter update_out_of_merge_window;
  };

  class SlotProvider : public ClusterProvider {
   public:
    explicit SlotProvider(thread::Slot<LocalClusters>& slot) : slot_(slot) {}
    LocalClusters& localClusters() const override { return *slot_.get(); }

   private:
    thread::Slot<LocalClusters>& slot_;
  };

  /** Sends the collected changes when the callback that made them unwinds: one post for each worker. */
  class Flush : public event::IntrusiveTask {
   public:
    explicit Flush(ClusterManager& manager) : manager_(manager) {}

   private:
    void run() override { manager_.flush(); }
    ClusterManager& manager_;
  };

  // CdsTarget.
  void beginUpdate() override;
  void applyCluster(const xds::Resource& resource, config::Violations& violations) override;
  void removeCluster(const std::string& name) override;
  bool sweep() override;
  void onUndecodable(const xds::ResourceError& error, absl::string_view version) override;
  void onSlice() override { flush(); }
  void onApplied(const std::string& version) override;
  void onSettled() override;

  void noteFailure(const xds::ResourceError& error, std::shared_ptr<const google::protobuf::Message> message,
                   absl::string_view version);
  void send(ClusterChange change);
  void flush();
  void startStatic(bool eds);
  /** Goes on to the next phase for as long as nothing is waited for. */
  void advance();

  event::Dispatcher& main_;
  const runtime::Snapshot& runtime_;
  xds::SubscriptionFactory& subscriptions_;
  Stats stats_;
  thread::Slot<LocalClusters> slot_;
  const SlotProvider provider_;
  const ClusterContext context_;
  uint64_t active_count_ = 0;
  uint64_t warming_count_ = 0;

  std::vector<ClusterChange> changes_;
  Flush flush_{*this};

  std::map<std::string, ClusterFailure> failures_;
  std::string cds_version_;
  /** Names of the update of CDS under way that were refused: what they failed on is still so. */
  absl::flat_hash_set<std::string> refused_;
  /** Counts updates of CDS: a cluster that the newest one named carries its number. */
  uint64_t update_number_ = 0;
  std::string sweep_after_;
  std::string sweep_failures_after_;
  /** What the update did, for the log. */
  struct {
    uint32_t added = 0;
    uint32_t modified = 0;
    uint32_t removed = 0;
  } tally_;

  // Start-up.
  Phase phase_ = Phase::Loading;
  bool advancing_ = false;
  base::MonotonicTime phase_since_;
  /** Names of clusters that this phase waits for. */
  absl::flat_hash_set<std::string> waiting_;
  std::function<void()> on_initialized_;
  std::unique_ptr<envoy::config::core::v3::ConfigSource> cds_source_;
  absl::Status cds_status_;

  /** In order of name, so that pages can go on where they stopped. */
  absl::btree_map<std::string, std::unique_ptr<Cluster>> clusters_;
  std::unique_ptr<CdsWatcher> cds_;
};

}  // namespace sluice::cluster
