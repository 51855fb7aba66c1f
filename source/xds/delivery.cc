#include "source/xds/delivery.h"

#include <chrono>
#include <utility>

#include "source/base/logging.h"
#include "source/xds/nack.h"

namespace sluice::xds {
namespace {

/** Half of what main may take for anything in one go: the watcher's own work comes on top. */
constexpr std::chrono::microseconds kSlice(500);

uint64_t newMark() {
  static uint64_t last = 0;
  return ++last;
}

}  // namespace

class Delivery::Verdict {
 public:
  Verdict(base::WeakRef<Delivery> delivery, size_t portion) : delivery_(std::move(delivery)), portion_(portion) {}
  Verdict(Verdict&& other) noexcept : delivery_(std::exchange(other.delivery_, {})), portion_(other.portion_) {}
  ~Verdict() { give({}); }

  void operator()(std::vector<ResourceError> errors) { give(std::move(errors)); }

 private:
  void give(std::vector<ResourceError> errors) {
    const base::WeakRef<Delivery> delivery = std::exchange(delivery_, {});
    if (delivery) {
      delivery->onVerdict(portion_, std::move(errors));
    }
  }

  base::WeakRef<Delivery> delivery_;
  size_t portion_;
};

Delivery::Delivery(event::Dispatcher& main, WatchTable& watches, ResourceRecords& records, DecodedResponse response,
                   Finished finished)
    : main_(main),
      watches_(watches),
      records_(records),
      response_(std::move(response)),
      finished_(std::move(finished)),
      late_(false),
      mark_(newMark()) {
  // All get the same, and wildcard subscriptions of one type are few.
  for (Watch* watch : watches_.wildcards()) {
    Portion& portion = portionOf(*watch);
    portion.all_errors = true;
    portion.full_state = !response_.delta && !response_.partial && response_.errors.empty();
    portion.removed = response_.removed;
    portion.resources = watches_.wildcards().size() == 1 ? std::move(response_.resources) : response_.resources;
  }
}

Delivery::Delivery(event::Dispatcher& main, WatchTable& watches, ResourceRecords& records, std::vector<Late> late,
                   Finished finished)
    : main_(main),
      watches_(watches),
      records_(records),
      finished_(std::move(finished)),
      late_(true),
      mark_(newMark()),
      phase_(Phase::Delivering) {
  for (Late& one : late) {
    portion_of_.emplace(one.watch, portions_.size());
    Portion& portion = portions_.emplace_back();
    portion.watch = one.watch;
    portion.full_state = one.full_state;
    portion.version = one.resources.empty() ? "" : one.resources.front().version;
    portion.resources = std::move(one.resources);
  }
}

Delivery::Portion& Delivery::portionOf(const Watch& watch) {
  auto [found, added] = portion_of_.try_emplace(watch.id(), portions_.size());
  if (added) {
    Portion& portion = portions_.emplace_back();
    portion.watch = watch.id();
    portion.version = response_.version;
  }
  return portions_[found->second];
}

void Delivery::run() {
  const auto end = std::chrono::steady_clock::now() + kSlice;
  while (step()) {
    if (std::chrono::steady_clock::now() >= end) {
      main_.runNextTurn(*this);
      return;
    }
  }
  if (phase_ == Phase::Sweeping) {
    const Finished finished = std::move(finished_);
    finished(std::move(refused_));
  }
}

bool Delivery::step() {
  switch (phase_) {
    case Phase::Sorting:
      if (watches_.hasNames() && next_ < response_.record.size() + response_.errors.size() + response_.removed.size()) {
        sortNext();
      } else {
        phase_ = Phase::Delivering;
        next_ = 0;
      }
      return true;
    case Phase::Delivering:
      if (next_ < portions_.size()) {
        if (deliver(portions_[next_])) {
          ++next_;
        }
        return true;
      }
      phase_ = Phase::Waiting;
      return true;
    case Phase::Waiting:
      if (waiting_ > 0) {
        return false;
      }
      refused_.reserve(refused_.size() + response_.errors.size());
      phase_ = Phase::Collecting;
      next_ = 0;
      return true;
    case Phase::Collecting:
      if (next_ < response_.errors.size()) {
        refused_.push_back(std::move(response_.errors[next_++]));
      } else {
        phase_ = Phase::Naming;
        next_ = 0;
      }
      return true;
    case Phase::Naming:
      if (next_ < refused_.size()) {
        refused_names_.insert(refused_[next_++].name);
      } else {
        phase_ = Phase::Recording;
        next_ = 0;
      }
      return true;
    case Phase::Recording:
      if (next_ < response_.record.size() + refused_.size() + response_.removed.size()) {
        recordNext();
        return true;
      }
      phase_ = Phase::Sweeping;
      // Only a whole and healthy state tells what has gone, and only to those who asked for all.
      return !late_ && !watches_.wildcards().empty() && !portions_.empty() && portions_.front().full_state;
    case Phase::Sweeping:
      return records_.sweep(mark_, sweep_position_);
  }
  return false;
}

void Delivery::sortNext() {
  const size_t at = next_++;
  if (at < response_.record.size()) {
    for (Watch* watch : watches_.wanting(response_.record[at].name)) {
      Portion& portion = portionOf(*watch);
      portion.resources.push_back(response_.record[at]);
      if (portion.version.empty()) {
        // A delta server may give versions to resources only.
        portion.version = response_.record[at].version;
      }
    }
    return;
  }
  const size_t error = at - response_.record.size();
  if (error >= response_.errors.size()) {
    const std::string& removed = response_.removed[error - response_.errors.size()];
    for (Watch* watch : watches_.wanting(removed)) {
      portionOf(*watch).removed.push_back(removed);
    }
    return;
  }
  for (Watch* watch : watches_.wanting(response_.errors[error].name)) {
    portionOf(*watch).errors.push_back(error);
  }
}

size_t Delivery::errorsOf(const Portion& portion) const {
  return portion.all_errors ? response_.errors.size() : portion.errors.size();
}

bool Delivery::deliver(Portion& portion) {
  Watch* watch = watches_.find(portion.watch);
  if (watch == nullptr) {
    return true;
  }
  watch->answered();
  if (portion.errors_told < errorsOf(portion)) {
    const size_t at = portion.errors_told++;
    const ResourceError& error = response_.errors[portion.all_errors ? at : portion.errors[at]];
    watch->watcher().onUndecodable(error, portion.version, /*first=*/at == 0);
    return false;
  }
  if (portion.resources.empty() && portion.removed.empty() && errorsOf(portion) > 0) {
    watch->stats().rejected();
    watch->watcher().onFetchFailure(FetchFailure::Rejected);
    return true;
  }
  Update update;
  update.resources = std::move(portion.resources);
  update.removed = std::move(portion.removed);
  update.full_state = portion.full_state;
  update.version = portion.version;
  portion.waiting = true;
  portion.begun = std::chrono::steady_clock::now();
  ++waiting_;
  const size_t index = static_cast<size_t>(&portion - portions_.data());
  watch->watcher().onUpdate(std::move(update), Verdict(anchor_.ref(), index));
  return true;
}

void Delivery::onVerdict(size_t index, std::vector<ResourceError> errors) {
  Portion& portion = portions_[index];
  if (!portion.waiting) {
    return;
  }
  portion.waiting = false;
  --waiting_;
  if (Watch* watch = watches_.find(portion.watch)) {
    if (errors.empty() && errorsOf(portion) == 0) {
      watch->stats().accepted(
          portion.version, main_.systemNow(),
          std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - portion.begun));
    } else {
      watch->stats().rejected();
    }
  }
  if (refused_.empty()) {
    refused_ = std::move(errors);
  } else {
    for (ResourceError& error : errors) {
      refused_.push_back(std::move(error));
    }
  }
  if (phase_ == Phase::Waiting && waiting_ == 0) {
    main_.runNextTurn(*this);
  }
}

void Delivery::watchGone(uint64_t watch) {
  auto found = portion_of_.find(watch);
  if (found != portion_of_.end()) {
    onVerdict(found->second, {});
  }
}

void Delivery::recordNext() {
  const size_t at = next_++;
  const bool wildcard = !watches_.wildcards().empty();
  const auto wanted = [this, wildcard](const std::string& name) { return wildcard || !watches_.wanting(name).empty(); };
  if (at < response_.record.size()) {
    Resource& resource = response_.record[at];
    if (at < response_.resources.size()) {
      // The same one, of which the watchers have copies: a record is to see whether any of them keeps the message.
      response_.resources[at].message.reset();
    }
    if (wanted(resource.name) && refused_names_.count(resource.name) == 0) {
      records_.accepted(resource, main_.systemNow(), main_.now(), mark_);
    }
    return;
  }
  if (at >= response_.record.size() + refused_.size()) {
    records_.forget(response_.removed[at - response_.record.size() - refused_.size()]);
    return;
  }
  const ResourceError& error = refused_[at - response_.record.size()];
  if (!error.name.empty() && wanted(error.name)) {
    const std::string* held = late_ ? records_.heldVersion(error.name) : nullptr;
    const std::string version = held != nullptr ? *held : response_.version;
    records_.refused(error, version, main_.systemNow(), mark_);
  }
}

}  // namespace sluice::xds
