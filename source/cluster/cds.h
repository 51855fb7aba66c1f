#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "source/event/dispatcher.h"
#include "source/xds/subscription.h"

namespace sluice::cluster {

/** What CDS does with its resources: the cluster manager. */
class CdsTarget {
 public:
  virtual ~CdsTarget() = default;
  /** What follows is of another response. */
  virtual void beginUpdate() = 0;
  /** Adds or updates; what is wrong with it goes to `violations`, and the old version stays. */
  virtual void applyCluster(const xds::Resource& resource, config::Violations& violations) = 0;
  virtual void removeCluster(const std::string& name) = 0;
  /** Removes those of CDS that were not applied since beginUpdate(), a few at a time; false when there are no more. */
  virtual bool sweep() = 0;
  /** A resource that could not even be decoded. */
  virtual void onUndecodable(const xds::ResourceError& error, absl::string_view version) = 0;
  /** A batch of changes is complete: a slice is over. */
  virtual void onSlice() = 0;
  virtual void onApplied(const std::string& version) = 0;
  /** Once: the first update was applied, or there will be none for now. */
  virtual void onSettled() = 0;
};

/**
 * Applies what CDS sends, in slices of about a millisecond, so that main's loop goes on between them however many
 * clusters come. Requests for endpoints are held back meanwhile and go out together. Main thread; owned by the manager;
 * not deleted inside its callbacks.
 */
class CdsWatcher final : public xds::ResourceWatcher, private event::IntrusiveTask {
 public:
  /** `busy` tells the CPU time that this thread has used, in nanoseconds. */
  CdsWatcher(event::Dispatcher& main, xds::SubscriptionFactory& subscriptions, CdsTarget& target,
             std::function<uint64_t()> busy);

  absl::Status start(const envoy::config::core::v3::ConfigSource& source);

 private:
  void onUpdate(xds::Update update, xds::UpdateDone done) override;
  void onFetchFailure(xds::FetchFailure reason) override;
  void onUndecodable(const xds::ResourceError& error, absl::string_view version, bool first) override;
  void run() override;
  /** Applies one resource or removal, and lets go of it; false when there is none left. */
  bool step();
  void finish();
  void settle();

  event::Dispatcher& main_;
  xds::SubscriptionFactory& subscriptions_;
  CdsTarget& target_;
  const std::function<uint64_t()> busy_;

  /** The target knows that there is another response: something of it did not decode. */
  bool begun_ = false;

  // The update under way.
  xds::Update update_;
  xds::UpdateDone done_;
  size_t next_resource_ = 0;
  size_t next_removed_ = 0;
  std::vector<xds::ResourceError> errors_;
  std::shared_ptr<void> endpoints_paused_;

  bool settled_ = false;
  std::unique_ptr<xds::Subscription> subscription_;
};

/** CPU time of the calling thread in nanoseconds. */
uint64_t threadCpuNanoseconds();

}  // namespace sluice::cluster
