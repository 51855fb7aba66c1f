#include "source/cluster/cds.h"

#include <ctime>
#include <utility>

#include "source/base/assert.h"
#include "source/base/logging.h"

namespace sluice::cluster {

namespace {

/**
 * What is left of a millisecond goes to the clusters' change on its way to the workers, and to what they gave up that
 * comes back to be freed.
 */
constexpr uint64_t kSliceNanoseconds = 500'000;

}  // namespace

uint64_t threadCpuNanoseconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(time.tv_nsec);
}

CdsWatcher::CdsWatcher(event::Dispatcher& main, xds::SubscriptionFactory& subscriptions, CdsTarget& target,
                       std::function<uint64_t()> busy)
    : main_(main), subscriptions_(subscriptions), target_(target), busy_(std::move(busy)) {}

absl::Status CdsWatcher::start(const envoy::config::core::v3::ConfigSource& source) {
  absl::StatusOr<std::unique_ptr<xds::Subscription>> subscription =
      subscriptions_.subscribe(source, xds::kClusterType, {}, "cluster_manager.cds.", *this);
  if (!subscription.ok()) {
    return subscription.status();
  }
  subscription_ = *std::move(subscription);
  return absl::OkStatus();
}

void CdsWatcher::onUpdate(xds::Update update, xds::UpdateDone done) {
  SLUICE_CHECK(!linked() && endpoints_paused_ == nullptr, "an update of CDS came before the last one was applied");
  update_ = std::move(update);
  done_ = std::move(done);
  next_resource_ = 0;
  next_removed_ = 0;
  if (!std::exchange(begun_, false)) {
    target_.beginUpdate();
  }
  endpoints_paused_ = subscriptions_.pause(xds::kEndpointType);
  LOG_DEBUG(upstream, "cds: version '{}' has {} clusters", update_.version, update_.resources.size());
  run();
}

void CdsWatcher::onFetchFailure(xds::FetchFailure reason) {
  LOG_WARNING(upstream, "cds: {}",
              reason == xds::FetchFailure::Timeout ? "no answer in time" : "no cluster of the first answer is usable");
  begun_ = false;
  settle();
}

void CdsWatcher::onUndecodable(const xds::ResourceError& error, absl::string_view version, bool first) {
  if (first) {
    target_.beginUpdate();
    begun_ = true;
  }
  target_.onUndecodable(error, version);
}

void CdsWatcher::run() {
  const uint64_t begin = busy_();
  while (step()) {
    if (busy_() - begin >= kSliceNanoseconds) {
      target_.onSlice();
      main_.runNextTurn(*this);
      return;
    }
  }
  target_.onSlice();
  finish();
}

bool CdsWatcher::step() {
  if (next_resource_ < update_.resources.size()) {
    const xds::Resource resource = std::move(update_.resources[next_resource_++]);
    config::Violations violations;
    target_.applyCluster(resource, violations);
    if (!violations.empty()) {
      LOG_WARNING(upstream, "cds: cluster '{}' of version '{}' is refused: {}", resource.name, update_.version,
                  violations.toString());
      errors_.push_back({resource.name, std::move(violations)});
    }
    return true;
  }
  if (next_removed_ < update_.removed.size()) {
    target_.removeCluster(update_.removed[next_removed_++]);
    return true;
  }
  return update_.full_state && target_.sweep();
}

void CdsWatcher::finish() {
  const std::string version = std::move(update_.version);
  update_ = xds::Update();
  xds::UpdateDone done = std::move(done_);
  // The verdict goes first, so that it is on its way before the requests for endpoints.
  const std::shared_ptr<void> paused = std::move(endpoints_paused_);
  target_.onApplied(version);
  done(std::exchange(errors_, {}));
  settle();
}

void CdsWatcher::settle() {
  if (!std::exchange(settled_, true)) {
    target_.onSettled();
  }
}

}  // namespace sluice::cluster
