#include "source/cluster/cluster.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/inlined_vector.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "google/protobuf/util/message_differencer.h"

#include "source/base/logging.h"
#include "source/base/random.h"
#include "source/cluster/eds.h"
#include "source/cluster/hash_balancer.h"
#include "source/cluster/http_config.h"
#include "source/cluster/static_source.h"
#include "source/cluster/strict_dns.h"

namespace sluice::cluster {

namespace {

/** What the cluster says of its endpoints' health, and what their assignment does. */
HealthRules rulesOf(const HealthRules& cluster, uint32_t overprovisioning_percent, bool weighted_priority_health) {
  HealthRules rules = cluster;
  rules.overprovisioning_percent = overprovisioning_percent;
  rules.weighted_priority_health = weighted_priority_health;
  return rules;
}

bool sameMetadata(const envoy::config::core::v3::Metadata* a, const envoy::config::core::v3::Metadata* b) {
  return a == b || (a != nullptr && b != nullptr && google::protobuf::util::MessageDifferencer::Equals(*a, *b));
}

/** A value of the metadata "envoy.lb"; null when there is none. */
const google::protobuf::Value* lbValue(const envoy::config::core::v3::Metadata& metadata, const char* key) {
  const auto filter = metadata.filter_metadata().find("envoy.lb");
  if (filter == metadata.filter_metadata().end()) {
    return nullptr;
  }
  const auto value = filter->second.fields().find(key);
  return value == filter->second.fields().end() ? nullptr : &value->second;
}

bool saysCanary(const envoy::config::core::v3::Metadata& metadata) {
  const google::protobuf::Value* const canary = lbValue(metadata, "canary");
  return canary != nullptr && canary->bool_value();
}

/** What balancers that hash know an endpoint by. */
std::string hashKey(const EndpointSet::Entry& entry, bool use_hostname) {
  const google::protobuf::Value* const key = entry.metadata == nullptr ? nullptr : lbValue(*entry.metadata, "hash_key");
  if (key != nullptr && !key->string_value().empty()) {
    return key->string_value();
  }
  return use_hostname ? entry.endpoint->hostname() : *entry.endpoint->name();
}

/** Of the endpoint that the entry names; what of it the entry holds keeps the assignment alive. */
void takeMetadata(const std::shared_ptr<const Assignment>& assignment, EndpointSet::Entry& entry) {
  if (assignment == nullptr) {
    return;
  }
  const auto& endpoint =
      assignment->endpoints(static_cast<int>(entry.group_index)).lb_endpoints(static_cast<int>(entry.endpoint_index));
  if (endpoint.has_metadata()) {
    entry.canary = saysCanary(endpoint.metadata());
    entry.metadata = std::shared_ptr<const envoy::config::core::v3::Metadata>(assignment, &endpoint.metadata());
  }
}

bool sameForWorkers(const EndpointSet& a, const EndpointSet& b) {
  const bool same_locality_weights =
      a.localityWeights() == b.localityWeights() && (a.localityWeights().empty() || a.localities() == b.localities());
  return a.rules() == b.rules() && same_locality_weights &&
         std::equal(a.entries().begin(), a.entries().end(), b.entries().begin(), b.entries().end(),
                    [&](const EndpointSet::Entry& x, const EndpointSet::Entry& y) {
                      return x.endpoint == y.endpoint && x.weight == y.weight && x.health == y.health &&
                             x.priority == y.priority && x.canary == y.canary && x.recipe == y.recipe &&
                             sameMetadata(x.metadata.get(), y.metadata.get()) &&
                             a.localities()[x.locality] == b.localities()[y.locality];
                    });
}

bool sameEndpoints(const EndpointSet* a, const EndpointSet* b) {
  const auto sorted = [](const EndpointSet* set) {
    std::vector<const Endpoint*> endpoints;
    if (set != nullptr) {
      for (const EndpointSet::Entry& entry : set->entries()) {
        endpoints.push_back(entry.endpoint.get());
      }
    }
    std::sort(endpoints.begin(), endpoints.end());
    return endpoints;
  };
  return sorted(a) == sorted(b);
}

/** Gives endpoints that are there already to those who name them again, each once. */
class EndpointPool {
 public:
  explicit EndpointPool(const EndpointSet* from) {
    if (from != nullptr) {
      for (const EndpointSet::Entry& entry : from->entries()) {
        known_[Key(entry.endpoint->address(), entry.endpoint->hostname())].push_back(entry.endpoint);
      }
    }
  }

  std::shared_ptr<Endpoint> take(const net::Address& address, const std::string& hostname) {
    const auto found = known_.find(Key(address, hostname));
    if (found == known_.end() || found->second.empty()) {
      return std::make_shared<Endpoint>(address, hostname);
    }
    std::shared_ptr<Endpoint> endpoint = std::move(found->second.front());
    found->second.erase(found->second.begin());
    return endpoint;
  }

 private:
  /** The host name's characters live in the endpoint (found), or in the specification (looked for). */
  using Key = std::pair<net::Address, absl::string_view>;
  absl::flat_hash_map<Key, absl::InlinedVector<std::shared_ptr<Endpoint>, 1>> known_;
};

}  // namespace

Cluster::Cluster(const ClusterContext& context, std::string name, bool added_via_api)
    : context_(context),
      name_(std::move(name)),
      shared_name_(std::make_shared<const std::string>(name_)),
      added_via_api_(added_via_api) {}

Cluster::~Cluster() {
  if (active_ != nullptr) {
    context_.send({shared_name_, nullptr, nullptr});
  }
  active_.reset();
  warming_.reset();
  recount();
}

void Cluster::recount() {
  const bool active = active_ != nullptr;
  const bool warming = warming_ != nullptr;
  if (active != counted_active_ || warming != counted_warming_) {
    context_.count(active - std::exchange(counted_active_, active), warming - std::exchange(counted_warming_, warming));
  }
}

bool Cluster::isEqual(const xds::Resource& resource) const { return newest().configuration.key == resource.key; }

std::string Cluster::Version::waitsFor() const {
  std::vector<std::string> all;
  if (!source_warm && source != nullptr) {
    all.push_back(source->waitsFor());
  }
  if (!secrets_ready) {
    for (const xds::InitManager::Pending& pending : secrets->pending()) {
      all.push_back(pending.target);
    }
  }
  return absl::StrJoin(all, ", ");
}

std::unique_ptr<Cluster::Version> Cluster::makeVersion(ClusterConfiguration configuration, ClusterParts& parts,
                                                       config::Violations& violations) {
  auto version = std::make_unique<Version>();
  version->configuration = std::move(configuration);
  version->last_updated = context_.main.systemNow();
  version->discovery = parts.discovery;
  version->wait_for_warm_on_init = parts.wait_for_warm_on_init;
  version->health_rules = parts.health_rules;
  // What counts goes on counting, under the same name.
  const Version* previous = active_ != nullptr ? active_.get() : warming_.get();
  const bool same_stats = previous != nullptr && *previous->info->observability_name == parts.observability_name;
  auto info = std::make_unique<ClusterInfo>(
      context_.main, same_stats ? previous->info->scope
                                : context_.root_scope.createScope(absl::StrCat("cluster.", parts.observability_name)));
  if (same_stats) {
    info->codes = previous->info->codes;
  }
  info->name = shared_name_;
  info->observability_name =
      same_stats ? previous->info->observability_name
                 : (parts.observability_name == name_ ? shared_name_
                                                      : std::make_shared<const std::string>(parts.observability_name));
  if (const auto& message = version->configuration.message; message->has_metadata()) {
    info->metadata = std::shared_ptr<const envoy::config::core::v3::Metadata>(message, &message->metadata());
  }
  // Equal recipes stay one object, so that equality is cheap to see; but for those whose secrets are not there yet, since
  // what waits for them then goes.
  version->secrets = std::make_unique<xds::InitManager>(absl::StrCat("Cluster ", name_));
  TransportContext transport_context{*version->secrets, info->scope, name_};
  version->recipes =
      RecipeMatcher::create(parts.transports, *parts.recipe, active_ == nullptr ? nullptr : active_->recipes.get(),
                            context_.transports, transport_context, violations);
  if (version->recipes == nullptr) {
    return nullptr;
  }
  info->recipe = version->recipes->standard();
  if (parts.original_destination != nullptr) {
    if (previous == nullptr || previous->info->original_destination == nullptr) {
      original_destinations_ = std::make_shared<OriginalDestinationList>([this] {
        if (active_ != nullptr && active_->info->original_destination != nullptr) {
          tellOriginalDestinations();
          active_->info->stats.membership_change.inc();
        }
      });
    }
    parts.original_destination->main = &context_.main;
    parts.original_destination->list = original_destinations_;
    info->original_destination = std::move(parts.original_destination);
  }
  info->codec_stats = makeCodecStats(info->recipe->http, *info->scope);
  info->connect_timeout = parts.connect_timeout;
  info->buffer_limit_bytes = parts.buffer_limit_bytes;
  info->lb = parts.lb;
  info->normal_thresholds = parts.normal_thresholds;
  info->high_thresholds = parts.high_thresholds;
  info->max_connections_per_endpoint = parts.max_connections_per_endpoint;
  info->preconnect = parts.preconnect;
  info->close_connections_on_health_failure = parts.close_connections_on_health_failure;
  info->breakers = same_stats ? previous->info->breakers : std::make_shared<CircuitBreakers>(*info->scope);
  version->info = event::ownedBy<const ClusterInfo>(context_.main, std::move(info));
  return version;
}

std::unique_ptr<EndpointSource> Cluster::makeSource(const ClusterConfiguration& configuration, ClusterParts& parts) {
  EndpointSource::Callbacks& callbacks = *this;
  switch (parts.discovery) {
    case Discovery::Static:
    // Its endpoints are the workers' to find.
    case Discovery::OriginalDestination:
      return std::make_unique<StaticSource>(std::move(parts.assignment), callbacks);
    case Discovery::StrictDns:
      return std::make_unique<StrictDnsSource>(name_, std::move(parts.assignment), parts.dns, context_.main,
                                               context_.resolver, base::threadRandom(), callbacks);
    case Discovery::Eds: {
      const std::shared_ptr<const envoy::config::core::v3::ConfigSource> source(
          configuration.message, &configuration.message->eds_cluster_config().eds_config());
      return std::make_unique<EdsSource>(name_, parts.service_name,
                                         absl::StrCat("cluster.", parts.observability_name, "."), source,
                                         context_.subscriptions, callbacks);
    }
  }
  return nullptr;
}

void Cluster::update(ClusterConfiguration configuration, ClusterParts parts, const config::FieldPath& path,
                     config::Violations& violations) {
  const std::string endpoints = endpointsBytes(*configuration.message);
  std::unique_ptr<Version> version = makeVersion(std::move(configuration), parts, violations);
  if (version == nullptr) {
    return;
  }
  version->warming_since = context_.main.now();
  Version& made = *version;
  if (warming_ != nullptr && warming_->source != nullptr &&
      endpointsBytes(*warming_->configuration.message) == endpoints) {
    // It goes on waiting for the same endpoints.
    version->source = std::move(warming_->source);
    version->source_warm = warming_->source_warm;
    version->started = warming_->started;
    version->warming_since = warming_->warming_since;
    takeEndpoints(*version, *warming_);
    warming_ = std::move(version);
    if (made.started) {
      awaitSecrets(made);
    }
    recount();
    return;
  }
  if (active_ != nullptr && endpointsBytes(*active_->configuration.message) == endpoints) {
    // The source goes on serving the active version for as long as this one waits for secrets.
    version->started = true;
    version->source_warm = true;
    warming_ = std::move(version);
    awaitSecrets(made);
    recount();
    return;
  }
  version->source = makeSource(version->configuration, parts);
  std::unique_ptr<Version> replaced = std::move(warming_);
  warming_ = std::move(version);
  if (ever_started_) {
    const absl::Status started = start();
    if (!started.ok()) {
      warming_ = std::move(replaced);
      violations.add(path.field("eds_cluster_config").field("eds_config"), std::string(started.message()));
      return;
    }
  }
  recount();
}

absl::Status Cluster::start() {
  ever_started_ = true;
  if (warming_ == nullptr || warming_->started) {
    return absl::OkStatus();
  }
  Version& version = *warming_;
  version.started = true;
  version.warming_since = context_.main.now();
  const absl::Status started = version.source->start();
  if (started.ok()) {
    awaitSecrets(version);
  }
  return started;
}

void Cluster::awaitSecrets(Version& version) {
  version.secrets->initialize([this, &version] {
    version.secrets_ready = true;
    if (version.warm()) {
      onVersionWarm();
    }
  });
}

void Cluster::stop() {
  warming_.reset();
  if (active_ != nullptr) {
    active_->source.reset();
  }
  recount();
}

std::shared_ptr<const EndpointSet> Cluster::share(std::unique_ptr<EndpointSet> set, const LbOptions& options) const {
  if (options.hashes()) {
    set->setHashTables(std::make_shared<const HashTables>(options, *set, [&options](const EndpointSet::Entry& entry) {
      return hashKey(entry, options.use_hostname_for_hashing);
    }));
  }
  return event::ownedBy<const EndpointSet>(context_.main, std::move(set));
}

std::shared_ptr<const EndpointSet> Cluster::makeSet(EndpointList list, const Version& version) const {
  const HealthRules rules = rulesOf(version.health_rules, list.overprovisioning_percent, list.weighted_priority_health);
  EndpointPool pool(active_ != nullptr ? active_->endpoints.get() : nullptr);
  std::vector<EndpointSet::Entry> entries;
  entries.reserve(list.endpoints.size());
  for (EndpointSpec& spec : list.endpoints) {
    EndpointSet::Entry entry;
    entry.endpoint = pool.take(spec.address, spec.hostname);
    entry.weight = spec.weight;
    entry.health = spec.health;
    entry.locality = spec.locality;
    entry.priority = spec.priority;
    entry.group_index = spec.group_index;
    entry.endpoint_index = spec.endpoint_index;
    takeMetadata(list.assignment, entry);
    entries.push_back(std::move(entry));
  }
  chooseRecipes(entries, list.assignment.get(), version, active_ == nullptr ? nullptr : active_->endpoints.get());
  return share(std::make_unique<EndpointSet>(std::move(entries), std::move(list.localities), rules,
                                             std::move(list.locality_weights)),
               version.info->lb);
}

void Cluster::takeEndpoints(Version& version, const Version& from) const {
  // Equal, but part of the new message, so that the old one may go.
  version.assignment = version.discovery == Discovery::Eds
                           ? from.assignment
                           : std::shared_ptr<const Assignment>(version.configuration.message,
                                                               &version.configuration.message->load_assignment());
  version.endpoints = from.endpoints;
  if (from.endpoints == nullptr) {
    return;
  }
  const EndpointSet& known = *from.endpoints;
  const HealthRules rules =
      rulesOf(version.health_rules, known.rules().overprovisioning_percent, known.rules().weighted_priority_health);
  std::vector<EndpointSet::Entry> entries;
  bool other_recipes = false;
  if (version.recipes->chooses() || from.recipes->chooses()) {
    entries = known.entries();
    chooseRecipes(entries, version.assignment.get(), version, &known);
    other_recipes =
        !std::equal(entries.begin(), entries.end(), known.entries().begin(),
                    [](const EndpointSet::Entry& a, const EndpointSet::Entry& b) { return a.recipe == b.recipe; });
  }
  if (other_recipes || rules != known.rules() || (version.info->lb.hashes() && version.info->lb != from.info->lb)) {
    if (!other_recipes) {
      entries = known.entries();
    }
    version.endpoints =
        share(std::make_unique<EndpointSet>(std::move(entries), known.localities(), rules, known.localityWeights()),
              version.info->lb);
  }
}

void Cluster::chooseRecipes(std::vector<EndpointSet::Entry>& entries, const Assignment* assignment,
                            const Version& version, const EndpointSet* before) const {
  if (!version.recipes->chooses()) {
    for (EndpointSet::Entry& entry : entries) {
      entry.recipe = nullptr;
    }
    return;
  }
  absl::flat_hash_map<const Endpoint*, const ConnectionRecipe*> counted;
  if (before != nullptr) {
    for (const EndpointSet::Entry& entry : before->entries()) {
      counted.emplace(entry.endpoint.get(), entry.recipe.get());
    }
  }
  for (EndpointSet::Entry& entry : entries) {
    const auto* const group =
        assignment == nullptr ? nullptr : &assignment->endpoints(static_cast<int>(entry.group_index));
    const RecipeMatcher::Choice& choice = version.recipes->pick(
        entry.metadata.get(), group != nullptr && group->has_metadata() ? &group->metadata() : nullptr);
    entry.recipe = choice.recipe;
    const auto known = counted.find(entry.endpoint.get());
    if (known == counted.end() || known->second != choice.recipe.get()) {
      choice.total.inc();
    }
  }
}

void Cluster::activate(std::unique_ptr<Version> version) {
  const std::unique_ptr<Version> replaced = std::exchange(active_, std::move(version));
  if (active_->endpoints == nullptr) {
    active_->endpoints = makeSet(EndpointList(), *active_);
  }
  active_->info->breakers->setThresholds(active_->info->normal_thresholds, active_->info->high_thresholds,
                                         *active_->info->scope);
  context_.send({shared_name_, active_->info, active_->endpoints});
  tellMembership(replaced != nullptr && replaced->info->scope == active_->info->scope ? replaced->endpoints.get()
                                                                                      : nullptr);
  recount();
}

void Cluster::tellOriginalDestinations() {
  const ClusterStats& stats = active_->info->stats;
  stats.membership_total.set(original_destinations_->size());
  stats.membership_healthy.set(original_destinations_->size());
}

void Cluster::tellMembership(const EndpointSet* before) {
  if (active_->info->original_destination != nullptr) {
    tellOriginalDestinations();
    return;
  }
  const ClusterStats& stats = active_->info->stats;
  const EndpointSet& now = *active_->endpoints;
  stats.membership_total.set(now.entries().size());
  stats.membership_healthy.set(now.healthyCount());
  stats.membership_degraded.set(now.degradedCount());
  stats.membership_excluded.set(now.excludedCount());
  if (active_->discovery != Discovery::Static) {
    stats.max_host_weight.set(now.maxWeight());
  }
  tellHashTables();
  if (!sameEndpoints(before, &now)) {
    stats.membership_change.inc();
  }
}

void Cluster::tellHashTables() {
  const HashTables* const tables = active_->endpoints->hashTables();
  if (tables == nullptr) {
    return;
  }
  const HashTable* const table = tables->ofShare(0);
  const bool ring = active_->info->lb.policy == LbPolicy::RingHash;
  const auto set = [&](const char* name, uint64_t value) { active_->info->scope->gauge(name).set(value); };
  if (ring) {
    set("ring_hash_lb.size", table == nullptr ? 0 : table->size());
  }
  set(ring ? "ring_hash_lb.min_hashes_per_host" : "maglev_lb.min_entries_per_host",
      table == nullptr ? 0 : table->leastPlaces());
  set(ring ? "ring_hash_lb.max_hashes_per_host" : "maglev_lb.max_entries_per_host",
      table == nullptr ? 0 : table->mostPlaces());
}

void Cluster::onEndpoints(EndpointSource& source, EndpointList endpoints) {
  const std::shared_ptr<const Assignment> assignment = endpoints.assignment;
  if (warming_ != nullptr && warming_->source.get() == &source) {
    warming_->endpoints = makeSet(std::move(endpoints), *warming_);
    warming_->assignment = assignment;
    if (warming_->waits_behind_active && !warming_->endpoints->entries().empty()) {
      activate(std::move(warming_));
    }
    return;
  }
  const std::shared_ptr<const EndpointSet> before =
      std::exchange(active_->endpoints, makeSet(std::move(endpoints), *active_));
  active_->assignment = assignment;
  if (sameForWorkers(*before, *active_->endpoints)) {
    active_->info->stats.update_no_rebuild.inc();
    return;
  }
  context_.send({shared_name_, active_->info, active_->endpoints});
  context_.count_endpoint_update();
  tellMembership(before.get());
}

void Cluster::onWarm(EndpointSource& source) {
  if (warming_ == nullptr || warming_->source.get() != &source) {
    return;
  }
  warming_->source_warm = true;
  if (warming_->warm()) {
    onVersionWarm();
  }
}

void Cluster::onVersionWarm() {
  if (warming_->source == nullptr) {
    std::unique_ptr<Version> version = std::move(warming_);
    version->source = std::move(active_->source);
    takeEndpoints(*version, *active_);
    activate(std::move(version));
    context_.settled(*this);
    return;
  }
  const bool nothing_came = warming_->endpoints == nullptr ||
                            (warming_->discovery == Discovery::StrictDns && warming_->endpoints->entries().empty());
  if (active_ != nullptr && nothing_came) {
    LOG_WARNING(upstream, "cluster '{}': no endpoints came for its new version; the old one serves on", name_);
    warming_->waits_behind_active = true;
    context_.settled(*this);
    return;
  }
  LOG_DEBUG(upstream, "cluster '{}' is warm, with {} endpoints", name_,
            warming_->endpoints == nullptr ? 0 : warming_->endpoints->entries().size());
  activate(std::move(warming_));
  context_.settled(*this);
}

const ClusterStats& Cluster::sourceStats(EndpointSource& source) {
  return warming_ != nullptr && warming_->source.get() == &source ? warming_->info->stats : active_->info->stats;
}

void Cluster::visit(absl::FunctionRef<bool(const ClusterView&)> visit) const {
  if (active_ != nullptr) {
    show(*active_, /*warming=*/false, visit);
  }
  if (warming_ != nullptr) {
    show(*warming_, /*warming=*/true, visit);
  }
}

void Cluster::show(const Version& version, bool warming, absl::FunctionRef<bool(const ClusterView&)> visit) const {
  const std::string waits_for = warming ? version.waitsFor() : "";
  visit({.name = name_,
         .config = *version.configuration.message,
         .version = version.configuration.version,
         .last_updated = version.last_updated,
         .added_via_api = added_via_api_,
         .warming = warming,
         .waits_for = waits_for,
         .waits_since = version.warming_since,
         .info = *version.info,
         .endpoints = version.info->original_destination != nullptr && !warming ? original_destinations_->snapshot()
                                                                                : version.endpoints,
         .assignment = version.assignment.get(),
         .failure = failure_.get()});
}

}  // namespace sluice::cluster
