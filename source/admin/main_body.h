#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/functional/any_invocable.h"

#include "source/admin/body.h"
#include "source/admin/main_caller.h"
#include "source/base/weak_ref.h"

namespace sluice::admin {

/** The time that a slice of work may take on main. */
class SliceBudget {
 public:
  bool over() const { return std::chrono::steady_clock::now() >= end_; }

 private:
  static constexpr std::chrono::microseconds kSlice{700};
  const std::chrono::steady_clock::time_point end_ = std::chrono::steady_clock::now() + kSlice;
};

/** Turns what main handed over into text. Admin thread; a body owns it. */
template <class Item>
class Renderer {
 public:
  virtual ~Renderer() = default;
  virtual void begin(std::string& out) { static_cast<void>(out); }
  /** Appends a part of the item, about as long as a piece; true when that was its last. */
  virtual bool render(Item& item, std::string& out) = 0;
  virtual void end(std::string& out) { static_cast<void>(out); }
};

/**
 * A body of what only main knows. Main gathers items, slice by slice, each when the client has taken what there was; the
 * admin thread turns them into text. Admin thread.
 */
template <class Item>
class MainBody final : public Body {
 public:
  using Items = std::deque<Item>;
  /** On main: appends items until the budget is over; false after the last. Holds nothing that must die on main. */
  using Source = absl::AnyInvocable<bool(const SliceBudget&, Items&)>;

  MainBody(MainCaller& main, Source source, std::unique_ptr<Renderer<Item>> renderer)
      : main_(main), source_(std::move(source)), renderer_(std::move(renderer)) {}

  void onWake(std::function<void()> wake) override { wake_ = std::move(wake); }

  Next next(std::string& out) override {
    if (!begun_) {
      begun_ = true;
      renderer_->begin(out);
    }
    const SliceBudget budget;
    while (!items_.empty() && out.size() < kPieceBytes && !budget.over()) {
      if (renderer_->render(items_.front(), out)) {
        items_.pop_front();
      }
    }
    if (!items_.empty()) {
      return Next::More;
    }
    if (!more_) {
      renderer_->end(out);
      return Next::End;
    }
    if (!asked_) {
      ask();
    }
    return Next::Later;
  }

 private:
  struct Slice {
    Source source;
    Items items;
    bool more = false;
  };

  void ask() {
    asked_ = true;
    main_.call<Slice>(
        [source = std::move(source_)]() mutable {
          Slice slice;
          slice.more = source(SliceBudget(), slice.items);
          slice.source = std::move(source);
          return slice;
        },
        [self = anchor_.ref()](Slice slice) {
          if (MainBody* body = self.get()) {
            body->onSlice(std::move(slice));
          }
        });
  }

  void onSlice(Slice slice) {
    asked_ = false;
    more_ = slice.more;
    source_ = std::move(slice.source);
    items_ = std::move(slice.items);
    wake_();
  }

  MainCaller& main_;
  Source source_;
  const std::unique_ptr<Renderer<Item>> renderer_;
  std::function<void()> wake_;
  Items items_;
  bool begun_ = false;
  bool asked_ = false;
  bool more_ = true;
  const base::WeakAnchor<MainBody> anchor_{this};
};

}  // namespace sluice::admin
