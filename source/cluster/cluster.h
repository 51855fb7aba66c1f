#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/functional/function_ref.h"

#include "source/cluster/cluster_config.h"
#include "source/cluster/cluster_view.h"
#include "source/cluster/endpoint_source.h"
#include "source/cluster/local_clusters.h"
#include "source/cluster/original_destination_list.h"
#include "source/cluster/transport_config.h"
#include "source/event/dispatcher.h"
#include "source/xds/init_manager.h"
#include "source/xds/subscription.h"

namespace sluice::cluster {

class Cluster;

/** What a Cluster needs of its manager. */
struct ClusterContext {
  event::Dispatcher& main;
  stats::Scope& root_scope;
  xds::SubscriptionFactory& subscriptions;
  DnsResolver& resolver;
  const UpstreamTransportSocketFactories& transports;
  /** To all workers, with the batch under way. */
  std::function<void(ClusterChange)> send;
  /** The number of active and warming versions changed by this much. */
  std::function<void(int active, int warming)> count;
  /** The endpoints of a serving cluster changed. */
  std::function<void()> count_endpoint_update;
  /** It no longer warms. */
  std::function<void(Cluster&)> settled;
};

/** A configuration that a version is made from. */
struct ClusterConfiguration {
  std::shared_ptr<const ClusterProto> message;
  /** None for the bootstrap's, which no resource is equal to. */
  std::optional<config::ContentKey> key;
  std::string version;
};

/**
 * One name's cluster on main: the version that serves, and one that may be warming to take its place. An update keeps
 * the source of the endpoints where its configuration agrees, and is then in effect at once; else the old version serves
 * until the new one has its first endpoints and its transport sockets' secrets. Endpoints themselves are kept by address through all of it. Main thread;
 * owned by the manager, which nothing here calls to delete it.
 *
 *            start()                      warm
 *   (none) ---------> warming ----------------------------> active
 *   active --update with other endpoints, or that waits for secrets--> active + warming --warm--> active
 *   active --any other update--> active
 */
class Cluster : private EndpointSource::Callbacks {
 public:
  Cluster(const ClusterContext& context, std::string name, bool added_via_api);
  /** Tells the workers that it is gone. */
  ~Cluster() override;

  const std::string& name() const { return name_; }
  bool addedViaApi() const { return added_via_api_; }
  bool active() const { return active_ != nullptr; }
  bool warming() const { return warming_ != nullptr; }
  /** Of the newest version. */
  Discovery discovery() const { return newest().discovery; }
  bool waitForWarmOnInit() const { return newest().wait_for_warm_on_init; }
  const ClusterProto& message() const { return *newest().configuration.message; }
  /** Whether the newest version is made from an equal resource. */
  bool isEqual(const xds::Resource& resource) const;

  /**
   * Makes a version of the parts of `configuration`. One that must warm waits for start() if nothing was started yet, and
   * else starts at once. Nothing has changed when there are mistakes, which go to `violations`.
   */
  void update(ClusterConfiguration configuration, ClusterParts parts, const config::FieldPath& path,
              config::Violations& violations);
  /** Starts the first version's warming. */
  absl::Status start();
  /** Ends subscriptions, queries and timers; what serves, serves on. */
  void stop();

  /** The number of the last update of CDS that named it. */
  uint64_t seen() const { return seen_; }
  void setSeen(uint64_t update) { seen_ = update; }

  void setFailure(ClusterFailure failure) { failure_ = std::make_unique<ClusterFailure>(std::move(failure)); }
  void clearFailure() { failure_.reset(); }
  const ClusterFailure* failure() const { return failure_.get(); }

  /** The active version, then the warming one. */
  void visit(absl::FunctionRef<bool(const ClusterView&)> visit) const;
  /** Empty when it does not warm. */
  std::string waitsFor() const { return warming_ == nullptr ? "" : warming_->waitsFor(); }
  base::MonotonicTime warmingSince() const { return warming_->warming_since; }

 private:
  struct Version {
    ClusterConfiguration configuration;
    base::SystemTime last_updated;
    Discovery discovery = Discovery::Static;
    bool wait_for_warm_on_init = true;
    HealthRules health_rules;
    std::shared_ptr<const ClusterInfo> info;
    std::unique_ptr<const RecipeMatcher> recipes;
    /** Waits for what the transport sockets need. */
    std::unique_ptr<xds::InitManager> secrets;
    bool secrets_ready = false;
    /** Null while it warms to take over that of the active version. */
    std::unique_ptr<EndpointSource> source;
    bool source_warm = false;
    bool started = false;
    base::MonotonicTime warming_since;
    /** Its first endpoints did not come, and an older version serves on until they do. */
    bool waits_behind_active = false;
    std::shared_ptr<const EndpointSet> endpoints;
    std::shared_ptr<const Assignment> assignment;

    bool warm() const { return secrets_ready && source_warm; }
    std::string waitsFor() const;
  };

  const Version& newest() const { return warming_ != nullptr ? *warming_ : *active_; }
  /** Null, with violations, when its transport sockets can't be made. */
  std::unique_ptr<Version> makeVersion(ClusterConfiguration configuration, ClusterParts& parts,
                                       config::Violations& violations);
  std::unique_ptr<EndpointSource> makeSource(const ClusterConfiguration& configuration, ClusterParts& parts);
  std::shared_ptr<const EndpointSet> makeSet(EndpointList list, const Version& version) const;
  /** Hands over a set that is complete. */
  std::shared_ptr<const EndpointSet> share(std::unique_ptr<EndpointSet> set, const LbOptions& options) const;
  /** Gives `version` the endpoints of one that has the same source. */
  void takeEndpoints(Version& version, const Version& from) const;
  /** `before`, which may be null, holds the endpoints that were counted for their transport sockets. */
  void chooseRecipes(std::vector<EndpointSet::Entry>& entries, const Assignment* assignment, const Version& version,
                     const EndpointSet* before) const;
  void awaitSecrets(Version& version);
  /** The warming version has what it waited for, all of it. */
  void onVersionWarm();
  void activate(std::unique_ptr<Version> version);
  void tellOriginalDestinations();
  /** Tells the manager what changed in whether there are versions. */
  void recount();
  void tellMembership(const EndpointSet* before);
  void tellHashTables();
  void show(const Version& version, bool warming, absl::FunctionRef<bool(const ClusterView&)> visit) const;

  void onEndpoints(EndpointSource& source, EndpointList endpoints) override;
  void onWarm(EndpointSource& source) override;
  const ClusterStats& sourceStats(EndpointSource& source) override;

  const ClusterContext& context_;
  const std::string name_;
  const std::shared_ptr<const std::string> shared_name_;
  const bool added_via_api_;
  uint64_t seen_ = 0;
  bool ever_started_ = false;
  bool counted_active_ = false;
  bool counted_warming_ = false;
  std::unique_ptr<Version> active_;
  std::unique_ptr<Version> warming_;
  std::unique_ptr<ClusterFailure> failure_;
  /** Of type ORIGINAL_DST; null until it first was. */
  std::shared_ptr<OriginalDestinationList> original_destinations_;
};

}  // namespace sluice::cluster
