#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <utility>

namespace sluice::base {

/** Removes its callback from the list when destroyed; harmless after the list has gone. */
class CallbackHandle {
 public:
  virtual ~CallbackHandle() = default;
};
using CallbackHandlePtr = std::unique_ptr<CallbackHandle>;

/**
 * Callbacks of one thread, run in order of adding. A callback may remove itself or any other, add new ones (which the
 * run under way leaves out), run the list again, or destroy it.
 */
template <class... Args>
class CallbackList {
 public:
  using Callback = std::function<void(Args...)>;

  CallbackList() = default;
  CallbackList(const CallbackList&) = delete;
  CallbackList& operator=(const CallbackList&) = delete;
  ~CallbackList() { state_->alive = false; }

  [[nodiscard]] CallbackHandlePtr add(Callback callback) {
    auto entry = std::make_shared<Entry>(Entry{std::move(callback), ++state_->last_id, true});
    state_->entries.push_back(entry);
    return std::make_unique<Handle>(state_, std::move(entry));
  }

  void run(Args... args) {
    // Both kept here: a callback may destroy this list, and its own entry while its function runs.
    const std::shared_ptr<State> state = state_;
    const uint64_t last_id = state->last_id;
    ++state->running;
    for (auto it = state->entries.begin(); it != state->entries.end() && (*it)->id <= last_id; ++it) {
      const std::shared_ptr<Entry> entry = *it;
      if (entry->active) {
        entry->callback(args...);
      }
      if (!state->alive) {
        break;
      }
    }
    if (--state->running == 0) {
      state->entries.remove_if([](const std::shared_ptr<Entry>& entry) { return !entry->active; });
    }
  }

  bool empty() const {
    for (const auto& entry : state_->entries) {
      if (entry->active) {
        return false;
      }
    }
    return true;
  }

 private:
  struct Entry {
    Callback callback;
    uint64_t id;
    bool active;
  };
  struct State {
    std::list<std::shared_ptr<Entry>> entries;
    uint64_t last_id = 0;
    int running = 0;
    bool alive = true;
  };
  class Handle : public CallbackHandle {
   public:
    Handle(std::weak_ptr<State> state, std::shared_ptr<Entry> entry)
        : state_(std::move(state)), entry_(std::move(entry)) {}
    ~Handle() override {
      entry_->active = false;
      const std::shared_ptr<State> state = state_.lock();
      if (state != nullptr && state->running == 0) {
        state->entries.remove(entry_);
      }
    }

   private:
    const std::weak_ptr<State> state_;
    const std::shared_ptr<Entry> entry_;
  };

  const std::shared_ptr<State> state_ = std::make_shared<State>();
};

}  // namespace sluice::base
