#include "source/http/rds.h"

#include <chrono>
#include <optional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

#include "source/base/assert.h"
#include "source/base/logging.h"
#include "source/base/weak_ref.h"
#include "source/config/canonical_key.h"

namespace sluice::http {
namespace {

/** What is left of the millisecond that main may take is for the table's way to the workers. */
constexpr std::chrono::microseconds kSlice{500};

}  // namespace

/** Hands one table to all workers, each of which pins it for its requests. Main thread, but for table(). */
class WorkerRoutes {
 public:
  explicit WorkerRoutes(thread::SlotAllocator& slots)
      : slot_(slots, [](event::Dispatcher&) { return std::make_unique<Local>(); }) {}

  void set(std::shared_ptr<const RouteTable> table) {
    slot_.runOnAllThreads([table = std::move(table)](Local& local) { local.pin = RouteTablePin(table); });
  }
  RouteTablePin table() const {
    const Local* const local = slot_.get();
    return local == nullptr ? RouteTablePin() : local->pin;
  }

 private:
  struct Local : thread::ThreadLocalObject {
    RouteTablePin pin;
  };
  thread::Slot<Local> slot_;
};

/** A table that its listener holds. Dies on main. */
class InlineRoutes final : public RouteProvider {
 public:
  InlineRoutes(RouteProviders& owner, const RouteProviders::RouteConfiguration& message,
               std::shared_ptr<const RouteTable> table)
      : owner_(owner),
        name_(message.name()),
        key_(absl::StrFormat("%s\n%020d", name_, owner.next_inline_++)),
        bytes_(std::make_shared<const std::string>(message.SerializeAsString())),
        made_(owner.main_.systemNow()),
        routes_(owner.slots_) {
    owner_.static_.emplace(key_, this);
    routes_.set(std::move(table));
  }
  ~InlineRoutes() override { owner_.static_.erase(key_); }

  RouteTablePin table() const override { return routes_.table(); }
  RouteConfigView view() const {
    RouteConfigView view;
    view.name = name_;
    view.bytes = bytes_;
    view.last_updated = made_;
    return view;
  }

 private:
  RouteProviders& owner_;
  const std::string name_;
  const std::string key_;
  const std::shared_ptr<const std::string> bytes_;
  const base::SystemTime made_;
  WorkerRoutes routes_;
};

/**
 * One route configuration over RDS, shared by the connection managers that name it. A bad one leaves the last good one in
 * use, and so does one that is left out or removed. Dies on main.
 */
class RdsRoutes final : public RouteProvider, private xds::ResourceWatcher {
 public:
  RdsRoutes(RouteProviders& owner, std::string key, std::string name, std::string stat_prefix)
      : owner_(owner),
        key_(std::move(key)),
        name_(std::move(name)),
        stat_prefix_(std::move(stat_prefix)),
        scope_(owner.services_.root->createScope(stat_prefix_.substr(0, stat_prefix_.size() - 1))),
        config_reload_(scope_->counter("config_reload")),
        update_empty_(scope_->counter("update_empty")),
        config_reload_time_(scope_->gauge("config_reload_time_ms")),
        first_table_(absl::StrCat("RDS routes ", name_), nullptr),
        routes_(owner.slots_) {}
  ~RdsRoutes() override {
    const auto found = owner_.dynamic_.find(key_);
    // Another of the same key may have come when the last holder of this one had let go.
    if (found != owner_.dynamic_.end() && found->second.expired()) {
      owner_.dynamic_.erase(found);
    }
  }

  absl::Status start(const envoy::config::core::v3::ConfigSource& source) {
    absl::StatusOr<std::unique_ptr<xds::Subscription>> subscription =
        owner_.subscriptions_.subscribe(source, xds::kRouteType, {name_}, stat_prefix_, *this);
    if (!subscription.ok()) {
      return subscription.status();
    }
    subscription_ = *std::move(subscription);
    return absl::OkStatus();
  }
  xds::InitTarget& firstTable() { return first_table_; }

  RouteTablePin table() const override { return routes_.table(); }
  RouteConfigView view() const {
    RouteConfigView view;
    view.name = name_;
    view.dynamic = true;
    view.version = version_;
    view.bytes = bytes_;
    view.last_updated = last_updated_;
    view.failure = failure_;
    return view;
  }

 private:
  using RouteConfiguration = RouteProviders::RouteConfiguration;

  class SliceTask final : public event::IntrusiveTask {
   public:
    explicit SliceTask(RdsRoutes& owner) : owner_(owner) {}

   private:
    void run() override { owner_.runSlice(); }
    RdsRoutes& owner_;
  };

  /** An update on its way. */
  struct Work {
    xds::Resource resource;
    std::string version;
    xds::UpdateDone done;
    RouteTableBuilder builder;
  };

  void onUpdate(xds::Update update, xds::UpdateDone done) override {
    xds::Resource* mine = nullptr;
    for (xds::Resource& resource : update.resources) {
      if (resource.name == name_) {
        mine = &resource;
      }
    }
    if (mine == nullptr) {
      // Routes are never taken back by leaving them out.
      update_empty_.inc();
      done({});
      first_table_.ready();
      return;
    }
    if (mine->key == key_of_content_) {
      version_ = update.version;
      failure_.reset();
      done({});
      return;
    }
    auto message = std::static_pointer_cast<const RouteConfiguration>(mine->message);
    work_.reset(new Work{std::move(*mine), std::move(update.version), std::move(done),
                         RouteTableBuilder(std::move(message), config::FieldPath(), owner_.services_, false)});
    runSlice();
  }

  void onFetchFailure(xds::FetchFailure reason) override {
    if (!first_table_.isReady()) {
      LOG_WARNING(config, "rds: '{}' {}: requests find no route until it comes", name_,
                  reason == xds::FetchFailure::Timeout ? "did not come in time" : "could not be had");
    }
    first_table_.ready();
  }

  void onUndecodable(const xds::ResourceError& error, absl::string_view version, bool) override {
    if (error.name == name_) {
      noteFailure(error, version);
    }
  }

  void noteFailure(const xds::ResourceError& error, absl::string_view version) {
    failure_ =
        RouteConfigView::Failure{error.message, owner_.main_.systemNow(),
                                 std::string(error.violations.toStatus(error.name).message()), std::string(version)};
  }

  void runSlice() {
    const auto end = std::chrono::steady_clock::now() + kSlice;
    while (work_->builder.step()) {
      if (std::chrono::steady_clock::now() >= end) {
        owner_.main_.runNextTurn(slice_);
        return;
      }
    }
    finish();
  }

  void finish() {
    // `done` may bring the next update at once, and whoever waits for the first table may let go of this.
    std::unique_ptr<Work> work = std::move(work_);
    const base::WeakRef<RdsRoutes> self = anchor_.ref();
    config::Violations violations;
    std::unique_ptr<RouteTable> table = work->builder.take(violations);
    std::vector<xds::ResourceError> errors;
    if (table == nullptr) {
      LOG_WARNING(config, "rds: '{}' of version '{}' is refused: {}", name_, work->version, violations.toString());
      errors.push_back({name_, std::move(violations), work->resource.message});
      noteFailure(errors.front(), work->version);
    } else {
      routes_.set(event::ownedBy(owner_.main_, std::move(table)));
      key_of_content_ = work->resource.key;
      bytes_ = work->resource.bytes;
      version_ = work->version;
      last_updated_ = owner_.main_.systemNow();
      failure_.reset();
      config_reload_.inc();
      config_reload_time_.set(static_cast<uint64_t>(
          std::chrono::duration_cast<std::chrono::milliseconds>(last_updated_.time_since_epoch()).count()));
      LOG_DEBUG(config, "rds: '{}' of version '{}' is in use", name_, version_);
    }
    // The message, which may be large, is left to the response that it came with.
    xds::UpdateDone done = std::move(work->done);
    work.reset();
    done(std::move(errors));
    if (self) {
      first_table_.ready();
    }
  }

  RouteProviders& owner_;
  const std::string key_;
  const std::string name_;
  const std::string stat_prefix_;
  const stats::ScopePtr scope_;
  const stats::Counter config_reload_;
  const stats::Counter update_empty_;
  const stats::Gauge config_reload_time_;
  xds::InitTarget first_table_;
  WorkerRoutes routes_;

  // Of the table that is in use: an equal one in other bytes is no news.
  std::optional<config::ContentKey> key_of_content_;
  std::shared_ptr<const std::string> bytes_;
  std::string version_;
  base::SystemTime last_updated_;

  std::optional<RouteConfigView::Failure> failure_;
  std::unique_ptr<Work> work_;
  SliceTask slice_{*this};
  std::unique_ptr<xds::Subscription> subscription_;
  base::WeakAnchor<RdsRoutes> anchor_{this};
};

RouteProviders::RouteProviders(event::Dispatcher& main, thread::SlotAllocator& slots,
                               xds::SubscriptionFactory& subscriptions, RouteServices services)
    : main_(main), slots_(slots), subscriptions_(subscriptions), services_(std::move(services)) {}

RouteProviders::~RouteProviders() {
  SLUICE_CHECK(dynamic_.empty() && static_.empty(), "a listener outlives the route tables' providers");
}

std::shared_ptr<RouteProvider> RouteProviders::makeInline(std::shared_ptr<const RouteConfiguration> message,
                                                          const config::FieldPath& path,
                                                          config::Violations& violations) {
  std::unique_ptr<RouteTable> table = buildRouteTable(message, path, services_, true, violations);
  if (table == nullptr) {
    return nullptr;
  }
  return event::ownedBy(main_,
                        std::make_unique<InlineRoutes>(*this, *message, event::ownedBy(main_, std::move(table))));
}

absl::StatusOr<std::shared_ptr<RouteProvider>> RouteProviders::makeRds(
    const envoy::config::core::v3::ConfigSource& source, const std::string& name, absl::string_view stat_prefix,
    xds::InitManager& init) {
  const std::string key = absl::StrCat(name, "\n", config::contentKeyOf(source).hex());
  std::weak_ptr<RdsRoutes>& known = dynamic_[key];
  std::shared_ptr<RdsRoutes> routes = known.lock();
  if (routes == nullptr) {
    routes = event::ownedBy(
        main_, std::make_unique<RdsRoutes>(*this, key, name, absl::StrCat(stat_prefix, "rds.", name, ".")));
    known = routes;
    // Last, as its failure ends the only reference.
    if (const absl::Status status = routes->start(source); !status.ok()) {
      return status;
    }
  }
  init.add(routes->firstTable());
  return std::shared_ptr<RouteProvider>(std::move(routes));
}

void RouteProviders::visit(const std::string& after, RouteViewVisitor visit) const {
  // Keys of the two kinds, one kind after the other: 's' sorts behind 'd'.
  constexpr char kDynamic = 'd';
  constexpr char kStatic = 's';
  if (after.empty() || after[0] == kDynamic) {
    for (auto at = after.empty() ? dynamic_.begin() : dynamic_.upper_bound(after.substr(1)); at != dynamic_.end();
         ++at) {
      const std::shared_ptr<RdsRoutes> routes = at->second.lock();
      if (routes != nullptr && !visit(absl::StrCat(absl::string_view(&kDynamic, 1), at->first), routes->view())) {
        return;
      }
    }
  }
  const bool in_static = !after.empty() && after[0] == kStatic;
  for (auto at = in_static ? static_.upper_bound(after.substr(1)) : static_.begin(); at != static_.end(); ++at) {
    if (!visit(absl::StrCat(absl::string_view(&kStatic, 1), at->first), at->second->view())) {
      return;
    }
  }
}

}  // namespace sluice::http
