#pragma once

namespace sluice::base {

/** A place in one IntrusiveList at a time; destroying it, or unlink(), takes it out. */
class ListHook {
 public:
  ListHook() = default;
  ListHook(const ListHook&) = delete;
  ListHook& operator=(const ListHook&) = delete;
  ~ListHook() { unlink(); }

  bool linked() const { return next_ != nullptr; }
  void unlink() {
    if (next_ != nullptr) {
      next_->previous_ = previous_;
      previous_->next_ = next_;
      next_ = previous_ = nullptr;
    }
  }

 private:
  template <class T>
  friend class IntrusiveList;
  ListHook* next_ = nullptr;
  ListHook* previous_ = nullptr;
};

/** A list of objects that derive from ListHook and that it does not own. Adding takes an object out of another list. */
template <class T>
class IntrusiveList {
 public:
  IntrusiveList() { head_.next_ = head_.previous_ = &head_; }
  ~IntrusiveList() {
    while (!empty()) {
      head_.next_->unlink();
    }
    head_.next_ = head_.previous_ = nullptr;
  }

  bool empty() const { return head_.next_ == &head_; }
  /** Null when the list is empty. */
  T* front() const { return empty() ? nullptr : static_cast<T*>(head_.next_); }

  void pushFront(T& object) { insert(object, head_, *head_.next_); }
  void pushBack(T& object) { insert(object, *head_.previous_, head_); }

  /** Moves all of `other` to this list's end. */
  void take(IntrusiveList& other) {
    while (T* first = other.front()) {
      pushBack(*first);
    }
  }
  template <class Visit>
  void forEach(Visit&& visit) const {
    for (ListHook* each = head_.next_; each != &head_; each = each->next_) {
      visit(static_cast<T&>(*each));
    }
  }

 private:
  void insert(T& object, ListHook& before, ListHook& after) {
    ListHook& hook = object;
    if (&hook == &before || &hook == &after) {
      return;
    }
    hook.unlink();
    hook.previous_ = &before;
    hook.next_ = &after;
    before.next_ = &hook;
    after.previous_ = &hook;
  }

  ListHook head_;
};

}  // namespace sluice::base
