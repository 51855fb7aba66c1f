#include "source/xds/init_manager.h"

#include <algorithm>
#include <utility>

#include "source/base/assert.h"

namespace sluice::xds {

struct InitTarget::State {
  std::string description;
  std::function<void()> start;
  bool started = false;
  bool ready = false;
  /** One for each manager that waits. */
  std::vector<std::function<void()>> waiters;
};

InitTarget::InitTarget(std::string description, std::function<void()> start) : state_(std::make_shared<State>()) {
  state_->description = std::move(description);
  state_->start = std::move(start);
}

InitTarget::~InitTarget() {
  // Nobody is left to start, and whatever it captured may go before the managers that still hold the state.
  state_->start = nullptr;
  ready();
}

void InitTarget::ready() {
  // What waits may destroy this target.
  const std::shared_ptr<State> state = state_;
  if (state->ready) {
    return;
  }
  state->ready = true;
  for (const std::function<void()>& waiter : std::exchange(state->waiters, {})) {
    waiter();
  }
}

bool InitTarget::isReady() const { return state_->ready; }

struct InitManager::State {
  struct Waiting {
    std::shared_ptr<InitTarget::State> target;
    base::MonotonicTime since;
  };

  std::string name;
  Phase phase = Phase::Uninitialized;
  std::function<void()> on_ready;
  std::vector<Waiting> waiting;
  /** Set while initialize() goes through the targets: those that are ready at once must not end it early. */
  bool starting = false;

  static void start(InitTarget::State& target) {
    if (!target.started && target.start != nullptr) {
      target.started = true;
      const std::function<void()> start = std::exchange(target.start, nullptr);
      start();
    }
  }

  void finishIfReady() {
    if (phase == Phase::Initializing && !starting && waiting.empty()) {
      phase = Phase::Initialized;
      const std::function<void()> callback = std::exchange(on_ready, nullptr);
      // May destroy the manager, and with it this state: nothing of it is touched afterwards.
      callback();
    }
  }

  void targetReady(const InitTarget::State* target) {
    waiting.erase(std::remove_if(waiting.begin(), waiting.end(),
                                 [target](const Waiting& entry) { return entry.target.get() == target; }),
                  waiting.end());
    finishIfReady();
  }
};

InitManager::InitManager(std::string name) : state_(std::make_shared<State>()) { state_->name = std::move(name); }

InitManager::~InitManager() {
  state_->on_ready = nullptr;
  state_->waiting.clear();
  state_->phase = Phase::Initialized;
}

void InitManager::add(InitTarget& target) {
  SLUICE_CHECK(state_->phase != Phase::Initialized, "a target was added after everything was ready");
  const std::shared_ptr<InitTarget::State> waited_for = target.state_;
  if (waited_for->ready) {
    return;
  }
  state_->waiting.push_back({waited_for, std::chrono::steady_clock::now()});
  waited_for->waiters.push_back([weak = std::weak_ptr<State>(state_), identity = waited_for.get()] {
    if (const std::shared_ptr<State> state = weak.lock()) {
      state->targetReady(identity);
    }
  });
  if (state_->phase == Phase::Initializing) {
    State::start(*waited_for);
  }
}

void InitManager::initialize(std::function<void()> on_ready) {
  // Kept here: starting a target may, through what is ready with it, destroy the manager.
  const std::shared_ptr<State> state = state_;
  SLUICE_CHECK(state->phase == Phase::Uninitialized, "an init manager is initialised once");
  state->phase = Phase::Initializing;
  state->on_ready = std::move(on_ready);
  state->starting = true;
  // A copy: targets that are ready at once leave the list, and starting one may add others.
  std::vector<std::shared_ptr<InitTarget::State>> targets;
  const base::MonotonicTime now = std::chrono::steady_clock::now();
  for (State::Waiting& entry : state->waiting) {
    entry.since = now;
    targets.push_back(entry.target);
  }
  for (const std::shared_ptr<InitTarget::State>& target : targets) {
    State::start(*target);
  }
  state->starting = false;
  state->finishIfReady();
}

InitManager::Phase InitManager::phase() const { return state_->phase; }

const std::string& InitManager::name() const { return state_->name; }

std::vector<InitManager::Pending> InitManager::pending() const {
  std::vector<Pending> pending;
  for (const State::Waiting& entry : state_->waiting) {
    pending.push_back({entry.target->description, entry.since});
  }
  return pending;
}

}  // namespace sluice::xds
