#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "source/base/weak_ref.h"
#include "source/event/dispatcher.h"
#include "source/listener/listener_manager.h"
#include "source/xds/init_manager.h"
#include "source/xds/subscription.h"

namespace sluice::listener {

/**
 * Gives the listeners of the control plane (or of a file) to the manager, in slices of less than a millisecond: first
 * what is to go, then what is new or changed; last, once more, what found its address taken, as another listener of the
 * same response may have given it up since. Main thread; owned by the server; goes before the manager and the
 * subscription factory.
 */
class Lds final : private xds::ResourceWatcher {
 public:
  /**
   * Subscribes at once; the server waits with that for its clusters. The first answer, or that none comes, is a target
   * of `server_init`, which is not initialised yet. Fails for a source of a kind that Sluice does not have.
   */
  static absl::StatusOr<std::unique_ptr<Lds>> create(const envoy::config::core::v3::ConfigSource& source,
                                                     xds::SubscriptionFactory& subscriptions, ListenerManager& manager,
                                                     event::Dispatcher& main, xds::InitManager& server_init);
  ~Lds() override;

 private:
  class SliceTask final : public event::IntrusiveTask {
   public:
    explicit SliceTask(Lds& owner) : owner_(owner) {}

   private:
    void run() override { owner_.runSlice(); }
    Lds& owner_;
  };

  /**
   *   Counting --> Removing (what the server names) --> Sweeping (what it left out) --> Sorting --> Applying --> Noting
   */
  enum class Phase { Counting, Removing, Sweeping, Sorting, Applying, Noting };

  /** An update on its way. */
  struct Work {
    xds::Update update;
    xds::UpdateDone done;
    Phase phase = Phase::Counting;
    /** How often each name comes. */
    absl::flat_hash_map<absl::string_view, int> times;
    std::string swept;
    /** Indexes into the resources that are to be applied. */
    std::vector<size_t> todo;
    /** Where the phase, or this pass of applying, stands. */
    size_t next = 0;
    /** Those that found their addresses taken in this pass, as errors in case it stays so. */
    std::vector<size_t> again;
    std::vector<xds::ResourceError> again_errors;
    /** Whether this pass took one, and thereby may have made room. */
    bool progress = false;
    bool any_applied = false;
    std::vector<xds::ResourceError> errors;
  };

  Lds(xds::SubscriptionFactory& subscriptions, ListenerManager& manager, event::Dispatcher& main);

  void onUpdate(xds::Update update, xds::UpdateDone done) override;
  void onFetchFailure(xds::FetchFailure reason) override;
  void onUndecodable(const xds::ResourceError& error, absl::string_view version, bool first) override;

  void runSlice();
  /** One small piece of work; false once there is nothing to do but to wait for sockets, or all is done. */
  bool step();
  void enter(Phase phase);
  /** Removes the next listener that the response left out; false if there is none. */
  bool sweepOne();
  void sortOne(size_t index);
  void applyOne(size_t index);
  bool endPass();
  void finish();
  void noteFailure(const xds::ResourceError& error, absl::string_view version);

  xds::SubscriptionFactory& subscriptions_;
  ListenerManager& manager_;
  event::Dispatcher& main_;
  /** While an update is applied: all the route tables that its listeners name are asked for together. */
  std::shared_ptr<void> routes_paused_;
  xds::InitTarget first_answer_;
  std::unique_ptr<xds::Subscription> subscription_;
  std::unique_ptr<Work> work_;
  /** What the last response did wrong is forgotten already, as something of this one did not decode. */
  bool begun_ = false;
  SliceTask slice_{*this};
  base::WeakAnchor<Lds> anchor_{this};
};

}  // namespace sluice::listener
