#include "source/listener/listener_manager.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "envoy/config/listener/v3/listener.pb.h"

#include "source/base/crash.h"
#include "source/base/logging.h"
#include "source/config/canonical_key.h"

namespace sluice::listener {
namespace {

namespace v3 = envoy::config::listener::v3;

constexpr absl::string_view kProcessLimitKey = "overload.global_downstream_max_connections";

xds::Resource makeResource(std::string name, std::shared_ptr<const google::protobuf::Message> message) {
  xds::Resource resource;
  resource.name = std::move(name);
  resource.key = config::contentKeyOf(*message);
  resource.message = std::move(message);
  return resource;
}

}  // namespace

ListenerManager::Stats::Stats(stats::Scope& scope)
    : added(scope.counter("listener_added")),
      modified(scope.counter("listener_modified")),
      removed(scope.counter("listener_removed")),
      stopped(scope.counter("listener_stopped")),
      create_success(scope.counter("listener_create_success")),
      create_failure(scope.counter("listener_create_failure")),
      in_place_updated(scope.counter("listener_in_place_updated")),
      active(scope.gauge("total_listeners_active")),
      warming(scope.gauge("total_listeners_warming")),
      draining(scope.gauge("total_listeners_draining")),
      draining_chains(scope.gauge("total_filter_chains_draining")),
      workers_started(scope.gauge("workers_started")) {}

ListenerManager::ListenerManager(event::Dispatcher& main, Workers& workers, const ListenerBuilder& builder,
                                 ConnectionLimit& process_limit, std::shared_ptr<const runtime::Snapshot> runtime,
                                 stats::Scope& root, xds::InitManager& server_init,
                                 const ListenerManagerOptions& options)
    : main_(main),
      workers_(workers),
      builder_(builder),
      process_limit_(process_limit),
      runtime_(std::move(runtime)),
      root_(root.shared_from_this()),
      scope_(root.createScope("listener_manager")),
      server_init_(server_init),
      options_(options),
      stats_(*scope_),
      drains_(main, workers, options.drain_time, stats_.draining_chains) {
  process_limit_.setLimit(runtime_->getInteger(kProcessLimitKey, ConnectionLimit::kNone));
  // Read as 0 from the start on, as what shows how far it is.
  for (const stats::Gauge& gauge : {stats_.workers_started, stats_.active, stats_.warming, stats_.draining}) {
    gauge.set(0);
  }
}

ListenerManager::~ListenerManager() = default;

void ListenerManager::addStatic(std::shared_ptr<const google::protobuf::Message> listener,
                                const config::FieldPath& path, config::Violations& violations) {
  const auto& proto = static_cast<const v3::Listener&>(*listener);
  // Without a name of its own it goes by its place, which no other has.
  std::string name = proto.name().empty() ? path.toString() : proto.name();
  if (listeners_.contains(name)) {
    violations.add(path.field("name"), absl::StrCat("there is another listener '", name, "'"));
    return;
  }
  const ListenerVerdict verdict = build(makeResource(std::move(name), std::move(listener)), path, false);
  violations.addAll(verdict.violations);
}

ListenerVerdict ListenerManager::addOrUpdate(const xds::Resource& resource) {
  const base::ScopedActivity activity("listener of LDS", resource.name);
  auto found = listeners_.find(resource.name);
  if (found != listeners_.end()) {
    Listener& listener = found->second;
    if (!listener.dynamic) {
      // As in Envoy, the bootstrap's listeners are not the control plane's to change.
      LOG_WARNING(config, "ignoring listener '{}' of LDS: the bootstrap has one of that name", resource.name);
      return {};
    }
    const bool like_active = listener.active != nullptr && listener.active->sameResource(resource);
    if (listener.warming != nullptr ? listener.warming->sameResource(resource) : like_active) {
      return {};
    }
    if (like_active) {
      // Back to what serves: the version that was to replace it is not wanted any more.
      setWarming(listener, nullptr);
      return {};
    }
  }
  ListenerVerdict verdict = build(resource, config::FieldPath(), true);
  if (verdict.kind == ListenerVerdict::Kind::Accepted) {
    LOG_INFO(config, "lds: add/update listener '{}'", resource.name);
  }
  return verdict;
}

ListenerVerdict ListenerManager::build(const xds::Resource& resource, const config::FieldPath& path, bool dynamic) {
  ListenerVerdict verdict;
  auto version = std::make_unique<ListenerVersion>();
  version->resource = resource;
  version->last_updated = main_.systemNow();
  version->init = std::make_unique<xds::InitManager>(absl::StrCat("Listener ", resource.name));
  {
    config::FilesRead files;
    version->parts =
        builder_.build(static_cast<const v3::Listener&>(*resource.message), path, *version->init, verdict.violations);
    version->files = files.take();
  }
  if (version->parts == nullptr) {
    verdict.kind = ListenerVerdict::Kind::Refused;
    return verdict;
  }
  version->parts->name = resource.name;
  auto found = listeners_.find(resource.name);
  const Listener* existing = found == listeners_.end() ? nullptr : &found->second;
  if (findDuplicateAddress(*version->parts, existing == nullptr ? 0 : existing->id, verdict.violations)) {
    verdict.kind = ListenerVerdict::Kind::AddressTaken;
    return verdict;
  }
  const ListenAddress* failed = nullptr;
  if (absl::Status status = bindSockets(existing, *version, failed); !status.ok()) {
    verdict.violations.add(failed->path, std::string(status.message()));
    verdict.kind = status.code() == absl::StatusCode::kFailedPrecondition ? ListenerVerdict::Kind::AddressTaken
                                                                          : ListenerVerdict::Kind::Refused;
    return verdict;
  }

  if (existing == nullptr) {
    Listener listener;
    listener.name = resource.name;
    listener.id = ++last_listener_id_;
    listener.dynamic = dynamic;
    listener.limit = std::make_shared<ConnectionLimit>();
    listener.limit->setLimit(limitOf(resource.name));
    found = listeners_.emplace(resource.name, std::move(listener)).first;
    by_id_.emplace(found->second.id, &found->second);
    stats_.added.inc();
  } else {
    stats_.modified.inc();
  }
  warm(found->second, std::move(version));
  return verdict;
}

bool ListenerManager::findDuplicateAddress(const ListenerParts& parts, uint64_t listener,
                                           config::Violations& violations) const {
  bool duplicate = false;
  const AddressBook& book = parts.bind_to_port ? addresses_ : unbound_addresses_;
  for (const ListenAddress& address : parts.addresses) {
    if (const auto holder = book.otherHolder(address.options.address, listener); holder) {
      violations.add(address.path, absl::StrCat("duplicate address: '", address.options.address.toString(),
                                                "' is that of listener '", by_id_.at(*holder)->name, "'"));
      duplicate = true;
    }
  }
  return duplicate;
}

absl::Status ListenerManager::bindSockets(const Listener* listener, ListenerVersion& version,
                                          const ListenAddress*& failed) const {
  if (!version.parts->bind_to_port) {
    return absl::OkStatus();
  }
  for (const ListenAddress& address : version.parts->addresses) {
    std::shared_ptr<ListenSockets> sockets;
    bool holds_address = false;
    if (listener != nullptr) {
      for (const ListenerVersion* other : {listener->active.get(), listener->warming.get()}) {
        if (other == nullptr) {
          continue;
        }
        if (sockets == nullptr) {
          sockets = other->findSockets(address.options, version.sockets);
        }
        for (const auto& set : other->sockets) {
          holds_address = holds_address || set->address() == address.options.address;
        }
      }
    }
    if (sockets == nullptr) {
      absl::StatusOr<std::shared_ptr<ListenSockets>> bound =
          ListenSockets::bind(address.options, workers_.count(), options_.open_sockets);
      if (!bound.ok()) {
        failed = &address;
        return holds_address ? absl::InvalidArgumentError(absl::StrCat(
                                   bound.status().message(),
                                   " (the listener has this address with other socket options: both at a time can have "
                                   "it only with reuse_port)"))
                             : bound.status();
      }
      sockets = *std::move(bound);
    }
    version.sockets.push_back(std::move(sockets));
  }
  return absl::OkStatus();
}

void ListenerManager::warm(Listener& listener, std::unique_ptr<ListenerVersion> version) {
  AddressBook& book = version->parts->bind_to_port ? addresses_ : unbound_addresses_;
  version->addresses_claim = std::make_unique<AddressBook::Claim>(book, listener.id, version->addresses());
  setWarming(listener, std::move(version));
  ListenerVersion& warming = *listener.warming;
  // The version owns its init manager, which calls nobody once it is destroyed; this manager outlives its versions.
  auto initialize = [this, id = listener.id, &warming] { warming.init->initialize([this, id] { onWarm(id); }); };
  if (workers_started_ || server_init_.phase() == xds::InitManager::Phase::Initialized) {
    initialize();
    return;
  }
  warming.server_target =
      std::make_unique<xds::InitTarget>(absl::StrCat("Listener ", listener.name), std::move(initialize));
  server_init_.add(*warming.server_target);
}

void ListenerManager::onWarm(uint64_t id) {
  Listener& listener = *by_id_.at(id);
  std::unique_ptr<ListenerVersion> version = takeWarming(listener);
  const std::unique_ptr<xds::InitTarget> server_target = std::move(version->server_target);
  if (workers_started_) {
    if (absl::Status status = listen(listener, *version); !status.ok()) {
      // The verdict is out; what remains is to say so, and to go on with what there was.
      failToStart(listener, *version, status);
      return;
    }
    giveToWorkers(listener, *version, listener.active.get(), nullptr);
  }
  setActive(listener, std::move(version));
  if (server_target != nullptr) {
    server_target->ready();
  }
}

void ListenerManager::failToStart(Listener& listener, const ListenerVersion& version, const absl::Status& status) {
  stats_.create_failure.inc();
  LOG_ERROR(config, "listener '{}' cannot be started: {}", listener.name, status.message());
  if (listener.dynamic) {
    noteFailure(listener.name,
                {version.resource.message, main_.systemNow(), std::string(status.message()), version.resource.version});
  }
  if (!listener.with_workers) {
    erase(listener);
  }
}

absl::Status ListenerManager::listen(Listener& listener, ListenerVersion& version) {
  if (isStopped(version)) {
    listener.stopped = true;
  }
  if (listener.stopped || !options_.open_sockets) {
    return absl::OkStatus();
  }
  for (const auto& set : version.sockets) {
    if (!set->withWorkers()) {
      if (absl::Status status = set->listen(version.parts->backlog); !status.ok()) {
        return status;
      }
    }
  }
  return absl::OkStatus();
}

void ListenerManager::giveToWorkers(Listener& listener, ListenerVersion& version, const ListenerVersion* old,
                                    std::function<void()> taken_over) {
  std::vector<ChainIdentity> old_chains;
  bool same_sockets = old != nullptr;
  bool closes_sockets = false;
  if (old != nullptr) {
    old_chains = old->chains;
    same_sockets = old->sockets == version.sockets;
    for (const auto& set : old->sockets) {
      closes_sockets = closes_sockets || !version.hasSockets(*set);
    }
  }
  // Chains that drain come last: those that the version before has are nearer.
  const std::vector<ChainIdentity> draining = drains_.drainingChains(listener.id);
  old_chains.insert(old_chains.end(), draining.begin(), draining.end());
  std::vector<ChainIdentity> left = makeSpec(main_, version, old_chains, listener.limit, statsFor(version, old));
  for (const ChainIdentity& chain : draining) {
    if (std::erase_if(left, [&](const ChainIdentity& other) { return other.id == chain.id; }) == 0) {
      drains_.revive(listener.id, chain.id);
    }
  }

  closings_ += closes_sockets ? 1 : 0;
  const base::WeakRef<ListenerManager> self = anchor_.ref();
  workers_.apply(assignments(listener, version), [self, closes_sockets, taken_over = std::move(taken_over)] {
    if (!self) {
      return;
    }
    self->stats_.create_success.add(self->workers_.count());
    if (taken_over != nullptr) {
      taken_over();
    }
    if (closes_sockets) {
      self->onSocketsClosed();
    }
  });
  listener.with_workers = true;
  drains_.drainChains(listener.id, std::move(left));
  if (same_sockets) {
    stats_.in_place_updated.inc();
  }
}

std::vector<ListenerAssignment> ListenerManager::assignments(const Listener& listener, const ListenerVersion& version) {
  std::vector<ListenerAssignment> assignments(workers_.count());
  for (uint32_t worker = 0; worker < workers_.count(); ++worker) {
    ListenerAssignment& assignment = assignments[worker];
    assignment.listener = listener.id;
    assignment.spec = version.spec;
    if (listener.stopped) {
      continue;
    }
    for (const auto& set : version.sockets) {
      if (set->withWorkers()) {
        assignment.kept_sets.push_back(set->id());
      } else {
        set->takeFor(worker, assignment.new_sockets);
      }
    }
  }
  if (!listener.stopped) {
    for (const auto& set : version.sockets) {
      set->setWithWorkers();
    }
  }
  return assignments;
}

std::shared_ptr<const ListenerStats> ListenerManager::statsFor(const ListenerVersion& version,
                                                               const ListenerVersion* old) {
  // The configured address, as in Envoy: with port 0 the name is the same in every run.
  const ListenerParts& parts = *version.parts;
  const std::string prefix =
      parts.stat_prefix.empty() ? parts.addresses.front().options.address.toString() : parts.stat_prefix;
  if (old != nullptr && old->spec != nullptr && old->spec->stats->prefix == prefix) {
    return old->spec->stats;
  }
  return event::ownedBy(main_, std::make_unique<const ListenerStats>(*root_, prefix, workers_.count()));
}

void ListenerManager::remove(absl::string_view name) {
  auto found = listeners_.find(name);
  if (found == listeners_.end() || !found->second.dynamic) {
    return;
  }
  Listener& listener = found->second;
  LOG_INFO(config, "lds: remove listener '{}'", name);
  stats_.removed.inc();
  if (listener.with_workers) {
    const uint64_t id = listener.id;
    draining_.emplace(id, DrainingView{listener.name, true, viewOf(*listener.active)});
    stats_.draining.set(draining_.size());
    ++closings_;
    const base::WeakRef<ListenerManager> self = anchor_.ref();
    drains_.drainListener(
        id,
        [self] {
          if (self) {
            self->onSocketsClosed();
          }
        },
        [self, id] {
          if (self) {
            self->draining_.erase(id);
            self->stats_.draining.set(self->draining_.size());
          }
        });
  }
  erase(listener);
}

void ListenerManager::setActive(Listener& listener, std::unique_ptr<ListenerVersion> version) {
  active_count_ += (version != nullptr ? 1 : 0) - (listener.active != nullptr ? 1 : 0);
  listener.active = std::move(version);
  stats_.active.set(active_count_);
}

void ListenerManager::setWarming(Listener& listener, std::unique_ptr<ListenerVersion> version) {
  warming_count_ += (version != nullptr ? 1 : 0) - (listener.warming != nullptr ? 1 : 0);
  listener.warming = std::move(version);
  stats_.warming.set(warming_count_);
}

std::unique_ptr<ListenerVersion> ListenerManager::takeWarming(Listener& listener) {
  stats_.warming.set(--warming_count_);
  return std::move(listener.warming);
}

void ListenerManager::erase(Listener& listener) {
  setActive(listener, nullptr);
  setWarming(listener, nullptr);
  by_id_.erase(listener.id);
  listeners_.erase(listeners_.find(listener.name));
}

void ListenerManager::clearFailures() {
  if (!failures_.empty()) {
    forgotten_.take(std::exchange(failures_, {}));
  }
}

void ListenerManager::Forgotten::take(Failures failures) {
  if (failures_.empty()) {
    failures_ = std::move(failures);
  } else {
    // Some are left of an earlier time. Of two of one name the other goes right here.
    failures_.merge(failures);
  }
  main_.runNextTurn(*this);
}

void ListenerManager::Forgotten::run() {
  constexpr int kAtOnce = 50;
  for (int i = 0; i < kAtOnce && !failures_.empty(); ++i) {
    failures_.erase(failures_.begin());
  }
  if (!failures_.empty()) {
    main_.runNextTurn(*this);
  }
}

const std::string* ListenerManager::nextDynamicName(absl::string_view after) const {
  auto next = after.empty() ? listeners_.begin() : listeners_.upper_bound(after);
  while (next != listeners_.end() && !next->second.dynamic) {
    ++next;
  }
  return next == listeners_.end() ? nullptr : &next->first;
}

void ListenerManager::startWorkers(std::function<void()> done) {
  workers_started_ = true;
  started_done_ = std::move(done);
  // One more for this function itself, so that `done` comes also when there is no listener.
  first_ones_left_ = 1;
  std::vector<uint64_t> ids;
  for (const auto& [name, listener] : listeners_) {
    if (listener.active != nullptr) {
      ids.push_back(listener.id);
    }
  }
  for (uint64_t id : ids) {
    Listener& listener = *by_id_.at(id);
    if (absl::Status status = listen(listener, *listener.active); !status.ok()) {
      failToStart(listener, *listener.active, status);
      continue;
    }
    ++first_ones_left_;
    giveToWorkers(listener, *listener.active, nullptr, [this] { onFirstTakenOver(); });
  }
  onFirstTakenOver();
}

void ListenerManager::onFirstTakenOver() {
  if (--first_ones_left_ == 0) {
    stats_.workers_started.set(1);
    if (const std::function<void()> done = std::exchange(started_done_, nullptr); done != nullptr) {
      done();
    }
  }
}

bool ListenerManager::isStopped(const ListenerVersion& version) const {
  return stop_ == Stop::All || (stop_ == Stop::Inbound && version.parts->inbound);
}

void ListenerManager::stopListeners(bool inbound_only) {
  if (stop_ != Stop::All) {
    stop_ = inbound_only ? Stop::Inbound : Stop::All;
  }
  for (auto& [name, listener] : listeners_) {
    if (listener.stopped || listener.active == nullptr || !isStopped(*listener.active)) {
      continue;
    }
    listener.stopped = true;
    if (!listener.with_workers) {
      continue;
    }
    ++closings_;
    const base::WeakRef<ListenerManager> self = anchor_.ref();
    workers_.stopAccepting(listener.id, [self] {
      if (self) {
        self->stats_.stopped.inc();
        self->onSocketsClosed();
      }
    });
  }
}

uint64_t ListenerManager::limitOf(absl::string_view name) const {
  return runtime_->getInteger(absl::StrCat("envoy.resource_limits.listener.", name, ".connection_limit"),
                              ConnectionLimit::kNone);
}

void ListenerManager::whenSocketsClosed(std::function<void()> then) {
  if (closings_ == 0) {
    then();
  } else {
    after_closings_.push_back(std::move(then));
  }
}

void ListenerManager::onSocketsClosed() {
  if (--closings_ > 0) {
    return;
  }
  for (const std::function<void()>& then : std::exchange(after_closings_, {})) {
    then();
  }
}

std::vector<std::string> ListenerManager::names() const {
  std::map<std::string, bool> names;
  for (const auto& [name, listener] : listeners_) {
    names[name] = true;
  }
  for (const auto& [id, draining] : draining_) {
    names[draining.name] = true;
  }
  for (const auto& [name, failure] : failures_) {
    names[name] = true;
  }
  std::vector<std::string> list;
  for (const auto& [name, there] : names) {
    list.push_back(name);
  }
  return list;
}

ListenerVersionView ListenerManager::viewOf(const ListenerVersion& version) {
  return {version.resource.version, version.resource.message, version.last_updated, version.init->pending()};
}

std::optional<ListenerView> ListenerManager::view(absl::string_view name) const {
  ListenerView view;
  view.name = std::string(name);
  bool known = false;
  if (auto found = listeners_.find(name); found != listeners_.end()) {
    const Listener& listener = found->second;
    known = true;
    view.dynamic = listener.dynamic;
    if (listener.active != nullptr) {
      view.active = viewOf(*listener.active);
      view.addresses = listener.active->addresses();
    }
    if (listener.warming != nullptr) {
      view.warming = viewOf(*listener.warming);
    }
  }
  for (const auto& [id, draining] : draining_) {
    if (draining.name == name) {
      known = true;
      view.dynamic = view.dynamic || draining.dynamic;
      view.draining = draining.version;
    }
  }
  if (auto failure = failures_.find(name); failure != failures_.end()) {
    known = true;
    view.dynamic = true;
    view.failure = failure->second;
  }
  return known ? std::optional<ListenerView>(std::move(view)) : std::nullopt;
}

}  // namespace sluice::listener
