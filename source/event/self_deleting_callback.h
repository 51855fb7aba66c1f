#pragma once

#include <functional>
#include <utility>

namespace sluice::event {

/**
 * A callback that may destroy the object that holds it. What the callback captured stays whole until it returns, as it
 * runs from the stack; it is put back afterwards if its holder still lives. Not to be called from inside itself.
 */
template <class... Args>
class SelfDeletingCallback {
 public:
  explicit SelfDeletingCallback(std::function<void(Args...)> function) : function_(std::move(function)) {}
  SelfDeletingCallback(const SelfDeletingCallback&) = delete;
  SelfDeletingCallback& operator=(const SelfDeletingCallback&) = delete;
  ~SelfDeletingCallback() {
    if (gone_ != nullptr) {
      *gone_ = true;
    }
  }

  void operator()(Args... args) {
    bool gone = false;
    gone_ = &gone;
    std::function<void(Args...)> running = std::move(function_);
    running(args...);
    if (!gone) {
      function_ = std::move(running);
      gone_ = nullptr;
    }
  }

 private:
  std::function<void(Args...)> function_;
  /** Non-null while the callback runs. */
  bool* gone_ = nullptr;
};

}  // namespace sluice::event
