#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/string_view.h"

#include "source/base/weak_ref.h"
#include "source/event/dispatcher.h"
#include "source/xds/decoder.h"
#include "source/xds/resource_records.h"
#include "source/xds/watch.h"

namespace sluice::xds {

/**
 * One update on its way to those who watch its type, until each has given its verdict and the records are kept. All in
 * slices, so that ten thousand assignments in one response hold up nothing. Watches may come and go meanwhile; those
 * that came later get nothing of it. Main thread; owned by the mux, or by a file's subscription; finished() may destroy
 * it.
 *
 *   Sorting --> Delivering --> Waiting (for verdicts) --> Collecting --> Naming --> Recording --> Sweeping --> finished()
 */
class Delivery : private event::IntrusiveTask {
 public:
  /** All that was refused, by the decoder or by a watcher. */
  using Finished = std::function<void(std::vector<ResourceError> refused)>;

  /** Resources that are held already, for a watch that came late. */
  struct Late {
    uint64_t watch = 0;
    std::vector<Resource> resources;
    bool full_state = false;
  };

  Delivery(event::Dispatcher& main, WatchTable& watches, ResourceRecords& records, DecodedResponse response,
           Finished finished);
  Delivery(event::Dispatcher& main, WatchTable& watches, ResourceRecords& records, std::vector<Late> late,
           Finished finished);

  /** Works for a slice; the rest follows in later turns. */
  void start() { run(); }
  /** Its verdict is not waited for any more. */
  void watchGone(uint64_t watch);

  const DecodedResponse& response() const { return response_; }
  /** What is left of it, once finished. */
  DecodedResponse takeResponse() { return std::move(response_); }

 private:
  enum class Phase { Sorting, Delivering, Waiting, Collecting, Naming, Recording, Sweeping };

  /** What one watch gets of the update. */
  struct Portion {
    uint64_t watch = 0;
    std::vector<Resource> resources;
    std::vector<std::string> removed;
    /** Which of the response's errors are this watch's, unless all are; and how many of them it was told. */
    std::vector<size_t> errors;
    bool all_errors = false;
    size_t errors_told = 0;
    bool full_state = false;
    std::string version;
    bool waiting = false;
    base::MonotonicTime begun;
  };
  /** Gives its verdict even if it is dropped, so that nothing waits for a watcher that forgot. */
  class Verdict;

  void run() override;
  /** One small piece of work; false once there is nothing to do but to wait, or all is done. */
  bool step();
  void sortNext();
  size_t errorsOf(const Portion& portion) const;
  /** Tells the watch one more thing; false while there is more. */
  bool deliver(Portion& portion);
  void recordNext();
  void onVerdict(size_t portion, std::vector<ResourceError> errors);
  Portion& portionOf(const Watch& watch);

  event::Dispatcher& main_;
  WatchTable& watches_;
  ResourceRecords& records_;
  DecodedResponse response_;
  Finished finished_;
  const bool late_;
  const uint64_t mark_;

  Phase phase_ = Phase::Sorting;
  /** Where the phase stands. */
  size_t next_ = 0;
  std::string sweep_position_;
  std::vector<Portion> portions_;
  absl::flat_hash_map<uint64_t, size_t> portion_of_;
  size_t waiting_ = 0;
  std::vector<ResourceError> refused_;
  /** Views into refused_, once that is complete. */
  absl::flat_hash_set<absl::string_view> refused_names_;
  const base::WeakAnchor<Delivery> anchor_{this};
};

}  // namespace sluice::xds
