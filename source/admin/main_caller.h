#pragma once

#include <utility>

#include "absl/functional/any_invocable.h"

#include "source/base/weak_ref.h"
#include "source/event/dispatcher.h"

namespace sluice::admin {

/**
 * How the admin thread asks main: posts the question there and the answer back. Made on main, used on the admin thread,
 * destroyed on main after that thread has been joined. A question that finds it gone is dropped.
 */
class MainCaller {
 public:
  MainCaller(event::Dispatcher& main, event::Dispatcher& admin) : main_(main), admin_(admin), alive_(anchor_.ref()) {}

  /**
   * Runs `work` on main, then `done` with its result on the admin thread. Both are destroyed on either thread; `done`
   * finds what it is for by a weak reference.
   */
  template <class Result>
  void call(absl::AnyInvocable<Result()> work, absl::AnyInvocable<void(Result)> done) {
    main_.post([alive = alive_, work = std::move(work), done = std::move(done)]() mutable {
      MainCaller* self = alive.get();
      if (self == nullptr) {
        return;
      }
      self->admin_.post([done = std::move(done), result = work()]() mutable { done(std::move(result)); });
    });
  }

  /** The admin thread's. */
  event::Dispatcher& admin() const { return admin_; }

  /** Runs `work` on main. */
  void run(absl::AnyInvocable<void()> work) {
    main_.post([alive = alive_, work = std::move(work)]() mutable {
      if (alive.get() != nullptr) {
        work();
      }
    });
  }

 private:
  event::Dispatcher& main_;
  event::Dispatcher& admin_;
  base::WeakAnchor<MainCaller> anchor_{this};
  /** What the admin thread copies, so that it never looks into the anchor. */
  const base::WeakRef<MainCaller> alive_;
};

}  // namespace sluice::admin
