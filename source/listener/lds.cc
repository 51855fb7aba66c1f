#include "source/listener/lds.h"

#include <chrono>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"

#include "source/base/logging.h"

namespace sluice::listener {
namespace {

/** What main may do in one turn. */
constexpr std::chrono::microseconds kSlice{1000};

}  // namespace

absl::StatusOr<std::unique_ptr<Lds>> Lds::create(const envoy::config::core::v3::ConfigSource& source,
                                                 xds::SubscriptionFactory& subscriptions, ListenerManager& manager,
                                                 event::Dispatcher& main, xds::InitManager& server_init) {
  std::unique_ptr<Lds> lds(new Lds(manager, main));
  server_init.add(lds->first_answer_);
  absl::StatusOr<std::unique_ptr<xds::Subscription>> subscription =
      subscriptions.subscribe(source, xds::kListenerType, {}, "listener_manager.lds.", *lds);
  if (!subscription.ok()) {
    return subscription.status();
  }
  lds->subscription_ = *std::move(subscription);
  return lds;
}

Lds::Lds(ListenerManager& manager, event::Dispatcher& main)
    : manager_(manager), main_(main), first_answer_("LDS", nullptr) {}

Lds::~Lds() = default;

void Lds::onFetchFailure(xds::FetchFailure) { first_answer_.ready(); }

void Lds::onUndecodable(const std::vector<xds::ResourceError>& errors, absl::string_view version) {
  manager_.clearFailures();
  noted_version_ = std::string(version);
  for (const xds::ResourceError& error : errors) {
    noteFailure(error, version);
  }
}

void Lds::onUpdate(xds::Update update, xds::UpdateDone done) {
  // What of this response could not be decoded was noted just before.
  if (noted_version_ != update.version) {
    manager_.clearFailures();
  }
  noted_version_.clear();
  work_ = std::make_unique<Work>();
  work_->done = std::move(done);
  work_->update = std::move(update);
  removeMissing(work_->update);
  refuseDuplicates(*work_);
  runSlice();
}

void Lds::removeMissing(const xds::Update& update) {
  for (const std::string& name : update.removed) {
    manager_.remove(name);
  }
  if (!update.full_state) {
    return;
  }
  absl::flat_hash_set<absl::string_view> there;
  for (const xds::Resource& resource : update.resources) {
    there.insert(resource.name);
  }
  for (const std::string& name : manager_.dynamicNames()) {
    if (!there.contains(name)) {
      manager_.remove(name);
    }
  }
}

void Lds::refuseDuplicates(Work& work) {
  absl::flat_hash_map<absl::string_view, int> seen;
  for (const xds::Resource& resource : work.update.resources) {
    ++seen[resource.name];
  }
  for (size_t i = 0; i < work.update.resources.size(); ++i) {
    const xds::Resource& resource = work.update.resources[i];
    int& times = seen[resource.name];
    if (times == 1) {
      work.todo.push_back(i);
    } else if (times > 1) {
      // Once for all of the name; which of them was meant nobody knows.
      times = 0;
      xds::ResourceError error{resource.name, {}, resource.message};
      error.violations.add("name", "the response has more than one listener of this name (duplicate)");
      work.errors.push_back(std::move(error));
    }
  }
}

void Lds::runSlice() {
  const auto end = std::chrono::steady_clock::now() + kSlice;
  while (work_->next < work_->todo.size()) {
    applyOne(work_->todo[work_->next++]);
    if (std::chrono::steady_clock::now() >= end && work_->next < work_->todo.size()) {
      main_.runNextTurn(slice_);
      return;
    }
  }
  endPass();
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

void Lds::endPass() {
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
    return;
  }
  for (xds::ResourceError& error : work_->again_errors) {
    work_->errors.push_back(std::move(error));
  }
  finish();
}

void Lds::finish() {
  // `done` may bring the next update at once.
  const std::unique_ptr<Work> work = std::move(work_);
  for (const xds::ResourceError& error : work->errors) {
    noteFailure(error, work->update.version);
  }
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
