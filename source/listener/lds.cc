#include "source/listener/lds.h"

#include <chrono>
#include <utility>

#include "source/base/logging.h"

namespace sluice::listener {
namespace {

/** What is left of the millisecond that main may take is for what a listener's going or coming sets off. */
constexpr std::chrono::microseconds kSlice{400};

}  // namespace

absl::StatusOr<std::unique_ptr<Lds>> Lds::create(const envoy::config::core::v3::ConfigSource& source,
                                                 xds::SubscriptionFactory& subscriptions, ListenerManager& manager,
                                                 event::Dispatcher& main, xds::InitManager& server_init) {
  std::unique_ptr<Lds> lds(new Lds(subscriptions, manager, main));
  server_init.add(lds->first_answer_);
  absl::StatusOr<std::unique_ptr<xds::Subscription>> subscription =
      subscriptions.subscribe(source, xds::kListenerType, {}, "listener_manager.lds.", *lds);
  if (!subscription.ok()) {
    return subscription.status();
  }
  lds->subscription_ = *std::move(subscription);
  return lds;
}

Lds::Lds(xds::SubscriptionFactory& subscriptions, ListenerManager& manager, event::Dispatcher& main)
    : subscriptions_(subscriptions), manager_(manager), main_(main), first_answer_("LDS", nullptr) {}

Lds::~Lds() = default;

void Lds::onFetchFailure(xds::FetchFailure) {
  begun_ = false;
  first_answer_.ready();
}

void Lds::onUndecodable(const xds::ResourceError& error, absl::string_view version, bool first) {
  if (first) {
    manager_.clearFailures();
    begun_ = true;
  }
  noteFailure(error, version);
}

void Lds::onUpdate(xds::Update update, xds::UpdateDone done) {
  if (!std::exchange(begun_, false)) {
    manager_.clearFailures();
  }
  routes_paused_ = subscriptions_.pause(xds::kRouteType);
  work_ = std::make_unique<Work>();
  work_->done = std::move(done);
  work_->update = std::move(update);
  runSlice();
}

void Lds::runSlice() {
  const auto end = std::chrono::steady_clock::now() + kSlice;
  while (step()) {
    if (std::chrono::steady_clock::now() >= end) {
      main_.runNextTurn(slice_);
      return;
    }
  }
}

bool Lds::step() {
  Work& work = *work_;
  switch (work.phase) {
    case Phase::Counting:
      if (work.next < work.update.resources.size()) {
        ++work.times[work.update.resources[work.next++].name];
      } else {
        enter(Phase::Removing);
      }
      return true;
    case Phase::Removing:
      if (work.next < work.update.removed.size()) {
        manager_.remove(work.update.removed[work.next++]);
      } else {
        enter(work.update.full_state ? Phase::Sweeping : Phase::Sorting);
      }
      return true;
    case Phase::Sweeping:
      if (!sweepOne()) {
        enter(Phase::Sorting);
      }
      return true;
    case Phase::Sorting:
      if (work.next < work.update.resources.size()) {
        sortOne(work.next++);
      } else {
        enter(Phase::Applying);
      }
      return true;
    case Phase::Applying:
      if (work.next < work.todo.size()) {
        applyOne(work.todo[work.next++]);
        return true;
      }
      return endPass();
    case Phase::Noting:
      if (work.next < work.errors.size()) {
        noteFailure(work.errors[work.next++], work.update.version);
        return true;
      }
      finish();
      return false;
  }
  return false;
}

void Lds::enter(Phase phase) {
  work_->phase = phase;
  work_->next = 0;
}

bool Lds::sweepOne() {
  // A name costs next to nothing to look at, and a listener to remove: a step is the one, or some of the other.
  constexpr int kNames = 16;
  for (int i = 0; i < kNames; ++i) {
    const std::string* name = manager_.nextDynamicName(work_->swept);
    if (name == nullptr) {
      return false;
    }
    work_->swept = *name;
    if (!work_->times.contains(*name)) {
      manager_.remove(work_->swept);
      return true;
    }
  }
  return true;
}

void Lds::sortOne(size_t index) {
  const xds::Resource& resource = work_->update.resources[index];
  int& times = work_->times[resource.name];
  if (times == 1) {
    work_->todo.push_back(index);
  } else if (times > 1) {
    // Once for all of the name; which of them was meant nobody knows.
    times = 0;
    xds::ResourceError error{resource.name, {}, resource.message};
    error.violations.add("name", "the response has more than one listener of this name (duplicate)");
    work_->errors.push_back(std::move(error));
  }
}

void Lds::applyOne(size_t index) {
  const xds::Resource& resource = work_->update.resources[index];
  ListenerVerdict verdict = manager_.addOrUpdate(resource);
  switch (verdict.kind) {
    case ListenerVerdict::Kind::Accepted:
      work_->progress = true;
      work_->any_applied = true;
      return;
    case ListenerVerdict::Kind::Refused:
      work_->errors.push_back({resource.name, std::move(verdict.violations), resource.message});
      return;
    case ListenerVerdict::Kind::AddressTaken:
      work_->again.push_back(index);
      work_->again_errors.push_back({resource.name, std::move(verdict.violations), resource.message});
      return;
  }
}

bool Lds::endPass() {
  if (!work_->again.empty() && (work_->progress || manager_.closesSockets())) {
    work_->todo = std::exchange(work_->again, {});
    work_->again_errors.clear();
    work_->next = 0;
    work_->progress = false;
    const base::WeakRef<Lds> self = anchor_.ref();
    manager_.whenSocketsClosed([self] {
      if (self) {
        self->main_.runNextTurn(self->slice_);
      }
    });
    return false;
  }
  for (xds::ResourceError& error : work_->again_errors) {
    work_->errors.push_back(std::move(error));
  }
  enter(Phase::Noting);
  return true;
}

void Lds::finish() {
  // `done` may bring the next update at once.
  const std::unique_ptr<Work> work = std::move(work_);
  const std::shared_ptr<void> paused = std::move(routes_paused_);
  if (work->errors.empty() || work->any_applied) {
    manager_.setVersion(work->update.version);
  }
  LOG_DEBUG(config, "lds: version '{}' with {} listeners, {} of them refused", work->update.version,
            work->update.resources.size(), work->errors.size());
  work->done(std::move(work->errors));
  first_answer_.ready();
}

void Lds::noteFailure(const xds::ResourceError& error, absl::string_view version) {
  manager_.noteFailure(error.name,
                       {error.message, main_.systemNow(), std::string(error.violations.toStatus(error.name).message()),
                        std::string(version)});
}

}  // namespace sluice::listener
