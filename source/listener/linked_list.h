#pragma once

#include "source/base/assert.h"

namespace sluice::listener {

/** A node of a circular list that lives in its object; destroying it, or unlink(), takes it out. One thread. */
class ListNode {
 public:
  ListNode() = default;
  ListNode(const ListNode&) = delete;
  ListNode& operator=(const ListNode&) = delete;
  ~ListNode() { unlink(); }

  void unlink() {
    next_->previous_ = previous_;
    previous_->next_ = next_;
    next_ = previous_ = this;
  }

 private:
  template <class T>
  friend class LinkedList;

  ListNode* next_ = this;
  ListNode* previous_ = this;
};

/** A list of objects that derive from ListNode; owns nothing. An object is in one list at a time. */
template <class T>
class LinkedList {
 public:
  LinkedList() = default;
  ~LinkedList() { SLUICE_CHECK(empty(), "a list goes before what is in it"); }

  bool empty() const { return head_.next_ == &head_; }
  T& front() {
    SLUICE_CHECK(!empty(), "nothing in the list");
    return static_cast<T&>(*head_.next_);
  }
  void pushBack(T& object) {
    ListNode& node = object;
    node.unlink();
    node.previous_ = head_.previous_;
    node.next_ = &head_;
    head_.previous_->next_ = &node;
    head_.previous_ = &node;
  }
  /** Moves all of `other` to this list's end. */
  void splice(LinkedList& other) {
    if (other.empty()) {
      return;
    }
    ListNode* first = other.head_.next_;
    ListNode* last = other.head_.previous_;
    other.head_.next_ = other.head_.previous_ = &other.head_;
    first->previous_ = head_.previous_;
    head_.previous_->next_ = first;
    last->next_ = &head_;
    head_.previous_ = last;
  }

 private:
  ListNode head_;
};

}  // namespace sluice::listener
